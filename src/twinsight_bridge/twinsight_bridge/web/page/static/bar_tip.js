// What a bar of the timeline stands for, beside the pointer.

import { contents, contentsText, QUICK_MS } from './contents.js';
import { el, setText, show } from './dom.js';
import { clock, dateTime, duration, isoOf } from './format.js';

const REST_MS = 250;
const EDGE = 8;

/** Return what a span is called. */
export function spanText({ fromMs, toMs, mission }) {
  const of = mission ? `, mission ${mission}` : '';
  return `${dateTime(fromMs)} – ${clock(toMs)} (${duration(toMs - fromMs)})${of}`;
}

export class BarTip {
  constructor(parent) {
    this.parent = parent;
    this.title = el('strong');
    this.span = el('span');
    this.size = el('span');
    this.root = el('div', { class: 'tip', role: 'tooltip', hidden: true },
      this.title, this.span, this.size);
    parent.append(this.root);
  }

  /** Tell of a span of a row, beside a bar. */
  tell(bar, robot, row, span) {
    this.hide();
    setText(this.title, row.topic || row.label);
    setText(this.span, spanText(span));
    setText(this.size, '');
    show(this.root, true);
    this.place(bar);
    if (span.toMs - span.fromMs > QUICK_MS) return;
    const query = {
      robot, topic: row.topic, mission: span.mission,
      from: isoOf(span.fromMs), to: isoOf(span.toMs),
    };
    if (row.kind && !row.topic) query.sensor = row.kind === 'other' ? '' : row.kind;
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.timer = setTimeout(async () => {
      try {
        setText(this.size, contentsText(await contents(query, signal)));
        this.place(bar);
      } catch {
        // The span is told; the banner tells what does not answer.
      }
    }, REST_MS);
  }

  hide() {
    clearTimeout(this.timer);
    this.asking?.abort();
    show(this.root, false);
  }

  place(bar) {
    const [outer, inner] = [this.parent, bar].map((each) => each.getBoundingClientRect());
    const most = outer.width - this.root.offsetWidth - EDGE;
    this.root.style.left = `${Math.max(Math.min(inner.left - outer.left, most), EDGE)}px`;
    this.root.style.top = `${inner.bottom - outer.top + EDGE}px`;
  }
}
