// What is drawn on the map's canvas.

const ROBOT_COLOURS = [
  '#e8590c', '#1c7ed6', '#2f9e44', '#ae3ec9', '#0c8599', '#e03131', '#f08c00', '#5f3dc4',
];
const ROBOT_PX = 11;
const SCALES_M = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const SCALE_PX = 60;

/** Return the colours that the style sheet has for canvases. */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const numbers = (name) => of(name).split(/\s+/).map(Number);
  return {
    ground: of('--map-ground'), text: of('--text'), halo: of('--panel'),
    free: numbers('--map-free'),
    occupied: numbers('--map-occupied'),
    unknown: numbers('--map-unknown'),
  };
}

/** Return a function that gives each robot a colour: as far as there are any, one of its own. */
export function robotColours(ids) {
  const places = new Map(ids.map((id, number) => [id, number]));
  return (id) => ROBOT_COLOURS[places.get(id) % ROBOT_COLOURS.length];
}

/** Draw the picture of a grid; `frame` is where the grid's frame is, null for the same. */
export function drawGrid(context, view, grid, { canvas, metres }, frame = null) {
  context.save();
  context.translate(...view.pixels(0, 0));
  context.scale(view.scale, -view.scale);
  if (frame) {
    context.translate(frame.x, frame.y);
    context.rotate(frame.yaw);
  }
  context.translate(grid.x, grid.y);
  context.rotate(grid.yaw);
  context.scale(1, -1); // the picture's rows go down
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, -metres.height, metres.width, metres.height);
  context.restore();
}

/** Draw the way that a robot came, fading with its age. */
export function drawTrail(context, view, trail, colour) {
  context.save();
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  for (let number = 1; number < trail.length; number += 1) {
    context.globalAlpha = 0.15 + 0.65 * (number / trail.length);
    context.beginPath();
    context.moveTo(...view.pixels(trail[number - 1].x, trail[number - 1].y));
    context.lineTo(...view.pixels(trail[number].x, trail[number].y));
    context.stroke();
  }
  context.restore();
}

/** Draw a robot with its name: an arrow where its heading is known; hollow where it is stale. */
export function drawRobot(context, view, { robot, pose, stale, exact }, colour, { text, halo }) {
  const [left, top] = view.pixels(pose.x, pose.y);
  context.save();
  context.translate(left, top);
  context.save();
  context.rotate(-(pose.yaw ?? 0));
  context.beginPath();
  if (pose.yaw === null) context.arc(0, 0, 0.7 * ROBOT_PX, 0, 2 * Math.PI);
  else arrow(context);
  context.closePath();
  context.lineJoin = 'round';
  context.lineWidth = 5;
  context.strokeStyle = halo;
  context.stroke();
  context.lineWidth = 2;
  context.strokeStyle = colour;
  context.fillStyle = stale ? halo : colour;
  if (!exact) context.setLineDash([3, 3]);
  context.fill();
  context.stroke();
  context.restore();
  context.font = '600 12px system-ui, sans-serif';
  context.textAlign = 'center';
  context.lineWidth = 3;
  context.strokeStyle = halo;
  context.strokeText(robot.id, 0, -ROBOT_PX - 6);
  context.fillStyle = text;
  context.fillText(robot.id, 0, -ROBOT_PX - 6);
  context.restore();
}

function arrow(context) {
  context.moveTo(ROBOT_PX, 0);
  context.lineTo(-0.8 * ROBOT_PX, 0.75 * ROBOT_PX);
  context.lineTo(-0.35 * ROBOT_PX, 0);
  context.lineTo(-0.8 * ROBOT_PX, -0.75 * ROBOT_PX);
}

/** Draw how long some metres are. */
export function drawScale(context, view, { text, halo }) {
  const metres = SCALES_M.find((each) => each * view.scale >= SCALE_PX) ?? SCALES_M.at(-1);
  const [left, bottom, length] = [12, view.height - 12, metres * view.scale];
  context.save();
  for (const [width, colour] of [[5, halo], [2, text]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(left, bottom - 5);
    context.lineTo(left, bottom);
    context.lineTo(left + length, bottom);
    context.lineTo(left + length, bottom - 5);
    context.stroke();
  }
  context.font = '12px system-ui, sans-serif';
  context.lineWidth = 3;
  context.strokeStyle = halo;
  context.strokeText(`${metres} m`, left + 5, bottom - 6);
  context.fillStyle = text;
  context.fillText(`${metres} m`, left + 5, bottom - 6);
  context.restore();
}
