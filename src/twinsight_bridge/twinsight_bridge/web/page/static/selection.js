// What is selected of the records; the page's address has it, so that it can be passed on.

import { isoOf, msOf } from './format.js';
import { Signal } from './signal.js';

const NAMES = ['robot', 'mission', 'topic', 'from', 'to'];

/**
 * Holds `{ robot, mission, topic, fromMs, toMs, whole }`, or null; `whole` means a mission with
 * all that it has, whatever its ends.
 */
export class Selection {
  constructor() {
    this.changed = new Signal();
    this.value = null;
    addEventListener('hashchange', () => this.read());
  }

  /** Select something. */
  set({ robot = '', mission = '', topic = '', fromMs, toMs, whole = false }) {
    this.value = { robot, mission, topic, fromMs, toMs, whole };
    history.replaceState(null, '', `#${this.hash()}`);
    this.changed.tell(this.value);
  }

  /** Select nothing. */
  clear() {
    this.value = null;
    history.replaceState(null, '', location.pathname);
    this.changed.tell(null);
  }

  /** Return the selection as the API has it, see links.js. */
  query() {
    const { robot, mission, topic, fromMs, toMs, whole } = this.value;
    return {
      robot, mission, topic, from: whole ? '' : isoOf(fromMs), to: whole ? '' : isoOf(toMs),
    };
  }

  /** Select what the page's address says. */
  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const { robot, mission, topic, from, to } = Object.fromEntries(
      NAMES.map((name) => [name, given.get(name) ?? '']),
    );
    const [fromMs, toMs] = [msOf(from), msOf(to)];
    if (fromMs === null || !(toMs > fromMs)) return;
    this.value = { robot, mission, topic, fromMs, toMs, whole: given.get('whole') === 'yes' };
    this.changed.tell(this.value);
  }

  hash() {
    const { fromMs, toMs, whole, ...names } = this.value;
    const given = { ...names, from: isoOf(fromMs), to: isoOf(toMs), whole: whole ? 'yes' : '' };
    return new URLSearchParams(Object.entries(given).filter(([, value]) => value)).toString();
  }
}
