// The head of the timeline: times, and alerts.

import { el } from './dom.js';
import { clock, dateTime } from './format.js';
import { ticks } from './ticks.js';

const TICK_PX = 90;
const EDGE = 0.04;

/** Draw the times of a TimeWindow. */
export function drawAxis(axis, window) {
  const most = Math.max(2, Math.floor(axis.clientWidth / TICK_PX));
  const { times, seconds } = ticks(window.fromMs, window.toMs, most);
  axis.replaceChildren(...times.map((ms) => {
    const share = window.share(ms);
    const mark = el('span', { class: `tick ${sideOf(share)}` }, clock(ms, seconds));
    mark.style.left = `${100 * share}%`;
    return mark;
  }));
}

function sideOf(share) {
  if (share < EDGE) return 'first';
  return share > 1 - EDGE ? 'last' : '';
}

/** Draw a mark for each alert that was raised in a TimeWindow. */
export function drawAlerts(line, window, alerts) {
  const marks = alerts.map((alert) => ({ ...alert, ms: alert.fromMs ?? alert.toMs }));
  const seen = marks.filter(({ ms }) => ms >= window.fromMs && ms <= window.toMs);
  line.replaceChildren(...seen.map(({ ms, severity, message }) => {
    const title = `${severity}: ${message} (${dateTime(ms)})`;
    const mark = el('span', { class: `mark ${severity}`, title });
    mark.style.left = `${100 * window.share(ms)}%`;
    return mark;
  }));
}
