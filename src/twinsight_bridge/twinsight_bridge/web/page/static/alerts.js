// Alerts out of events: what was raised and not cleared is active.

import { get } from './api.js';
import { msOf } from './format.js';
import { Poll } from './poll.js';
import { Signal } from './signal.js';

const PERIOD_S = 60; // what comes meanwhile is told live
const ALERTS = 1000;
const OTHERS = 100;
const KEPT = 2000;
const MICROSECONDS = '2026-11-20T08:00:00.123456'.length;
const RAISED = 'alert_raised';
const CLEARED = 'alert_cleared';

/**
 * Holds the newest events as `{ robot, mission, kind, severity, message, rule, metric, fromMs,
 * toMs }`: an alert once, from its raise (null where that is not known) to its clearing (null
 * while it is active), and others with one time.
 */
export class Alerts {
  constructor(failed) {
    this.changed = new Signal();
    this.events = new Map();
    this.found = [];
    this.heard = []; // live, since it was asked last
    this.poll = new Poll((signal) => this.ask(signal), { periodS: PERIOD_S, failed });
  }

  /** Return the active alerts, the newest first. */
  active() {
    return this.found.filter((each) => each.kind === 'alert' && each.toMs === null);
  }

  /** Return what is over, the newest first. */
  past() {
    return this.found.filter((each) => each.kind !== 'alert' || each.toMs !== null);
  }

  async ask(signal) {
    const newest = { order: 'desc' };
    const known = this.heard.length;
    const [alerts, all] = await Promise.all([
      get('/events', { ...newest, kind: [RAISED, CLEARED], limit: ALERTS }, signal),
      get('/events', { ...newest, limit: OTHERS }, signal),
    ]);
    this.events = new Map();
    this.add([...alerts.events, ...all.events, ...this.heard]); // which may not be stored yet
    this.heard = this.heard.slice(known);
  }

  /** Take a message of the WebSocket. */
  take(message) {
    if (message.type === 'snapshot') this.hear(message.events);
    if (message.type === 'event') this.hear([message]);
    if (message.type === 'lost') this.poll.now();
  }

  hear(events) {
    this.heard = [...this.heard, ...events].slice(-KEPT);
    this.add(events);
  }

  add(events) {
    for (const { type, ...event } of events) this.events.set(JSON.stringify(keyOf(event)), event);
    const sorted = [...this.events].sort(([, one], [, other]) => (one.time < other.time ? -1 : 1));
    this.events = new Map(sorted.slice(-KEPT));
    this.found = paired([...this.events.values()]).reverse();
    this.changed.tell();
  }
}

/** What comes live has its time in nanoseconds, what is stored in microseconds. */
function keyOf({ time, robot_id: robot, kind, message, data }) {
  return [time.slice(0, MICROSECONDS), robot, kind, message, data?.rule, data?.metric];
}

/** Return what events in time order tell, in the order of their first. */
function paired(events) {
  const open = new Map();
  const found = [];
  for (const event of events) {
    const atMs = msOf(event.time);
    const alert = [event.robot_id, event.data?.rule, event.data?.metric].join('\0');
    if (event.kind !== RAISED && event.kind !== CLEARED) {
      found.push(told(event, event.kind, atMs, atMs));
      continue;
    }
    const before = open.get(alert);
    if (before) before.toMs = atMs; // also where it is raised anew
    open.delete(alert);
    if (event.kind === RAISED) {
      open.set(alert, told(event, 'alert', atMs, null));
      found.push(open.get(alert));
    } else if (!before) {
      found.push(told(event, 'alert', null, atMs));
    }
  }
  return found;
}

function told(event, kind, fromMs, toMs) {
  const { robot_id: robot, mission_id: mission, severity, message, data } = event;
  const { rule = '', metric = '' } = data ?? {};
  return { robot, mission, kind, severity, message, rule, metric, fromMs, toMs };
}
