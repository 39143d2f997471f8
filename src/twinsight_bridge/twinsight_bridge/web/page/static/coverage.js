// What was recorded on a day, robot by robot.

import { get } from './api.js';
import { isoOf } from './format.js';
import { Poll } from './poll.js';
import { Signal } from './signal.js';
import { spansOf, united } from './spans.js';

const PERIOD_S = 15;
const SHARE = 10; // it is not asked for more than this part of the time
const AT_ONCE = 2;
// A shorter gap may be none: between samples, or between chunks of a second each.
const GAP_RESOLUTIONS = 1.5;
const GAP_MS = 2500;
const UNLISTED_MS = 60_000; // what came since the robots were listed

/**
 * Asks for spans of a window of time. `rows`: robot id → `{ id, label, kind, topic, spans,
 * children }`, a tree of robot, sensor type and topic; a robot that is not asked for yet has none.
 */
export class Coverage {
  constructor(fleet, failed) {
    Object.assign(this, { fleet, robots: [], fromMs: 0, toMs: 0 });
    this.rows = new Map();
    this.changed = new Signal();
    this.pending = false; // what is shown is of another time
    this.poll = new Poll((signal) => this.ask(signal), { periodS: PERIOD_S, failed });
  }

  /** Show other robots or another time; what is known of the same robots stays until then. */
  set(robots, fromMs, toMs) {
    Object.assign(this, { robots, fromMs, toMs });
    for (const id of this.rows.keys()) if (!robots.includes(id)) this.rows.delete(id);
    this.pending = true;
    this.changed.tell();
    this.poll.now();
  }

  async ask(signal) {
    const startedMs = performance.now();
    const waiting = [...this.robots];
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (waiting.length) await this.askOne(waiting.shift(), signal);
    }));
    this.pending = false;
    this.changed.tell();
    this.poll.periodS = Math.max(PERIOD_S, SHARE * (performance.now() - startedMs) / 1000);
  }

  async askOne(id, signal) {
    const { stored } = this.fleet.robots.get(id) ?? {};
    let told = null;
    let gapMs = 0;
    if (stored && stored.firstMs <= this.toMs && stored.lastMs + UNLISTED_MS >= this.fromMs) {
      const query = { robot: id, from: isoOf(this.fromMs), to: isoOf(this.toMs) };
      const found = await get('/coverage', query, signal);
      [told] = found.robots;
      gapMs = Math.max(GAP_RESOLUTIONS * 1000 * found.resolution_s, GAP_MS);
    }
    this.rows.set(id, rowOf(id, told, gapMs));
    this.changed.tell();
  }
}

function rowOf(id, told, gapMs) {
  const seen = (spans) => united(spansOf(spans), gapMs);
  const kinds = new Map();
  for (const { topic, sensor_type: sensor, spans } of told?.topics ?? []) {
    const kind = sensor || 'other';
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind).push(leaf(`${id}\0${kind}\0${topic}`, topic, kind, topic, seen(spans)));
  }
  const groups = [...kinds].sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    ...leaf(id, id, '', '', seen(told?.spans ?? [])),
    children: groups.map(([kind, topics]) => (topics.length === 1 ? topics[0] : {
      ...leaf(`${id}\0${kind}`, `${kind} (${topics.length})`, kind, '',
        united(topics.flatMap((each) => each.spans))),
      children: topics,
    })),
  };
}

function leaf(id, label, kind, topic, spans) {
  return { id, label, kind, topic, spans, children: [] };
}
