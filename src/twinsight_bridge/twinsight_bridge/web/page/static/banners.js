// What does not work, at the top of the page, until it works again.

import { el, Keyed, setText } from './dom.js';

/** Shows one line for each of what is wrong, by what it is of. */
export class Banners {
  constructor(parent) {
    this.problems = new Map();
    this.list = new Keyed(parent, () => {
      const name = el('strong');
      const text = el('span');
      return {
        root: el('p', { class: 'banner' }, name, ' ', text),
        update: ([of, problem]) => {
          setText(name, of);
          setText(text, problem);
        },
      };
    });
  }

  /** Say what is wrong with something; '' where it is well. */
  tell(of, problem) {
    if (problem) this.problems.set(of, problem);
    else this.problems.delete(of);
    this.list.show([...this.problems], ([name]) => name);
  }
}
