// A day's timeline: what was recorded of each robot, and when.

import { BarTip } from './bar_tip.js';
import { Coverage } from './coverage.js';
import { byId, setAttribute, setText, show } from './dom.js';
import { dayText } from './format.js';
import { nextFrame } from './signal.js';
import { extent } from './spans.js';
import { drawAlerts, drawAxis } from './timeline_axis.js';
import { TimelineRows } from './timeline_rows.js';
import { listenToDrawing } from './timeline_drag.js';
import { TimeWindow } from './time_window.js';

const ZOOM = 2;
const WINDOW_REST_MS = 300;
const LAST_MS = 1000; // a span may end where its last record begins, which holds up to a second

export class Timeline {
  constructor(fleet, alerts, selection, failed) {
    Object.assign(this, { fleet, alerts, selection, known: false, names: '', drawn: null });
    this.area = byId('timeline');
    this.window = new TimeWindow();
    this.coverage = new Coverage(fleet, failed);
    this.tip = new BarTip(this.area);
    this.draw = nextFrame(() => this.drawNow());
    this.rows = new TimelineRows(byId('timeline-rows'), this.window, {
      picked: (robot, row, span) => this.pick(robot, row, span),
      pointed: (bar, ...rest) => (bar ? this.tip.tell(bar, ...rest) : this.tip.hide()),
      toggled: this.draw,
    });
    listenToDrawing(byId('timeline-rows'), (...drawn) => this.drawOver(...drawn), () => {
      this.drawn = null;
      this.draw();
    });
    this.listen();
  }

  listen() {
    this.coverage.changed.listen(this.draw);
    this.alerts.changed.listen(this.draw);
    this.selection.changed.listen(this.draw);
    this.window.changed.listen(() => {
      this.draw();
      clearTimeout(this.rest);
      this.rest = setTimeout(() => this.ask(), WINDOW_REST_MS);
    });
    this.fleet.listed.listen(() => this.list());
    new ResizeObserver(this.draw).observe(this.area);
    setInterval(this.draw, 1000); // the line of now
    const actions = {
      'day-before': () => this.window.step(-1),
      'day-after': () => this.window.step(1),
      'day-latest': () => this.showLatest(),
      'zoom-in': () => this.window.zoom(1 / ZOOM),
      'zoom-out': () => this.window.zoom(ZOOM),
      'zoom-data': () => this.fitData(),
      earlier: () => this.window.pan(-0.5),
      later: () => this.window.pan(0.5),
    };
    for (const [id, action] of Object.entries(actions)) byId(id).addEventListener('click', action);
    byId('day').addEventListener('change', () => {
      const [year, month, day] = byId('day').value.split('-').map(Number);
      if (day) this.window.setDay(new Date(year, month - 1, day).getTime());
    });
    byId('timeline-robot').addEventListener('change', () => this.ask());
    this.area.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
  }

  /** Show a robot, and a time of it. */
  show(robot, fromMs, toMs) {
    byId('timeline-robot').value = this.fleet.robots.has(robot) ? robot : '';
    this.rows.open.add(robot);
    if (fromMs !== undefined) this.window.fit(fromMs, toMs);
    else this.ask();
  }

  /** Take the robots that there are; at first the latest day of which there is something. */
  list() {
    const robots = this.fleet.sorted();
    const names = robots.map(({ id, stored }) => `${id}\0${stored !== null}`).join('\0');
    const first = this.fleet.known && !this.known;
    this.known = this.fleet.known;
    if (!first && names === this.names) return;
    this.names = names;
    if (robots.length === 1) this.rows.open.add(robots[0].id);
    if (first && !this.selection.value && this.latest() < this.window.dayMs) this.showLatest();
    else this.ask();
  }

  ask() {
    this.coverage.set(this.chosen(), this.window.fromMs, this.window.toMs);
    this.draw();
  }

  chosen() {
    const one = byId('timeline-robot').value;
    return this.fleet.sorted().map(({ id }) => id).filter((id) => !one || id === one);
  }

  latest() {
    const robots = this.chosen().map((id) => this.fleet.robots.get(id).stored?.lastMs ?? 0);
    return Math.max(0, ...robots);
  }

  showLatest() {
    if (this.latest()) this.window.setDay(this.latest());
  }

  fitData() {
    const spans = [...this.coverage.rows.values()].flatMap((row) => row.spans);
    const found = extent(spans);
    if (found) this.window.fit(Math.max(found.fromMs, this.window.dayMs), found.toMs);
  }

  wheel(event) {
    const track = byId('timeline-axis').getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - track.left) / track.width, 0), 1);
    if (event.ctrlKey || event.metaKey) this.window.zoom(1.002 ** event.deltaY, share);
    else if (this.window.zoomed && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.window.pan(event.deltaX / track.width);
    } else return;
    event.preventDefault();
  }

  pick(robot, row, span) {
    const { fromMs, toMs, mission } = span;
    this.tip.hide();
    this.selection.set({ robot, mission, topic: row.topic, fromMs, toMs: toMs + LAST_MS });
  }

  drawOver(robot, fromShare, toShare, done) {
    this.tip.hide();
    const [fromMs, toMs] = [this.window.at(fromShare), this.window.at(toShare)];
    this.drawn = done ? null : { robot, fromMs, toMs };
    if (done && toMs > fromMs) this.selection.set({ robot, fromMs, toMs });
    else this.draw();
  }

  drawNow() {
    const { window } = this;
    if (document.activeElement !== byId('day')) byId('day').value = dayText(window.dayMs);
    const rows = this.chosen().map((id) => this.coverage.rows.get(id) ?? waiting(id));
    this.rows.draw(rows.map((row) => ({ ...row, note: row.note ?? 'nothing recorded' })));
    drawAxis(byId('timeline-axis'), window);
    drawAlerts(byId('timeline-alerts'), window, this.alertsOf(new Set(this.chosen())));
    this.markSelection(this.drawn ?? this.selection.value);
    this.markNow();
    const empty = rows.length > 0 && rows.every((row) => !row.spans.length);
    show(byId('no-data'), empty && !this.coverage.pending);
    setText(byId('timeline-status'), this.coverage.pending ? 'Loading…' : '');
    setAttribute(byId('zoom-out'), 'disabled', !window.zoomed);
    for (const id of ['earlier', 'later']) setAttribute(byId(id), 'disabled', !window.zoomed);
  }

  alertsOf(robots) {
    const all = [...this.alerts.active(), ...this.alerts.past()];
    return all.filter(({ robot }) => robots.has(robot));
  }

  /** Lay a mark over the rows of what is selected. */
  markSelection(value) {
    this.rows.select(value?.robot, value ? this.window.part(value.fromMs, value.toMs) : null);
  }

  markNow() {
    const now = this.fleet.now();
    const part = this.window.part(now, now);
    show(byId('timeline-now'), part !== null);
    if (part) byId('timeline-now').style.left = `${100 * part.left}%`;
  }
}

function waiting(id) {
  return { id, label: id, kind: '', topic: '', spans: [], children: [], note: '…' };
}
