// A viewer without a window: client.js URL SUBPROTOCOL[,SUBPROTOCOL...]
'use strict';
const { createHash } = require('node:crypto');
const { FoxgloveClient } = require('@foxglove/ws-protocol');
const WebSocket = require('ws');
const { decoder, encode } = require('./codecs');
const { emit, serve } = require('./commands');
const playback = require('./playback');

const [url, subprotocols] = process.argv.slice(2);
const socket = new WebSocket(url, subprotocols.split(','));
const client = new FoxgloveClient({ ws: socket });
const channels = new Map(); // by id
const services = new Map(); // by name
const wanted = []; // { topics, fields }: what to subscribe to as it is advertised
const subscriptions = new Map(); // by id: { channel, fields, decode }
const waiting = new Map(); // questions by kind and id: how to answer them
let questions = 0;

/** Return the answer that `settle` brings for this kind and id. */
function answer(kind, id) {
  return new Promise((resolve, reject) => waiting.set(`${kind} ${id}`, { resolve, reject }));
}

function settle(kind, id, how, value) {
  waiting.get(`${kind} ${id}`)?.[how](value);
  waiting.delete(`${kind} ${id}`);
}

function subscribeAsWanted(channel) {
  const { topics, fields } = wanted.findLast((item) => item.topics.test(channel.topic)) ?? {};
  if (topics === undefined || subscriptionsOf(channel.id).length > 0) return;
  const { encoding, schemaName, schemaEncoding, schema } = channel;
  const decode = orTell(channel, () => decoder(encoding, schemaName, schemaEncoding, schema));
  subscriptions.set(client.subscribe(channel.id), { channel, fields, decode });
}

/** Return what `work` returns; where a schema or payload is bad, tell so, and return nothing. */
function orTell(channel, work) {
  try {
    return work();
  } catch (error) {
    emit('error', { message: `${channel.topic}: ${error.message}` });
    return undefined;
  }
}

function subscriptionsOf(channelId) {
  return [...subscriptions].filter(([, item]) => item.channel.id === channelId);
}

client.on('open', () => emit('open', { subprotocol: socket.protocol }));
client.on('close', ({ code, reason }) => emit('close', { code, reason: String(reason) }));
client.on('error', (error) => emit('error', { message: error.message }));
client.on('serverInfo', (info) => emit('serverInfo', { info }));
client.on('status', ({ level, message, id }) => emit('status', { level, message, id }));
client.on('removeStatus', ({ statusIds }) => emit('removeStatus', { ids: statusIds }));
client.on('time', ({ timestamp }) => emit('time', { ns: timestamp }));
client.on('connectionGraphUpdate', (update) => emit('graph', { update }));

client.on('advertise', (advertised) => {
  emit('advertise', { channels: advertised });
  for (const channel of advertised) {
    channels.set(channel.id, channel);
    subscribeAsWanted(channel);
  }
});

client.on('unadvertise', (ids) => {
  emit('unadvertise', { ids });
  for (const id of ids) {
    channels.delete(id);
    for (const [subscription] of subscriptionsOf(id)) subscriptions.delete(subscription);
  }
});

client.on('message', ({ subscriptionId, timestamp, data }) => {
  const subscription = subscriptions.get(subscriptionId);
  if (subscription === undefined) return; // what was on its way at the end of a subscription
  const payload = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const { channel, decode, fields } = subscription;
  const value = decode && orTell(channel, () => decode(payload));
  emit('message', {
    topic: channel.topic,
    logNs: timestamp,
    size: payload.length,
    sha256: createHash('sha256').update(payload).digest('hex'),
    fields: fields ? value : undefined,
  });
});

client.on('advertiseServices', (advertised) => {
  emit('advertiseServices', { services: advertised });
  for (const service of advertised) services.set(service.name, service);
});

client.on('unadvertiseServices', (ids) => {
  emit('unadvertiseServices', { ids });
  for (const [name, { id }] of services) if (ids.includes(id)) services.delete(name);
});

client.on('serviceCallResponse', (response) =>
  settle('call', response.callId, 'resolve', response));
client.on('serviceCallFailure', ({ callId, message }) =>
  settle('call', callId, 'reject', new Error(message)));

client.on('fetchAssetResponse', ({ requestId, status, data, error }) => {
  if (status !== 0) settle('asset', requestId, 'reject', new Error(error));
  else settle('asset', requestId, 'resolve', new Uint8Array(data.buffer, data.byteOffset));
});

client.on('parameterValues', ({ parameters, id }) => {
  if (id === undefined) emit('parameters', { parameters });
  else settle('parameters', id, 'resolve', parameters);
});

const forward = socket.onmessage;
socket.onmessage = (event) => {
  const state = playback.state(event.data);
  if (state === undefined) return forward(event);
  emit('playback', { state });
  settle('playback', state.requestId, 'resolve', state);
};

/** Advertise a topic of the viewer's; without a schema, that of a channel of the type is taken. */
function advertiseOwn({ topic, schemaName, encoding, schema }) {
  const like = [...channels.values()].find((channel) => channel.schemaName === schemaName);
  const text = schema || like?.schema;
  const schemaEncoding = schema ? 'ros2msg' : like?.schemaEncoding;
  if (encoding === 'cdr' && !text) throw new Error(`no channel has the type ${schemaName}`);
  const own = schema ? { schema, schemaEncoding } : {};
  const id = client.advertise({ topic, encoding, schemaName, ...own });
  return { id, encode: (value) => encode(encoding, schemaName, schemaEncoding, text, value) };
}

const advertisedOwn = new Map(); // by topic

serve({
  subscribe({ topics, fields }) {
    wanted.push({ topics: new RegExp(`^(?:${topics})$`), fields, text: topics });
    for (const channel of channels.values()) subscribeAsWanted(channel);
  },

  unsubscribe({ topics }) {
    const kept = wanted.filter(({ text }) => text !== topics);
    wanted.splice(0, wanted.length, ...kept);
    for (const [id, { channel }] of subscriptions) {
      if (kept.some((item) => item.topics.test(channel.topic))) continue;
      client.unsubscribe(id);
      subscriptions.delete(id);
    }
  },

  publish({ topic, value, ...kind }) {
    if (!advertisedOwn.has(topic)) advertisedOwn.set(topic, advertiseOwn({ topic, ...kind }));
    const own = advertisedOwn.get(topic);
    client.sendMessage(own.id, own.encode(value));
  },

  unpublish({ topic }) {
    client.unadvertise(advertisedOwn.get(topic).id);
    advertisedOwn.delete(topic);
  },

  async call({ name, value }) {
    const service = services.get(name);
    if (service === undefined) throw new Error(`no service ${name}`);
    const { request, response } = service;
    const { encoding } = request;
    const data = encode(
      encoding, request.schemaName, request.schemaEncoding, request.schema, value);
    const callId = ++questions;
    client.sendServiceCallRequest({ serviceId: service.id, callId, encoding, data });
    const answered = await answer('call', callId);
    return decoder(
      answered.encoding, response.schemaName, response.schemaEncoding, response.schema,
    )(answered.data);
  },

  getParameters({ names }) {
    const id = String(++questions);
    client.getParameters(names, id);
    return answer('parameters', id);
  },

  setParameters({ parameters }) {
    const id = String(++questions);
    client.setParameters(parameters, id);
    return answer('parameters', id);
  },

  subscribeParameters({ names }) {
    client.subscribeParameterUpdates(names);
  },

  unsubscribeParameters({ names }) {
    client.unsubscribeParameterUpdates(names);
  },

  subscribeGraph() {
    client.subscribeConnectionGraph();
  },

  unsubscribeGraph() {
    client.unsubscribeConnectionGraph();
  },

  fetchAsset({ uri }) {
    const id = ++questions;
    client.fetchAsset(uri, id);
    return answer('asset', id);
  },

  playback({ command, speed, seekNs }) {
    const requestId = `request-${++questions}`;
    socket.send(playback.request({ command, speed, seekNs, requestId }));
    return answer('playback', requestId);
  },
});
