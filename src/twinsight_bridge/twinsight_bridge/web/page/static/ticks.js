// The marks of a time axis.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const STEPS = [
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
];

/** Return `{ times, seconds }`: so many round times at most (Unix ms); whether seconds tell. */
export function ticks(fromMs, toMs, most) {
  const step = STEPS.find((each) => (toMs - fromMs) / each <= most) ?? STEPS.at(-1);
  const start = new Date(fromMs);
  // Round in the zone of the browser, which may be half an hour from others.
  const midnight = new Date(start.getFullYear(), start.getMonth(), start.getDate()).getTime();
  const times = [];
  const first = midnight + Math.ceil((fromMs - midnight) / step) * step;
  for (let time = first; time <= toMs; time += step) times.push(time);
  return { times, seconds: step < MINUTE };
}
