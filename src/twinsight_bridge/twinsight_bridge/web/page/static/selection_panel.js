// What can be done with what is selected: look at it, replay it, take it along.

import { spanText } from './bar_tip.js';
import { contents, contentsText, QUICK_MS } from './contents.js';
import { byId, setAttribute, setText, show } from './dom.js';
import { fieldTime } from './format.js';
import { foxgloveLinks } from './foxglove_links.js';
import {
  exportCommand, filePath, foxgloveFile, foxgloveLive, metricsPath, replayAddress,
} from './links.js';

const COPIED_MS = 2000;

export class SelectionPanel {
  constructor(selection, bridge) {
    Object.assign(this, { selection, bridge });
    this.replay = foxgloveLinks('Replay in Foxglove', 'Replay the selection');
    this.file = foxgloveLinks('Open as file', 'Open the selection as a remote file');
    byId('selection-foxglove').append(this.replay.root, this.file.root);
    selection.changed.listen(() => this.draw());
    for (const id of ['selection-from', 'selection-to']) {
      byId(id).addEventListener('change', () => this.edit());
    }
    byId('selection-clear').addEventListener('click', () => selection.clear());
    byId('selection-count').addEventListener('click', () => this.count());
    byId('selection-copy').addEventListener('click', () => this.copy('selection-command'));
    byId('selection-copy-address').addEventListener('click', () => this.copy('selection-address'));
    this.draw();
  }

  draw() {
    const { value } = this.selection;
    show(byId('selection'), value !== null);
    show(byId('no-selection'), value === null);
    if (!value) return;
    const query = this.selection.query();
    const { robot, topic, fromMs, toMs } = value;
    setText(byId('selection-name'), [robot || 'all robots', topic].filter(Boolean).join(' '));
    setText(byId('selection-span'), spanText(value));
    byId('selection-from').value = fieldTime(fromMs);
    byId('selection-to').value = fieldTime(toMs);
    setText(byId('selection-problem'), '');

    const address = replayAddress(this.bridge, query);
    this.replay.update(foxgloveLive(address));
    this.file.update(foxgloveFile(new URL(filePath(query), location.href).href));
    setAttribute(byId('selection-download'), 'href', filePath(query));
    for (const format of ['csv', 'arrow']) {
      setAttribute(byId(`selection-${format}`), 'href', metricsPath(query, format));
    }
    setText(byId('selection-command'), exportCommand(query));
    setText(byId('selection-address'), address);
    setText(byId('selection-size'), '');
    show(byId('selection-count'), toMs - fromMs > QUICK_MS);
    if (toMs - fromMs <= QUICK_MS) this.count();
  }

  async count() {
    this.counting?.abort();
    this.counting = new AbortController();
    const { signal } = this.counting;
    setText(byId('selection-size'), 'counting…');
    try {
      const found = await contents(this.selection.query(), signal);
      setText(byId('selection-size'), contentsText(found));
      show(byId('selection-count'), false);
    } catch (error) {
      if (!signal.aborted) setText(byId('selection-size'), error.message);
    }
  }

  edit() {
    const [fromMs, toMs] = ['selection-from', 'selection-to'].map((id) => (
      new Date(byId(id).value).getTime()
    ));
    const right = toMs > fromMs;
    setText(byId('selection-problem'), right ? '' : 'The end must be later than the start.');
    if (right) this.selection.set({ ...this.selection.value, fromMs, toMs, whole: false });
  }

  async copy(id) {
    const text = byId(id).textContent;
    const said = byId('selection-copied');
    try {
      await navigator.clipboard.writeText(text);
      setText(said, 'Copied.');
    } catch {
      // Browsers give the clipboard to pages of https only: then what is marked can be copied.
      getSelection().selectAllChildren(byId(id));
      setText(said, 'Marked: copy it with Ctrl-C.');
    }
    setTimeout(() => setText(said, ''), COPIED_MS);
  }
}
