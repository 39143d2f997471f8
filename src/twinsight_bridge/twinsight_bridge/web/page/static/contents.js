// How much there is in a selection.

import { get } from './api.js';
import { count, size } from './format.js';

const KEPT = 100;

/** Longer selections are counted when somebody asks for it: a second of many topics is quick. */
export const QUICK_MS = 3_600_000;

const kept = new Map();

/** Return `{ topics, messages, bytes }` of a selection as links.js has it. */
export async function contents(query, signal) {
  const key = JSON.stringify(query);
  if (!kept.has(key)) {
    const { topics } = await get('/topics', { ...query, count: true }, signal);
    const selected = topics.map((topic) => topic.selected).filter(Boolean);
    const sum = (name) => selected.reduce((total, each) => total + each[name], 0);
    const [messages, bytes] = [sum('messages'), sum('size_bytes')];
    kept.set(key, { topics: selected.length, messages, bytes });
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

/** Return contents as a text. */
export function contentsText({ topics, messages, bytes }) {
  if (!topics) return 'nothing was recorded';
  const of = topics > 1 ? `${topics} topics` : '1 topic';
  return `about ${size(bytes)}, ${count(messages)} messages of ${of}`;
}
