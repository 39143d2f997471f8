// The missions: a table that is filtered on the server and sorted here.

import { get } from './api.js';
import { byId, el, Keyed, setAttribute, setText, show } from './dom.js';
import { clock, count, dateTime, dayText, duration, msOf, size } from './format.js';
import { Poll } from './poll.js';

const PERIOD_S = 15;
const PAGE = 50;
const LEAST_MS = 1000;
const STATUS = {
  request: ['ended', 'by request'],
  next: ['ended', 'as the next one began'],
  lost: ['lost', 'the robot was not heard of any more'],
};

/** Shows missions; `chosen(selection)` hears which one somebody wants to see. */
export class Missions {
  constructor(fleet, chosen, failed) {
    Object.assign(this, { fleet, chosen, failed, missions: [], next: null });
    Object.assign(this, { key: 'started', falling: true });
    this.rows = new Keyed(byId('missions'), () => this.row());
    this.poll = new Poll((signal) => this.ask(signal), { periodS: PERIOD_S, failed });
    for (const id of ['mission-robot', 'mission-status', 'mission-text']) {
      byId(id).addEventListener('input', () => this.draw());
    }
    byId('mission-robot').addEventListener('input', () => this.poll.now());
    byId('more-missions').addEventListener('click', () => this.more());
    for (const head of document.querySelectorAll('#mission-heads [data-key]')) {
      head.addEventListener('click', () => this.sort(head.dataset.key));
    }
    setInterval(() => this.draw(), 1000); // durations
  }

  async ask(signal) {
    const robot = byId('mission-robot').value;
    const page = await get('/missions', { robot, order: 'desc', limit: PAGE }, signal);
    if (robot !== this.robot) this.missions = [];
    this.robot = robot;
    if (this.missions.length <= PAGE) this.next = page.next;
    this.add(page.missions);
  }

  async more() {
    try {
      const page = await get(this.next);
      this.next = page.next;
      this.add(page.missions);
    } catch (error) {
      this.failed(error);
    }
  }

  add(missions) {
    const known = new Map(this.missions.map((each) => [keyOf(each), each]));
    for (const each of missions) known.set(keyOf(each), each);
    this.missions = [...known.values()];
    this.asked = true;
    this.draw();
  }

  sort(key) {
    this.falling = key === this.key ? !this.falling : key !== 'robot_id' && key !== 'mission_id';
    this.key = key;
    this.draw();
  }

  draw() {
    for (const head of document.querySelectorAll('#mission-heads [data-key]')) {
      const sorted = head.dataset.key === this.key && (this.falling ? 'descending' : 'ascending');
      setAttribute(head.parentElement, 'aria-sort', sorted);
    }
    const shown = this.missions.filter((each) => this.isWanted(each));
    shown.sort((one, other) => this.order(one, other));
    this.rows.show(shown, keyOf);
    show(byId('more-missions'), Boolean(this.next));
    show(byId('no-missions'), this.asked && this.missions.length === 0);
    const hidden = this.missions.length - shown.length;
    const told = [
      `${shown.length}${this.next ? ' of the newest' : ''}`, hidden && `${hidden} filtered out`,
    ];
    setText(byId('missions-count'), this.missions.length ? told.filter(Boolean).join(', ') : '');
  }

  isWanted(mission) {
    const text = byId('mission-text').value.trim().toLowerCase();
    const status = byId('mission-status').value;
    const words = [mission.mission_id, mission.robot_id, ...labelsOf(mission)].join(' ');
    return (!status || statusOf(mission)[0] === status) && words.toLowerCase().includes(text);
  }

  order(one, other) {
    const [a, b] = [one, other].map((each) => (
      this.key === 'status' ? statusOf(each)[0] : each[this.key] ?? -1
    ));
    if (a === b) return one.started < other.started ? 1 : -1;
    return (a < b) === this.falling ? 1 : -1;
  }

  row() {
    const cells = ['Mission', 'Robot', 'Started', 'Duration', 'Status', 'Distance', 'Stored',
      'Events'].map((label) => el('td', { 'data-label': label }));
    const [name, robot, started, took, status, distance, stored, events] = cells;
    const look = el('button', { type: 'button', class: 'link name' });
    const labels = el('span', { class: 'quiet' });
    const tag = el('span', { class: 'tag' });
    let mission = null;
    look.addEventListener('click', () => this.chosen(selectionOf(mission)));
    name.append(look, labels);
    status.append(tag);
    return {
      root: el('tr', {}, ...cells),
      update: (told) => {
        mission = told;
        setText(look, told.mission_id);
        setAttribute(look, 'title', 'Show on the timeline');
        setText(labels, labelsOf(told).map((label) => ` ${label}`).join(''));
        setText(robot, told.robot_id);
        setText(started, startOf(told, this.fleet.now()));
        setText(took, duration(told.ended ? 1000 * told.duration_s
          : Math.max(this.fleet.now() - msOf(told.started), 0)));
        const [text, why] = statusOf(told);
        setText(tag, text);
        setAttribute(tag, 'class', `tag ${text}`);
        setAttribute(tag, 'title', why);
        setText(distance, told.distance_m === null ? '–' : `${Math.round(told.distance_m)} m`);
        setText(stored, told.messages === 0 ? '–'
          : `${size(told.size_bytes)}, ${count(told.messages)} messages`);
        setText(events, String(told.events));
      },
    };
  }
}

function keyOf({ robot_id: robot, mission_id: mission }) {
  return `${robot}\0${mission}`;
}

function labelsOf({ labels }) {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`);
}

/** Return a mission's status, and what is behind it. */
function statusOf(mission) {
  const usual = mission.ended ? ['ended', ''] : ['running', 'not ended yet'];
  return STATUS[mission.ended_by] ?? usual;
}

function startOf({ started }, now) {
  const ms = msOf(started);
  return dayText(ms) === dayText(now) ? clock(ms) : dateTime(ms, now);
}

/** Return a mission as what can be selected: all of it, whatever its ends. */
function selectionOf({ robot_id: robot, mission_id: mission, started, ended, last_seen: seen }) {
  const fromMs = msOf(started);
  const toMs = Math.max(msOf(ended ?? seen), fromMs + LEAST_MS);
  return { robot, mission, fromMs, toMs, whole: true };
}
