// Which metrics tell battery, state, speed and pose: rules name them, so names differ.

const ON_MAP = /(^|[_/])((on|in)_map|map_pose|amcl_pose|robot_pose|pose)$/;
const ODOMETRY = /(^|[_/])odom/;

/** Values older than this are stale, ms. */
export const STALE_MS = 10_000;

/** Return `{ share, volts, timeMs }` of a robot's battery, share from 0 to 1 or null; or null. */
export function battery(metrics) {
  const charge = found(metrics, /battery.*(percentage|charge_level|soc)$/);
  const volts = found(metrics, /battery.*voltage$/);
  if (!charge && !volts) return null;
  let share = charge?.value ?? null;
  if (share !== null && (charge.unit === '%' || share > 1)) share /= 100;
  if (share !== null) share = Math.min(Math.max(share, 0), 1);
  return { share, volts: volts?.value ?? null, timeMs: (charge ?? volts).timeMs };
}

/** Return `{ text, timeMs }` of what a robot says it is doing, or null. */
export function state(metrics) {
  const names = [...metrics.keys()].filter((name) => /(^|[./])state$/.test(name)).sort(shorter);
  const name = names.find((each) => typeof metrics.get(each).value === 'string');
  return name ? { text: metrics.get(name).value, timeMs: metrics.get(name).timeMs } : null;
}

/** Return a robot's speed in m/s, or null. */
export function speed(metrics) {
  return found(metrics, /odom[^.]*\.vx$/)?.value ?? null;
}

/** Return `{ x, y, yaw, timeMs }` in the frame of maps, or null; yaw is null where not known. */
export function poseOnMap(metrics) {
  return pose(metrics, ON_MAP);
}

/** Return the same in the frame of odometry. */
export function poseInOdometry(metrics) {
  return pose(metrics, ODOMETRY);
}

function pose(metrics, pattern) {
  let best = null;
  for (const name of metrics.keys()) {
    const source = name.endsWith('.x') ? name.slice(0, -2) : '';
    if (!source || !pattern.test(source)) continue;
    const [x, y, yaw] = ['x', 'y', 'yaw'].map((each) => metrics.get(`${source}.${each}`));
    if (!isNumber(x) || !isNumber(y)) continue;
    // Of several, the one that is told now: one that ended stays in the list.
    if (!best || x.timeMs > best.timeMs + STALE_MS) {
      best = { x: x.value, y: y.value, yaw: isNumber(yaw) ? yaw.value : null, timeMs: x.timeMs };
    }
  }
  return best;
}

function found(metrics, pattern) {
  const names = [...metrics.keys()].filter((name) => pattern.test(name)).sort(shorter);
  const name = names.find((each) => isNumber(metrics.get(each)));
  return name && metrics.get(name);
}

function isNumber(metric) {
  return metric !== undefined && typeof metric.value === 'number';
}

function shorter(one, other) {
  return one.length - other.length || (one < other ? -1 : 1);
}
