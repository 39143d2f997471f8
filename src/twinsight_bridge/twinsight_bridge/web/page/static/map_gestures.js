// Moving a map with mouse, fingers and keys.

const WHEEL = 1.0015;
const STEP = 1.3;
const STEP_PX = 60;

/** Have a canvas move a MapView; `moved()` is called when it did. */
export function listenToGestures(canvas, view, moved) {
  const fingers = new Map();

  function two() {
    const [one, other] = [...fingers.values()];
    return {
      middle: [(one.x + other.x) / 2, (one.y + other.y) / 2],
      apart: Math.hypot(one.x - other.x, one.y - other.y),
    };
  }

  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  });

  canvas.addEventListener('pointermove', (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.offsetX, y: event.offsetY };
    if (fingers.size === 1) {
      view.pan(now.x - before.x, now.y - before.y);
      fingers.set(event.pointerId, now);
    } else if (fingers.size === 2) {
      const was = two();
      fingers.set(event.pointerId, now);
      const is = two();
      view.pan(is.middle[0] - was.middle[0], is.middle[1] - was.middle[1]);
      if (was.apart > 0) view.zoom(is.apart / was.apart, ...is.middle);
    }
    moved();
  });

  for (const type of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(type, ({ pointerId }) => fingers.delete(pointerId));
  }

  canvas.addEventListener('wheel', (event) => {
    // Else the page is scrolled: who scrolls by is not to be caught here.
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    view.zoom(WHEEL ** -event.deltaY, event.offsetX, event.offsetY);
    moved();
  }, { passive: false });

  const keys = {
    '+': () => view.zoom(STEP),
    '=': () => view.zoom(STEP),
    '-': () => view.zoom(1 / STEP),
    ArrowLeft: () => view.pan(STEP_PX, 0),
    ArrowRight: () => view.pan(-STEP_PX, 0),
    ArrowUp: () => view.pan(0, STEP_PX),
    ArrowDown: () => view.pan(0, -STEP_PX),
  };
  canvas.addEventListener('keydown', (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
    moved();
  });
}
