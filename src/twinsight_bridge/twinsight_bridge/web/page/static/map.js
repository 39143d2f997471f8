// The live map: a grid, the costs around robots, robots and the way they came.

import { byId, el, Keyed, setText, show } from './dom.js';
import { ago } from './format.js';
import { Drift, isOdometry, poseIn } from './frames.js';
import { costImage, mapImage } from './grid_image.js';
import { drawGrid, drawRobot, drawScale, drawTrail, robotColours, theme } from './map_drawing.js';
import { listenToGestures } from './map_gestures.js';
import { MapView } from './map_view.js';
import { STALE_MS } from './readings.js';
import { nextFrame } from './signal.js';
import { Trails } from './trails.js';

const STEP = 1.5;
const MOST_COSTMAPS = 4;
const COSTS_MS = 15_000; // older ones are of another place

export class LiveMap {
  constructor(fleet, grids) {
    Object.assign(this, { fleet, grids, images: new WeakMap() });
    this.canvas = byId('map');
    this.view = new MapView();
    this.trails = new Trails();
    this.drift = new Drift();
    this.follow = '';
    this.draw = nextFrame(() => this.drawNow());
    this.list = new Keyed(byId('map-grid'), () => {
      const root = el('option');
      return {
        root,
        update: ({ robot, topic, key }) => {
          root.value = key;
          setText(root, `${topic} of ${robot}`);
        },
      };
    });
    this.listen();
  }

  listen() {
    listenToGestures(this.canvas, this.view, () => {
      this.setFollowed('');
      this.draw();
    });
    this.fleet.changed.listen(this.draw);
    this.grids.changed.listen(() => {
      this.list.show(this.grids.topics, ({ key }) => key);
      if (this.grids.base) byId('map-grid').value = this.grids.base.key;
      this.draw();
    });
    byId('map-grid').addEventListener('change', () => {
      this.view.free = false;
      this.trails.clear();
      this.grids.choose(byId('map-grid').value);
    });
    byId('map-costs').addEventListener('change', this.draw);
    byId('map-follow').addEventListener('change', ({ target }) => this.setFollowed(target.value));
    byId('map-in').addEventListener('click', () => this.zoom(STEP));
    byId('map-out').addEventListener('click', () => this.zoom(1 / STEP));
    byId('map-fit').addEventListener('click', () => {
      this.setFollowed('');
      this.view.free = false;
      this.draw();
    });
    new ResizeObserver(this.draw).observe(this.canvas.parentElement);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.images = new WeakMap();
      this.draw();
    });
  }

  /** Keep a robot in the middle; '' for none. */
  setFollowed(id) {
    this.follow = this.fleet.robots.has(id) ? id : '';
    byId('map-follow').value = this.follow;
    this.draw();
  }

  zoom(factor) {
    this.view.zoom(factor);
    this.draw();
  }

  drawNow() {
    const { canvas, view, grids } = this;
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    const [across, down] = [width, height].map((pixels) => Math.round(pixels * ratio));
    if (canvas.width !== across || canvas.height !== down) {
      Object.assign(canvas, { width: across, height: down }); // which empties it
    }
    Object.assign(view, { width, height });
    const colours = theme();
    const context = canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colours.ground;
    context.fillRect(0, 0, width, height);
    const robots = this.placed();
    this.aim(robots);
    const { base } = grids;
    if (base) drawGrid(context, view, base, this.image(base, () => mapImage(base, colours)));
    this.drawCosts(context, robots);
    const tint = robotColours(robots.map(({ robot }) => robot.id));
    for (const { robot: { id } } of robots) drawTrail(context, view, this.trails.of(id), tint(id));
    for (const each of robots) drawRobot(context, view, each, tint(each.robot.id), colours);
    drawScale(context, view, colours);
    this.tell(robots);
  }

  /** Return the robots that have a place in the frame of the grid. */
  placed() {
    const frame = this.grids.base?.frame ?? 'map';
    const now = this.fleet.now();
    const found = this.fleet.sorted().map((robot) => ({ robot, ...poseIn(frame, robot.metrics) }));
    const placed = found.filter(({ pose }) => pose);
    for (const each of placed) {
      each.stale = !each.robot.online || now - each.pose.timeMs > STALE_MS;
      if (!each.stale) this.trails.note(each.robot.id, each.pose);
    }
    return placed;
  }

  aim(robots) {
    const followed = robots.find(({ robot }) => robot.id === this.follow);
    if (followed) {
      this.view.x = followed.pose.x;
      this.view.y = followed.pose.y;
    } else if (!this.view.free) {
      const places = robots.map(({ pose }) => [pose.x, pose.y]);
      this.view.fit(this.grids.base ? corners(this.grids.base) : places);
    }
  }

  drawCosts(context, robots) {
    const wanted = byId('map-costs').checked;
    const near = robots.filter(({ robot, stale }) => (
      !stale && (!this.follow || robot.id === this.follow)
    ));
    this.grids.follow(wanted ? near.slice(0, MOST_COSTMAPS).map(({ robot }) => robot.id) : []);
    const base = this.grids.base?.frame ?? 'map';
    for (const { robot } of robots) {
      const costs = this.grids.costs.get(robot.id);
      const drift = this.drift.of(robot);
      if (!costs || !wanted || this.fleet.now() - costs.timeMs > COSTS_MS) continue;
      const apart = isOdometry(costs.frame) && !isOdometry(base);
      if (apart && !drift) continue;
      const picture = this.image(costs, () => costImage(costs));
      drawGrid(context, this.view, costs, picture, apart ? drift : null);
    }
  }

  image(grid, make) {
    if (!this.images.has(grid)) this.images.set(grid, make());
    return this.images.get(grid);
  }

  tell(robots) {
    const { base, known } = this.grids;
    show(byId('no-map'), known && !base && robots.length === 0);
    const guessed = robots.filter(({ exact }) => !exact).map(({ robot }) => robot.id);
    const said = [
      base && `${base.topic} recorded ${ago(this.fleet.now() - base.timeMs)}`,
      guessed.length && `${guessed.join(', ')}: odometry only, without its place on the map`,
    ];
    setText(byId('map-note'), said.filter(Boolean).join(' · '));
    const places = robots.map(({ robot, pose }) => (
      `${robot.id} at x ${pose.x.toFixed(1)} m, y ${pose.y.toFixed(1)} m`
    ));
    const label = `Map${places.length ? `: ${places.join('; ')}` : ''}`;
    this.canvas.setAttribute('aria-label', label);
    this.canvas.dataset.robots = JSON.stringify(robots.map(({ robot, pose, stale }) => (
      { id: robot.id, pixels: this.view.pixels(pose.x, pose.y).map(Math.round), stale }
    )));
  }
}

function corners({ x, y, yaw, width, height, resolution }) {
  const [c, s] = [Math.cos(yaw), Math.sin(yaw)];
  const [right, up] = [width * resolution, height * resolution];
  const ends = [[0, 0], [right, 0], [0, up], [right, up]];
  return ends.map(([u, v]) => [x + c * u - s * v, y + s * u + c * v]);
}
