// The WebSocket of live values; it is connected again whenever it ends.

import { address } from './api.js';
import { Signal } from './signal.js';

// What the page shows; a robot has hundreds of others.
const NAMES = ['*battery*', '*.x', '*.y', '*.yaw', '*.vx', '*state'];
const FIRST_MS = 500;
const LONGEST_MS = 15_000;
const HIDDEN_MS = 60_000;

export class Live {
  constructor() {
    this.heard = new Signal(); // messages of the server
    this.changed = new Signal(); // { connected, problem }
    this.pauseMs = FIRST_MS;
    this.socket = null;
    document.addEventListener('visibilitychange', () => this.look());
  }

  /** Connect, and stay connected. */
  start() {
    const url = new URL(address('/live', { name: NAMES }), location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    socket.onclose = ({ reason }) => this.again(socket, reason);
  }

  take(message) {
    if (message.type === 'link') {
      this.changed.tell({ connected: false, problem: message.problem });
      return;
    }
    if (message.type === 'snapshot') {
      this.pauseMs = FIRST_MS;
      this.changed.tell({ connected: true, problem: '' });
    }
    this.heard.tell(message);
  }

  again(socket, reason) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.changed.tell({ connected: false, problem: reason });
    if (document.hidden) return; // look() does
    setTimeout(() => this.socket ?? this.start(), this.pauseMs);
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_MS);
  }

  /** Leave while nobody looks, and come back after. */
  look() {
    clearTimeout(this.leaving);
    if (document.hidden) this.leaving = setTimeout(() => this.socket?.close(), HIDDEN_MS);
    else if (!this.socket) this.start();
  }
}
