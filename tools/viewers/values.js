// Values that JSON has no form for: $int for 64 bits, $float for NaN, infinities and -0, $bytes.
'use strict';

/** Return a decoded message in JSON's terms; times get the names of their fields in ROS 2. */
function plain(value) {
  if (typeof value === 'bigint') return { $int: String(value) };
  if (Object.is(value, -0)) return { $float: '-0' };
  if (typeof value === 'number') return Number.isFinite(value) ? value : { $float: String(value) };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value, plain);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  if (entries.length === 2 && 'sec' in value && 'nsec' in value) {
    return { sec: value.sec, nanosec: value.nsec };
  }
  return Object.fromEntries(entries.map(([name, item]) => [name, plain(item)]));
}

/** Return what `plain` made into JSON, and whoever else writes these forms. */
function revive(value) {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== 'object') return value;
  if ('$int' in value) return BigInt(value.$int);
  if ('$float' in value) return Number(value.$float);
  if ('$bytes' in value) return new Uint8Array(Buffer.from(value.$bytes, 'base64'));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, revive(item)]));
}

module.exports = { plain, revive };
