// The rows of the timeline: a label, and a bar for each span.

import { spanText } from './bar_tip.js';
import { el, Keyed, setAttribute, setText, show } from './dom.js';
import { united } from './spans.js';

const KINDS = ['camera', 'lidar', 'costmap', 'imu', 'odometry', 'tf', 'battery', 'diagnostics'];
const LEAST_GAP = 1 / 1000;

export class TimelineRows {
  /** `picked(robot, row, span)` and `pointed(bar, robot, row, span)` hear of bars. */
  constructor(parent, window, { picked, pointed, toggled }) {
    Object.assign(this, { parent, window, picked, pointed, toggled, open: new Set() });
    this.rows = new Keyed(parent, (item) => this.row(item));
  }

  /** Show trees of rows, as coverage.js has them. */
  draw(trees) {
    const shown = trees.flatMap((tree) => this.flat(tree, tree.id, 0));
    this.rows.show(shown, ({ row }) => row.id);
  }

  /** Lay a mark over a part of a robot's rows, '' for all robots; null for none. */
  select(robot, part) {
    for (const row of this.parent.children) {
      row.classList.toggle('selected', part !== null && (!robot || row.dataset.robot === robot));
    }
    this.parent.style.setProperty('--left', part?.left ?? 0);
    this.parent.style.setProperty('--width', part?.width ?? 0);
  }

  /** Open or close a row. */
  toggle(id, open = !this.open.has(id)) {
    if (open) this.open.add(id);
    else this.open.delete(id);
    this.toggled();
  }

  flat(row, robot, depth) {
    const below = this.open.has(row.id) ? row.children : [];
    return [{ row, robot, depth }, ...below.flatMap((each) => this.flat(each, robot, depth + 1))];
  }

  row({ row: { id }, robot, depth }) {
    const label = el('button', { type: 'button', class: 'row-label' });
    const text = el('span', { class: 'row-text' });
    const note = el('span', { class: 'row-note' });
    label.append(text);
    label.addEventListener('click', () => this.toggle(id));
    const track = el('div', { class: 'track' }, note);
    const bars = new Keyed(track, () => this.bar());
    return {
      root: el('div', { class: `row depth-${depth}`, 'data-robot': robot, 'data-row': id },
        label, track),
      update: ({ row }) => {
        setText(text, row.label);
        setAttribute(label, 'title', row.label);
        const opens = row.children.length > 0;
        setAttribute(label, 'disabled', !opens);
        setAttribute(label, 'aria-expanded', opens ? String(this.open.has(id)) : null);
        const gapMs = LEAST_GAP * (this.window.toMs - this.window.fromMs);
        const spans = united(row.spans, gapMs).filter((span) => (
          this.window.part(span.fromMs, span.toMs)
        ));
        bars.show(spans.map((span) => ({ robot, row, span })), ({ span }) => (
          `${span.fromMs}\0${span.mission}`
        ));
        setText(note, spans.length || depth ? '' : row.note ?? '');
        show(note, Boolean(note.textContent));
      },
    };
  }

  bar() {
    const root = el('button', { type: 'button' });
    let told = null;
    const point = () => this.pointed(root, told.robot, told.row, told.span);
    const leave = () => this.pointed(null);
    root.addEventListener('click', () => this.picked(told.robot, told.row, told.span));
    for (const [type, listener] of Object.entries({
      pointerenter: point, focus: point, pointerleave: leave, blur: leave,
    })) root.addEventListener(type, listener);
    return {
      root,
      update: (item) => {
        told = item;
        const { row, span } = item;
        const kind = KINDS.includes(row.kind) ? row.kind : row.kind && 'other';
        setAttribute(root, 'class', `bar ${kind || 'all'}`);
        setAttribute(root, 'aria-label', `${row.label}: ${spanText(span)}`);
        const { left, width } = this.window.part(span.fromMs, span.toMs);
        root.style.left = `${100 * left}%`;
        root.style.width = `${100 * width}%`;
      },
    };
  }
}
