// Which part of the world a canvas shows: metres to pixels, y up.

const LEAST_SCALE = 1;
const MOST_SCALE = 2000;

export class MapView {
  constructor() {
    Object.assign(this, { x: 0, y: 0, scale: 40, width: 1, height: 1, free: false });
  }

  /** Return pixels of a place, from the upper left corner. */
  pixels(x, y) {
    const [dx, dy] = [x - this.x, y - this.y];
    return [this.width / 2 + dx * this.scale, this.height / 2 - dy * this.scale];
  }

  /** Return the place of pixels. */
  place(left, top) {
    const [dx, dy] = [left - this.width / 2, top - this.height / 2];
    return [this.x + dx / this.scale, this.y - dy / this.scale];
  }

  /** Move what is shown by pixels. */
  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
    this.free = true;
  }

  /** Make it bigger by a factor; the place under these pixels stays there. */
  zoom(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.place(left, top);
    this.scale = Math.min(Math.max(this.scale * factor, LEAST_SCALE), MOST_SCALE);
    const [nowX, nowY] = this.place(left, top);
    this.x += x - nowX;
    this.y += y - nowY;
    this.free = true;
  }

  /** Show all of some corners [x, y], until somebody moves it. */
  fit(corners) {
    if (!corners.length) return;
    const [xs, ys] = [0, 1].map((part) => corners.map((corner) => corner[part]));
    const [left, right, below, above] = [
      Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys),
    ];
    const scale = 0.94 * Math.min(
      this.width / Math.max(right - left, 1), this.height / Math.max(above - below, 1),
    );
    this.scale = Math.min(Math.max(scale, LEAST_SCALE), MOST_SCALE);
    Object.assign(this, { x: (left + right) / 2, y: (below + above) / 2, free: false });
  }
}
