// Addresses of data: for this page, for Foxglove, and for a command line.

import { address } from './api.js';

const WEB = 'https://app.foxglove.dev/~/view';
const APP = 'foxglove://open';
const LONGEST_NAME = 100;
const METRICS_EVERY = '100ms';

/** A selection is `{ robot, mission, topic, from, to }`; what is '' selects everything. */
function parameters({ robot, mission, topic, from, to }) {
  return { robot, mission, topic, from, to };
}

/** Return the name of a selection's file, without its ending. */
export function fileName({ robot, mission, topic, from }) {
  const parts = [robot, mission, topic, mission ? '' : (from ?? '').slice(0, 19)];
  const words = parts.map((part) => (part ?? '').replace(/[^A-Za-z0-9_-]+/g, '_'));
  const name = words.map((word) => word.replace(/^_+|_+$/g, '')).filter(Boolean).join('-');
  return name.slice(0, LONGEST_NAME) || 'recording';
}

/** Return path and query of a selection's MCAP file. */
export function filePath(selection) {
  return address(`/mcap/${fileName(selection)}.mcap`, parameters(selection));
}

/** Return path and query of a selection's metrics side by side; a format is 'csv' or 'arrow'. */
export function metricsPath({ robot, mission, from, to }, format) {
  return address('/metrics/grid', { robot, mission, from, to, every: METRICS_EVERY, format });
}

/** Return the address of a replay session of a selection. */
export function replayAddress(bridge, selection) {
  return address(`${bridge}/replay`, parameters(selection));
}

/** Return links that open a live or a replay address in Foxglove, see links(). */
export function foxgloveLive(url) {
  return links('foxglove-websocket', url);
}

/** Return links that open a file in Foxglove, see links(). */
export function foxgloveFile(url) {
  return links('remote-file', url);
}

/** Return `app`, for who has it installed, and `web`, with `webWorks`: whether it gets there. */
function links(source, url) {
  const query = `ds=${source}&ds.url=${encodeURIComponent(url)}`;
  return { url, app: `${APP}?${query}`, web: `${WEB}?${query}`, webWorks: isTrusted(url) };
}

/** A page of https reaches what is encrypted, and this machine. */
function isTrusted(url) {
  const { protocol, hostname } = new URL(url);
  return /^(https|wss):$/.test(protocol) || /^(localhost|127\..*|\[::1\])$/.test(hostname);
}

/** Return the command that writes a selection into a file. */
export function exportCommand(selection) {
  const options = Object.entries(parameters(selection)).filter(([, value]) => value);
  const words = options.map(([name, value]) => (
    value.startsWith('-') ? quoted(`--${name}=${value}`) : `--${name} ${quoted(value)}`
  ));
  return ['ros2 run twinsight_replay to_mcap', ...words, `${fileName(selection)}.mcap`].join(' ');
}

/** Return a text as a word of a shell. */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
