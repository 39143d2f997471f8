// The way that each robot came.

const LONGEST_MS = 120_000;
const LEAST_M = 0.05;
const JUMP_M = 3;
const MOST = 1000;

export class Trails {
  constructor() {
    this.trails = new Map();
  }

  /** Note where a robot is; what is old, or before a jump, is forgotten. */
  note(id, { x, y, timeMs }) {
    const trail = this.trails.get(id) ?? [];
    const last = trail.at(-1);
    const step = last ? Math.hypot(x - last.x, y - last.y) : Infinity;
    if (step > JUMP_M) trail.length = 0;
    if (step > LEAST_M) trail.push({ x, y, timeMs });
    while (trail.length > MOST || trail[0]?.timeMs < timeMs - LONGEST_MS) trail.shift();
    this.trails.set(id, trail);
  }

  of(id) {
    return this.trails.get(id) ?? [];
  }

  clear() {
    this.trails.clear();
  }
}
