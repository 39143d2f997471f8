// A grid as a picture, a pixel a cell; a big one is made smaller.

const MOST_PIXELS = 2048;

/** Return a canvas of a map: free, occupied and unknown in colours of [r, g, b]. */
export function mapImage(grid, { free, occupied, unknown }) {
  return image(grid, (cell) => {
    if (cell < 0) return [...unknown, 255];
    const share = Math.min(cell, 100) / 100;
    return [0, 1, 2].map((part) => free[part] + share * (occupied[part] - free[part])).concat(255);
  });
}

/** Return a canvas of costs to lay over a map: the higher, the redder; free is transparent. */
export function costImage(grid) {
  return image(grid, (cell) => {
    if (cell <= 0) return [0, 0, 0, 0];
    if (cell >= 100) return [190, 24, 120, 220];
    if (cell >= 99) return [225, 60, 70, 190];
    return [240, 140, 40, 40 + 1.2 * cell];
  });
}

function image(grid, colour) {
  const step = Math.ceil(Math.max(grid.width, grid.height) / MOST_PIXELS);
  const [width, height] = [grid.width, grid.height].map((cells) => Math.ceil(cells / step));
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  const picture = context.createImageData(width, height);
  const colours = Array.from({ length: 256 }, (_, byte) => colour((byte << 24) >> 24));
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const cell = highest(grid, column * step, row * step, step);
      const place = 4 * ((height - 1 - row) * width + column); // y is up
      picture.data.set(colours[cell & 255], place);
    }
  }
  context.putImageData(picture, 0, 0);
  const pixel = step * grid.resolution;
  return { canvas, metres: { width: width * pixel, height: height * pixel } };
}

/** Return the highest of step × step cells: a wall is seen in a small picture too. */
function highest({ cells, width, height }, column, row, step) {
  if (step === 1) return cells[row * width + column];
  let found = -1;
  for (let y = row; y < Math.min(row + step, height); y += 1) {
    for (let x = column; x < Math.min(column + step, width); x += 1) {
      found = Math.max(found, cells[y * width + x]);
    }
  }
  return found;
}
