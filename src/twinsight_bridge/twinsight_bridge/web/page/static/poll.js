// Asking again and again, while somebody looks.

import { ApiError } from './api.js';

/**
 * Does `work(signal)` now and then.
 *
 * It is done again `periodS` after it was done, a failure after what the server asks for; a page
 * that nobody sees waits. `failed(error)` hears of failures, and null of a success.
 */
export class Poll {
  constructor(work, { periodS, failed = () => {} }) {
    this.work = work;
    this.periodS = periodS;
    this.failed = failed;
    this.timer = null;
    this.running = null;
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.due) this.now();
    });
  }

  /** Do it at once, in place of what runs or waits; it is over when this returns. */
  async now() {
    clearTimeout(this.timer);
    this.due = false;
    this.running?.abort();
    const own = new AbortController();
    this.running = own;
    const error = await this.try(own);
    if (this.running !== own) return;
    this.running = null;
    const waitS = error ? error.retryS : this.periodS;
    this.timer = setTimeout(() => {
      this.due = true;
      if (!document.hidden) this.now();
    }, waitS * 1000);
  }

  async try(own) {
    try {
      await this.work(own.signal);
      if (!own.signal.aborted) this.failed(null);
    } catch (error) {
      if (own.signal.aborted) return null;
      if (!(error instanceof ApiError)) throw error;
      this.failed(error);
      return error;
    }
    return null;
  }
}
