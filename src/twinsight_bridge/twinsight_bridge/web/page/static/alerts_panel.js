// Alerts: those that are active, and what happened before.

import { byId, el, Keyed, setAttribute, setText, show } from './dom.js';
import { ago, dateTime, duration } from './format.js';
import { nextFrame } from './signal.js';

const FIRST = 20;
const WIDE = '(min-width: 52rem)';
const AROUND_MS = 30_000;
const SIGNS = { info: 'i', warn: '!', error: '‼' };

/** Shows alerts; `chosen(selection)` hears which time somebody wants to see. */
export class AlertsPanel {
  constructor(alerts, fleet, chosen) {
    Object.assign(this, { alerts, fleet, chosen, most: FIRST });
    this.active = new Keyed(byId('active-alerts'), () => this.item());
    this.past = new Keyed(byId('past-alerts'), () => this.item());
    byId('past').open = matchMedia(WIDE).matches; // else it is in the way
    byId('more-alerts').addEventListener('click', () => {
      this.most += 5 * FIRST;
      this.draw();
    });
    const draw = nextFrame(() => this.draw());
    alerts.changed.listen(draw);
    setInterval(draw, 1000); // ages
  }

  draw() {
    const [active, past] = [this.alerts.active(), this.alerts.past()];
    setText(byId('alerts-count'), active.length ? `${active.length} active` : 'none active');
    setAttribute(byId('alerts-count'), 'class', active.length ? 'tag raised' : 'tag');
    this.active.show(active, keyOf);
    this.past.show(past.slice(0, this.most), keyOf);
    show(byId('no-alerts'), active.length + past.length === 0);
    show(byId('more-alerts'), past.length > this.most);
  }

  item() {
    const [severity, message, when] = ['severity', 'message', 'when'].map(
      (name) => el('span', { class: name }),
    );
    const look = el('button', { type: 'button', class: 'link' }, 'Show');
    let told = null;
    look.addEventListener('click', () => this.chosen(around(told, this.fleet.now())));
    const root = el('li', {}, severity, look, message, when);
    return {
      root,
      update: (alert) => {
        told = alert;
        setAttribute(root, 'class', `alert ${alert.severity in SIGNS ? alert.severity : 'info'}`);
        setText(severity, `${SIGNS[alert.severity] ?? '·'} ${alert.severity}`);
        setText(message, alert.message || alert.rule || alert.kind);
        setText(when, whenOf(alert, this.fleet.now()));
        setAttribute(look, 'aria-label', `Show ${alert.message || alert.kind} on the timeline`);
      },
    };
  }
}

function keyOf({ robot, kind, rule, metric, message, fromMs, toMs }) {
  return [robot, kind, rule, metric, message, fromMs ?? toMs].join('\0');
}

function whenOf({ robot, mission, kind, fromMs, toMs }, now) {
  const of = mission ? `${robot}, ${mission}` : robot;
  if (kind !== 'alert') return `${of} · ${kind.replaceAll('_', ' ')} · ${dateTime(fromMs, now)}`;
  if (toMs === null) return `${of} · since ${dateTime(fromMs, now)} (${ago(now - fromMs)})`;
  if (fromMs === null) return `${of} · until ${dateTime(toMs, now)}`;
  return `${of} · ${dateTime(fromMs, now)}, for ${duration(toMs - fromMs)}`;
}

function around({ robot, fromMs, toMs }, now) {
  const first = fromMs ?? toMs;
  const fromTo = [first - AROUND_MS, (toMs ?? Math.min(first + AROUND_MS, now)) + AROUND_MS];
  return { robot, fromMs: fromTo[0], toMs: fromTo[1] };
}
