// The robots, as what is live and what is stored tell of them.

import { msOf } from './format.js';
import { Signal } from './signal.js';

/**
 * `robots`: id → `{ id, online, seenMs, mission, metrics, stored }`, where `metrics` maps names
 * to `{ value, unit, timeMs }` and `stored` is `{ firstMs, lastMs, topics, records, bytes }` or
 * null.
 */
export class Fleet {
  constructor() {
    this.robots = new Map();
    this.changed = new Signal(); // any value
    this.listed = new Signal(); // robots came or went, or what is stored of them
    this.known = false; // what is stored of them
    this.aheadMs = 0; // of the server's clock
  }

  /** Return the time of the server, ms. */
  now() {
    return Date.now() + this.aheadMs;
  }

  /** Return the robots by id. */
  sorted() {
    return [...this.robots.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** Take what GET /robots tells: all that there are. */
  list(robots, complete) {
    const before = this.robots;
    if (complete) this.robots = new Map();
    for (const told of robots) {
      const robot = before.get(told.robot_id) ?? empty(told.robot_id);
      this.robots.set(robot.id, robot);
      this.update(robot, told);
      robot.stored = told.stored && {
        firstMs: msOf(told.stored.first), lastMs: msOf(told.stored.last),
        topics: told.stored.topics, records: told.stored.records, bytes: told.stored.size_bytes,
      };
    }
    this.known = true;
    this.listed.tell();
    this.changed.tell();
  }

  /** Take a message of the WebSocket. */
  take(message) {
    if (message.type === 'snapshot') {
      this.aheadMs = msOf(message.time) - Date.now();
      for (const told of message.robots) this.update(this.robot(told.robot_id), told);
    } else if (message.type === 'values') {
      this.values(this.robot(message.robot_id), message.values);
    } else if (message.type === 'robot') {
      this.update(this.robot(message.robot_id), message);
    } else {
      return;
    }
    this.changed.tell();
  }

  robot(id) {
    if (!this.robots.has(id)) {
      this.robots.set(id, empty(id));
      this.listed.tell();
    }
    return this.robots.get(id);
  }

  update(robot, told) {
    robot.online = told.online;
    robot.mission = told.mission_id ?? '';
    robot.seenMs = Math.max(robot.seenMs, msOf(told.last_seen) ?? 0);
    this.values(robot, told.metrics ?? {});
  }

  values(robot, values) {
    for (const [name, { value, unit, time }] of Object.entries(values)) {
      const timeMs = msOf(time);
      const before = robot.metrics.get(name);
      if (before && before.timeMs > timeMs) continue;
      robot.metrics.set(name, { value, unit: unit ?? before?.unit ?? '', timeMs });
      robot.seenMs = Math.max(robot.seenMs, timeMs);
    }
  }
}

function empty(id) {
  return { id, online: false, seenMs: 0, mission: '', metrics: new Map(), stored: null };
}
