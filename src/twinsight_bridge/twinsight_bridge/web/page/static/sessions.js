// Replay sessions of the bridge, while somebody looks at them.

import { act, setToken, wantsToken } from './acting.js';
import { get } from './api.js';
import { byId, el, Keyed, setText, show } from './dom.js';
import { dateTime, msOf } from './format.js';
import { foxgloveLinks } from './foxglove_links.js';
import { foxgloveLive } from './links.js';

const PERIOD_MS = 2000;
const PATH = '/replay/sessions';

export class Sessions {
  constructor() {
    this.root = byId('sessions');
    this.list = new Keyed(byId('session-list'), ({ id }) => this.item(id));
    this.root.addEventListener('toggle', () => this.look());
    byId('session-token').addEventListener('input', (event) => setToken(event.target.value));
  }

  async look() {
    clearTimeout(this.timer);
    if (!this.root.open) return;
    try {
      const { sessions } = await get(PATH);
      this.list.show(sessions, ({ id }) => id);
      this.tell(sessions.length ? '' : 'None plays: select a span and replay it in Foxglove.');
    } catch (error) {
      this.tell(error.message);
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), PERIOD_MS);
  }

  tell(text) {
    setText(byId('session-problem'), text);
  }

  item(id) {
    const path = `${PATH}/${encodeURIComponent(id)}`;
    const [text, state] = [el('strong'), el('span', { class: 'quiet' })];
    const join = foxgloveLinks('Join', `Join session ${id}`);
    let playing = false;
    const have = async (asked) => {
      try {
        await asked();
        await this.look();
      } catch (error) {
        this.tell(error.message);
        show(byId('session-token').parentElement, wantsToken(error));
      }
    };
    const play = el('button', { type: 'button', on: { click: () => have(() => (
      act('POST', `${path}/control`, { command: playing ? 'pause' : 'play' })
    )) } });
    const end = el('button', { type: 'button', on: {
      click: () => have(() => act('DELETE', path)),
    } }, 'End');
    return {
      root: el('li', {}, el('span', {}, text, ' ', state), join.root, play, end),
      update: (session) => {
        playing = session.state === 'playing';
        setText(text, session.text);
        const viewers = `${session.viewers} viewer${session.viewers === 1 ? '' : 's'}`;
        setText(state, `${session.state} at ${dateTime(msOf(session.position))}, ${viewers}`);
        setText(play, playing ? 'Pause' : 'Play');
        join.update(foxgloveLive(session.links.ws_url));
      },
    };
  }
}
