// Frames of the protocol's PlaybackControl, which @foxglove/ws-protocol does not have.
'use strict';

const REQUEST = 3;
const STATE = 5;
const COMMANDS = { play: 0, pause: 1 };
const STATUS = ['playing', 'paused', 'buffering', 'ended'];

/** Return the frame that asks for playing or pausing, at a speed, from a time (ns) or as it is. */
function request({ command, speed, seekNs, requestId }) {
  const name = Buffer.from(requestId);
  const frame = Buffer.alloc(19 + name.length);
  frame.writeUInt8(REQUEST, 0);
  frame.writeUInt8(COMMANDS[command], 1);
  frame.writeFloatLE(speed, 2);
  frame.writeUInt8(seekNs === null ? 0 : 1, 6);
  frame.writeBigUInt64LE(BigInt(seekNs ?? 0), 7);
  frame.writeUInt32LE(name.length, 15);
  name.copy(frame, 19);
  return frame;
}

/** Return what a frame says of the playback; undefined where it is another frame. */
function state(data) {
  if (!(data instanceof ArrayBuffer) || new Uint8Array(data)[0] !== STATE) return undefined;
  const frame = Buffer.from(data);
  return {
    status: STATUS[frame.readUInt8(1)],
    currentNs: frame.readBigUInt64LE(2),
    speed: frame.readFloatLE(10),
    didSeek: frame.readUInt8(14) === 1,
    requestId: frame.toString('utf8', 19, 19 + frame.readUInt32LE(15)),
  };
}

module.exports = { request, state };
