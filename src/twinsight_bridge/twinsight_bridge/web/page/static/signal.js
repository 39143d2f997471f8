// Telling others that something changed.

/** Those who listen hear what is told, in the order in which they came. */
export class Signal {
  constructor() {
    this.listeners = [];
  }

  listen(listener) {
    this.listeners.push(listener);
  }

  tell(value) {
    for (const listener of this.listeners) listener(value);
  }
}

/** Return a function that has `work` done with the next picture, however often it is called. */
export function nextFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}
