// Which time a timeline shows: a day, or a part of it.

import { Signal } from './signal.js';

const LEAST_MS = 2000;
const MARGIN = 0.04;

/** `fromMs` to `toMs` is shown, within the day from `dayMs` to `dayEndMs`. */
export class TimeWindow {
  constructor() {
    this.changed = new Signal();
    this.setDay(Date.now(), false);
  }

  /** Show the whole day in which a time is. */
  setDay(ms, tell = true) {
    const at = new Date(ms);
    const [year, month, day] = [at.getFullYear(), at.getMonth(), at.getDate()];
    this.dayMs = new Date(year, month, day).getTime();
    this.dayEndMs = new Date(year, month, day + 1).getTime(); // which may have 23 or 25 hours
    Object.assign(this, { fromMs: this.dayMs, toMs: this.dayEndMs });
    if (tell) this.changed.tell();
  }

  /** Show the day that is so many days later. */
  step(days) {
    const at = new Date(this.dayMs);
    this.setDay(new Date(at.getFullYear(), at.getMonth(), at.getDate() + days, 12).getTime());
  }

  /** Show a time with something around it; of several days, its first. */
  fit(fromMs, toMs) {
    if (fromMs < this.dayMs || fromMs >= this.dayEndMs) this.setDay(fromMs, false);
    const margin = Math.max(MARGIN * (toMs - fromMs), LEAST_MS / 2);
    this.show(fromMs - margin, toMs + margin);
  }

  /** Make what is shown longer or shorter; the time at `share` of it stays where it is. */
  zoom(factor, share = 0.5) {
    const length = Math.max((this.toMs - this.fromMs) * factor, LEAST_MS);
    const from = this.at(share) - share * length;
    this.show(from, from + length);
  }

  /** Go on by a share of what is shown. */
  pan(share) {
    const shift = share * (this.toMs - this.fromMs);
    this.show(this.fromMs + shift, this.toMs + shift);
  }

  show(fromMs, toMs) {
    const length = Math.min(toMs - fromMs, this.dayEndMs - this.dayMs);
    this.fromMs = Math.min(Math.max(fromMs, this.dayMs), this.dayEndMs - length);
    this.toMs = this.fromMs + length;
    this.changed.tell();
  }

  /** Return whether a part of the day is shown only. */
  get zoomed() {
    return this.toMs - this.fromMs < this.dayEndMs - this.dayMs;
  }

  /** Return the time at a share of what is shown. */
  at(share) {
    return this.fromMs + share * (this.toMs - this.fromMs);
  }

  /** Return `{ left, width }` of what is shown of a time, as shares of it; null for nothing. */
  part(fromMs, toMs) {
    if (toMs < this.fromMs || fromMs > this.toMs) return null;
    const [left, right] = [fromMs, toMs].map((ms) => Math.min(Math.max(this.share(ms), 0), 1));
    return { left, width: right - left };
  }

  /** Return where a time is, as a share of what is shown. */
  share(ms) {
    return (ms - this.fromMs) / (this.toMs - this.fromMs);
  }
}
