// Whether the server and its stores answer.

import { ApiError, get } from './api.js';
import { Poll } from './poll.js';
import { Signal } from './signal.js';

const PERIOD_S = 5;

/** Asks GET /health; `back` hears when a store that was away answers again. */
export class Health {
  constructor(banners) {
    this.banners = banners;
    this.back = new Signal();
    this.away = new Set();
    this.poll = new Poll((signal) => this.ask(signal), {
      periodS: PERIOD_S,
      failed: (error) => {
        this.banners.tell('TwinSight', error && `${error.message}; the page goes on asking.`);
      },
    });
  }

  async ask(signal) {
    const { stores } = await health(signal);
    const before = this.away;
    this.away = new Set(stores.filter(({ state }) => state === 'away').map(({ store }) => store));
    for (const { store, problem } of stores) {
      this.banners.tell(store, this.away.has(store) ? `is away. ${problem ?? ''}` : '');
    }
    if ([...before].some((store) => !this.away.has(store))) this.back.tell();
  }
}

/** Return the answer also where it is 503, which is what it is while a store is away. */
async function health(signal) {
  let response;
  try {
    response = await fetch('/health', { signal });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('The server does not answer', 0);
  }
  const told = await response.json().catch(() => null);
  if (!told?.stores) {
    throw new ApiError(`The server answers with ${response.status}`, response.status);
  }
  return told;
}
