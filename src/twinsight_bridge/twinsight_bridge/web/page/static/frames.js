// Where robots are in the frame of a map.

import { poseInOdometry, poseOnMap } from './readings.js';

const TOGETHER_MS = 60;

/** Return whether a frame is one of odometry, which drifts against the map. */
export function isOdometry(frame) {
  return /(^|[/_])odom$/.test(frame);
}

/**
 * Return `{ pose, exact }` of a robot in a frame, or null: exact is false where only a pose in
 * another frame is known.
 */
export function poseIn(frame, metrics) {
  const sources = [poseOnMap(metrics), poseInOdometry(metrics)];
  if (isOdometry(frame)) sources.reverse();
  if (sources[0]) return { pose: sources[0], exact: true };
  return sources[1] && { pose: sources[1], exact: false };
}

/** Where odometry is on the map, robot by robot, from poses in both at one time. */
export class Drift {
  constructor() {
    this.known = new Map();
  }

  /** Return `{ x, y, yaw }` of a robot's odometry in the frame of the map; null: not known. */
  of(robot) {
    const [map, odom] = [poseOnMap(robot.metrics), poseInOdometry(robot.metrics)];
    const usable = map && odom && map.yaw !== null && odom.yaw !== null;
    if (usable && Math.abs(map.timeMs - odom.timeMs) <= TOGETHER_MS) {
      const yaw = map.yaw - odom.yaw;
      const [c, s] = [Math.cos(yaw), Math.sin(yaw)];
      this.known.set(robot.id, {
        x: map.x - c * odom.x + s * odom.y, y: map.y - s * odom.x - c * odom.y, yaw,
      });
    }
    return this.known.get(robot.id) ?? null;
  }
}
