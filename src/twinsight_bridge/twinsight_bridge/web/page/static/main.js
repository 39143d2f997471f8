// The page: what listens to what.

import { Alerts } from './alerts.js';
import { AlertsPanel } from './alerts_panel.js';
import { get } from './api.js';
import { Banners } from './banners.js';
import { byId, el, Keyed, setText, show } from './dom.js';
import { Fleet } from './fleet.js';
import { Grids } from './grids.js';
import { Health } from './health.js';
import { Live } from './live.js';
import { LiveMap } from './map.js';
import { Missions } from './missions.js';
import { Poll } from './poll.js';
import { RobotsPanel } from './robots_panel.js';
import { Selection } from './selection.js';
import { SelectionPanel } from './selection_panel.js';
import { Sessions } from './sessions.js';
import { Timeline } from './timeline.js';

const ROBOTS_S = 10;
const USUAL = { bridge_url: `ws://${location.hostname}:8765`, commands: false };

const config = await get('/page/config.json').catch(() => USUAL);
const bridge = config.bridge_url;
const fleet = new Fleet();
const live = new Live();
const selection = new Selection();
const banners = new Banners(byId('banners'));
const health = new Health(banners);

const alerts = new Alerts(problemIn('alerts-problem'));
const grids = new Grids(fleet, problemIn('map-problem'));
const robots = new Poll(async (signal) => {
  const told = await get('/robots', {}, signal);
  fleet.list(told.robots, told.problems.length === 0);
}, { periodS: ROBOTS_S, failed: problemIn('robots-problem') });

const map = new LiveMap(fleet, grids);
const timeline = new Timeline(fleet, alerts, selection, problemIn('timeline-problem'));
const missions = new Missions(fleet, select, problemIn('missions-problem'));
new SelectionPanel(selection, bridge);
new AlertsPanel(alerts, fleet, select);
new RobotsPanel(fleet, alerts, { bridge, commands: config.commands }, (id) => {
  map.setFollowed(id);
  timeline.show(id);
});
new Sessions();

live.heard.listen((message) => {
  fleet.take(message);
  alerts.take(message);
});
live.changed.listen(({ connected, problem }) => {
  byId('live').className = connected ? 'live connected' : 'live';
  setText(byId('live'), connected ? 'live' : 'not live');
  byId('live').title = connected ? 'Values come as they are measured' : problem;
  health.poll.now(); // which says more
});
fleet.listed.listen(listRobots());
health.back.listen(() => polls().forEach((poll) => poll.now()));
selection.changed.listen((value) => {
  if (value && !timelineShows(value)) timeline.show(value.robot, value.fromMs, value.toMs);
});

live.start();
selection.read();
[health.poll, ...polls()].forEach((poll) => poll.now());

function polls() {
  return [robots, alerts.poll, missions.poll, grids.listed, timeline.coverage.poll];
}

/** Select what another part of the page shows, and go there. */
function select({ robot, mission = '', fromMs, toMs, whole = false }) {
  selection.set({ robot, mission, fromMs, toMs, whole });
  timeline.show(robot, fromMs, toMs);
  byId('timeline-panel').scrollIntoView({ block: 'start', behavior: 'smooth' });
}

function timelineShows({ fromMs, toMs }) {
  return fromMs >= timeline.window.fromMs && toMs <= timeline.window.toMs;
}

/** Return what shows why a part of the page has nothing new. */
function problemIn(id) {
  return (error) => {
    setText(byId(id), error ? error.message : '');
    show(byId(id), error !== null);
  };
}

/** Return what keeps the robots in the fields where one is chosen. */
function listRobots() {
  const fields = ['timeline-robot', 'mission-robot', 'map-follow'].map((id) => (
    new Keyed(byId(id).querySelector('optgroup'), () => {
      const root = el('option');
      return {
        root,
        update: (robot) => {
          root.value = robot.id;
          setText(root, robot.id);
        },
      };
    })
  ));
  return () => fields.forEach((field) => field.show(fleet.sorted(), ({ id }) => id));
}
