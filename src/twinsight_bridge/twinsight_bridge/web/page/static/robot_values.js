// All values of a robot, while somebody looks at them.

import { get } from './api.js';
import { el, Keyed, setText } from './dom.js';
import { ago, reading } from './format.js';

const PERIOD_MS = 2000;

/** Return `{ root }`: a table that is filled while it is open. */
export function valuesView(id) {
  const rows = el('tbody');
  const problem = el('p', { class: 'problem' });
  const root = el('details', { class: 'values' }, el('summary', {}, 'All values'), problem,
    el('div', { class: 'scroll' }, el('table', {}, rows)));
  const list = new Keyed(rows, row);
  let timer = null;

  async function fill() {
    clearTimeout(timer);
    if (!root.open || !root.isConnected) return;
    try {
      const { robots } = await get('/robots', { robot: id });
      const metrics = Object.entries(robots[0]?.metrics ?? {});
      list.show(metrics.sort(([one], [other]) => (one < other ? -1 : 1)), ([name]) => name);
      setText(problem, metrics.length ? '' : 'No value yet.');
    } catch (error) {
      setText(problem, error.message);
    }
    clearTimeout(timer);
    timer = setTimeout(fill, PERIOD_MS);
  }

  root.addEventListener('toggle', fill);
  return { root };
}

function row() {
  const [name, value, age] = [el('th', { scope: 'row' }), el('td'), el('td')];
  return {
    root: el('tr', {}, name, value, age),
    update([metric, told]) {
      setText(name, metric);
      setText(value, reading(told.value, told.unit));
      setText(age, ago(1000 * told.age_s));
    },
  };
}
