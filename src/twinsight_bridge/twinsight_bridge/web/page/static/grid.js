// Maps and costmaps out of records.

import { msOf } from './format.js';

const GRID = 'nav_msgs/msg/OccupancyGrid';
const COSTMAP = 'nav2_msgs/msg/Costmap';
const LETHAL = 254;
const NOT_KNOWN = 255;

/** Return whether a type is one that is shown. */
export function isGrid(typeName) {
  return typeName === GRID || typeName === COSTMAP;
}

/**
 * Return a record, as /records/content has it with arrays=0, as a grid:
 * `{ width, height, resolution, x, y, yaw, frame, timeMs, cells }`. The corner is at x, y (m) in
 * the frame, cells are an Int8Array of 0 (free) to 100 (occupied) and -1 (unknown), row by row.
 * Null where it has no cells.
 */
export function gridOf(record) {
  const { header, info, metadata, data } = record.message;
  const { width, height, size_x: columns, size_y: rows, resolution, origin } = info ?? metadata;
  const bytes = bytesOf(data);
  const grid = {
    width: width ?? columns, height: height ?? rows, resolution,
    x: origin.position.x, y: origin.position.y, yaw: yawOf(origin.orientation),
    frame: header.frame_id, timeMs: msOf(record.time),
  };
  if (!grid.width || bytes.length !== grid.width * grid.height) return null;
  const cells = record.type_name === COSTMAP ? bytes.map(percent) : bytes;
  return { ...grid, cells: new Int8Array(cells.buffer) };
}

function bytesOf(data) {
  if (Array.isArray(data)) return Uint8Array.from(data);
  return Uint8Array.from(atob(data.base64), (letter) => letter.charCodeAt(0));
}

/** Return a cost of nav2 on the scale of occupancy; -1 as the byte that it is. */
function percent(cost) {
  return cost === NOT_KNOWN ? 255 : Math.min(Math.round(100 * cost / LETHAL), 100);
}

function yawOf({ x, y, z, w }) {
  return Math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z));
}
