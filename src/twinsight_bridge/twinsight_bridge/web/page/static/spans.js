// Spans of time, `{ fromMs, toMs, mission }`, as a timeline draws them.

import { msOf } from './format.js';

/** Return spans of the API. */
export function spansOf(told) {
  return told.map(({ first, last, mission_id: mission }) => (
    { fromMs: msOf(first), toMs: msOf(last), mission }
  ));
}

/** Return spans in time order; those of one mission that are not `gapMs` apart become one. */
export function united(spans, gapMs = 0) {
  const found = [];
  const open = new Map();
  for (const span of [...spans].sort((one, other) => one.fromMs - other.fromMs)) {
    const last = open.get(span.mission);
    if (last && span.fromMs <= last.toMs + gapMs) {
      last.toMs = Math.max(last.toMs, span.toMs);
    } else {
      found.push({ ...span });
      open.set(span.mission, found[found.length - 1]);
    }
  }
  return found;
}

/** Return first and last of many, or null of none. */
export function extent(spans) {
  if (!spans.length) return null;
  return {
    fromMs: Math.min(...spans.map((span) => span.fromMs)),
    toMs: Math.max(...spans.map((span) => span.toMs)),
  };
}
