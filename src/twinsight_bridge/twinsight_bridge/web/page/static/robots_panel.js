// The robots: who is there, how they are.

import { commandsView } from './commands.js';
import { byId, el, Keyed, setAttribute, setText, show } from './dom.js';
import { foxgloveLinks } from './foxglove_links.js';
import { ago, reading, size } from './format.js';
import { foxgloveLive } from './links.js';
import { battery, poseInOdometry, poseOnMap, speed, STALE_MS, state } from './readings.js';
import { valuesView } from './robot_values.js';
import { nextFrame } from './signal.js';

const LOW = 0.2;

/** Shows the fleet; `chosen(id)` hears which robot somebody wants to see. */
export class RobotsPanel {
  constructor(fleet, alerts, { bridge, commands }, chosen) {
    Object.assign(this, { fleet, alerts, bridge, commands, chosen });
    this.cards = new Keyed(byId('robots'), (robot) => this.card(robot.id));
    const draw = nextFrame(() => this.draw());
    fleet.changed.listen(draw);
    alerts.changed.listen(draw);
    setInterval(draw, 1000); // ages
  }

  draw() {
    const robots = this.fleet.sorted();
    const online = robots.filter((robot) => robot.online).length;
    setText(byId('robots-count'), robots.length ? `${online} of ${robots.length} online` : '');
    show(byId('no-robots'), this.fleet.known && robots.length === 0);
    const first = [...robots].sort((one, other) => other.online - one.online);
    this.cards.show(first, (robot) => robot.id);
  }

  card(id) {
    const part = (tag, name) => el(tag, { class: name });
    const [online, seen, doing, mission, stored, alert, place] = [
      'online', 'seen', 'doing', 'mission', 'stored', 'alert-count', 'place',
    ].map((name) => part('span', name));
    const charge = batteryView();
    const live = foxgloveLinks('Live in Foxglove', `${id} live`);
    const values = valuesView(id);
    const name = el('button', { class: 'name', type: 'button', title: 'Show on map and timeline',
      on: { click: () => this.chosen(id) } }, id);
    live.update(foxgloveLive(this.bridge));
    const root = el('li', { class: 'robot', 'data-robot': id },
      el('header', {}, el('h3', {}, name), online, alert, seen),
      el('div', { class: 'facts' }, charge.root, doing, place),
      el('div', { class: 'facts quiet' }, mission, stored),
      el('div', { class: 'actions' }, live.root),
      this.commands ? commandsView(id).root : null, values.root);
    return {
      root,
      update: (robot) => {
        const now = this.fleet.now();
        setAttribute(root, 'class', robot.online ? 'robot' : 'robot offline');
        setText(online, robot.online ? 'online' : 'offline');
        setText(seen, robot.seenMs ? ago(now - robot.seenMs) : 'never seen live');
        charge.update(battery(robot.metrics), now);
        doing.replaceChildren(...doingOf(robot, now));
        setText(place, placeOf(robot));
        setText(mission, robot.mission ? `mission ${robot.mission}` : 'no mission');
        setText(stored, robot.stored ? `${size(robot.stored.bytes)} stored` : 'nothing stored');
        const raised = this.alerts.active().filter((each) => each.robot === robot.id).length;
        setText(alert, raised ? `${raised} alert${raised > 1 ? 's' : ''}` : '');
        show(live.root, robot.online);
      },
    };
  }
}

function doingOf(robot, now) {
  const told = state(robot.metrics);
  const moving = robot.online && speed(robot.metrics);
  return [
    told && el('span', { class: isStale(told, now) ? 'state stale' : 'state' }, told.text),
    typeof moving === 'number' ? ` ${moving.toFixed(1)} m/s` : '',
  ].filter(Boolean);
}

function placeOf(robot) {
  const pose = poseOnMap(robot.metrics) ?? poseInOdometry(robot.metrics);
  return pose ? `x ${pose.x.toFixed(1)} m, y ${pose.y.toFixed(1)} m` : '';
}

function isStale(value, now) {
  return now - value.timeMs > STALE_MS;
}

/** A bar and a number; they say so where they are old. */
function batteryView() {
  const level = el('span', { class: 'level' });
  const bar = el('span', { class: 'bar', 'aria-hidden': 'true' }, level);
  const text = el('span', { class: 'percent' });
  const root = el('span', { class: 'battery' }, bar, text);
  return {
    root,
    update(found, now) {
      show(root, found !== null);
      if (!found) return;
      const { share, volts } = found;
      const old = isStale(found, now);
      show(bar, share !== null);
      level.style.width = `${100 * (share ?? 0)}%`;
      const low = share !== null && share < LOW;
      setAttribute(root, 'class', `battery${low ? ' low' : ''}${old ? ' stale' : ''}`);
      const told = share === null ? reading(volts, 'V') : `${Math.round(100 * share)} %`;
      setText(text, old ? `${told}, ${ago(now - found.timeMs)}` : told);
      setAttribute(root, 'title', volts === null ? 'Battery' : `Battery, ${reading(volts, 'V')}`);
    },
  };
}
