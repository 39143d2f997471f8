// Payloads to values and back, by the schema that the server advertised.
'use strict';
const { parse } = require('@foxglove/rosmsg');
const { parseRos2idl } = require('@foxglove/ros2idl-parser');
const { MessageReader, MessageWriter } = require('@foxglove/rosmsg2-serialization');

/** Return a function from payload to value; undefined where the encoding is unknown here. */
function decoder(encoding, schemaName, schemaEncoding, schema) {
  if (encoding === 'json') return (data) => JSON.parse(Buffer.from(data).toString());
  if (encoding !== 'cdr') return undefined;
  const reader = new MessageReader(definitions(schemaName, schemaEncoding, schema));
  return (data) => reader.readMessage(data);
}

/** Return the payload of a value. */
function encode(encoding, schemaName, schemaEncoding, schema, value) {
  if (encoding === 'json') return new Uint8Array(Buffer.from(JSON.stringify(value)));
  if (encoding !== 'cdr') throw new Error(`encoding ${encoding}: only cdr and json are written`);
  return new MessageWriter(definitions(schemaName, schemaEncoding, schema)).writeMessage(value);
}

/** Return the definitions of a schema, that of the message itself first. */
function definitions(schemaName, schemaEncoding, schema) {
  if (schemaEncoding !== 'ros2idl') return parse(schema, { ros2: true });
  const found = parseRos2idl(schema);
  const name = schemaName.replaceAll('::', '/');
  const own = found.filter((definition) => definition.name === name);
  if (own.length !== 1) throw new Error(`schema of ${schemaName} does not define it`);
  return [...own, ...found.filter((definition) => definition.name !== name)];
}

module.exports = { decoder, encode };
