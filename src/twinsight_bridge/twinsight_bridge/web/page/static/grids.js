// The newest maps and costmaps, as they were recorded.

import { get } from './api.js';
import { gridOf, isGrid } from './grid.js';
import { Poll } from './poll.js';
import { Signal } from './signal.js';

const LIST_S = 15;
const MAP_S = 10;
const COSTS_S = 1;
const NAMES = ['*map*', '*grid*', '*occupancy*'];
const LOCAL = /local/;

/**
 * `topics`: all that there are, `{ robot, topic, last, key }`; `base`: the grid that is shown;
 * `costs`: robot id → the costmap around it.
 */
export class Grids {
  constructor(fleet, failed) {
    Object.assign(this, { fleet, topics: [], base: null, costs: new Map(), near: [] });
    Object.assign(this, { wanted: '', shown: '' });
    this.known = false;
    this.changed = new Signal();
    this.listed = new Poll((signal) => this.list(signal), { periodS: LIST_S, failed });
    this.mapped = new Poll((signal) => this.askMap(signal), { periodS: MAP_S, failed });
    this.costed = new Poll((signal) => this.askCosts(signal), { periodS: COSTS_S, failed });
  }

  /** Show another grid; '' for the one that fits best. */
  choose(key) {
    this.wanted = key;
    this.mapped.now();
  }

  /** Ask for the costmaps around these robots. */
  follow(ids) {
    if (ids.join('\0') === this.near.join('\0')) return;
    this.near = ids;
    for (const id of this.costs.keys()) if (!ids.includes(id)) this.costs.delete(id);
    this.costed.now();
  }

  async list(signal) {
    const { topics } = await get('/topics', { topic: NAMES }, signal);
    this.topics = topics.filter((each) => isGrid(each.type_name)).map((each) => ({
      robot: each.robot_id, topic: each.topic, last: each.stored.last,
      key: `${each.robot_id}\0${each.topic}`,
    }));
    const first = !this.known;
    this.known = true;
    this.changed.tell();
    if (first || !this.base) await this.askMap(signal);
    if (first) this.costed.now();
  }

  async askMap(signal) {
    const topic = this.topics.find(({ key }) => key === this.wanted)
      ?? [...this.topics].sort((one, other) => rank(one) - rank(other))[0];
    if (!topic) {
      this.base = null;
    } else if (this.shown !== `${topic.key}\0${topic.last}` || !this.base) {
      const grid = await newest(topic, signal);
      this.base = grid && { ...grid, ...topic };
      this.shown = `${topic.key}\0${topic.last}`;
    }
    this.changed.tell();
  }

  async askCosts(signal) {
    for (const id of this.near) {
      const own = this.topics.filter((each) => each.robot === id && /cost/.test(each.topic));
      const topic = own.find((each) => LOCAL.test(each.topic)) ?? own[0];
      if (topic && topic.key !== this.base?.key) this.costs.set(id, await newest(topic, signal));
    }
    if (this.near.length) this.changed.tell();
  }
}

/** Return how well a grid suits to show robots on: a map of the place, rather than one robot's. */
function rank({ topic }) {
  if (/(^|\/)map$/.test(topic)) return 0;
  if (/global/.test(topic)) return 1;
  return LOCAL.test(topic) ? 3 : 2;
}

async function newest({ robot, topic }, signal) {
  const query = { robot, topic, format: 'json', arrays: 0 };
  return gridOf(await get('/records/content', query, signal));
}
