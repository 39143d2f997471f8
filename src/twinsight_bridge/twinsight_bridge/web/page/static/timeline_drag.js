// Selecting a span of time by drawing over the rows with a mouse or a finger.

const LEAST_PX = 5;
const NEAR_PX = 14;

/**
 * Hear of what is drawn over `area`: `drawn(robot, fromShare, toShare, done)` while and when it
 * is, `stopped()` where the page is scrolled instead; a tap beside a bar counts for that bar.
 */
export function listenToDrawing(area, drawn, stopped) {
  let from = null;
  let drawing = false;

  function shareOf({ clientX }) {
    const { left, width } = from.track.getBoundingClientRect();
    return Math.min(Math.max((clientX - left) / width, 0), 1);
  }

  function tell(event, done) {
    const shares = [from.share, shareOf(event)].sort((one, other) => one - other);
    drawn(from.robot, ...shares, done);
  }

  area.addEventListener('pointerdown', (event) => {
    const track = event.target.closest('.track');
    if (!track || event.button !== 0) return;
    from = { track, robot: track.parentElement.dataset.robot, x: event.clientX };
    from.share = shareOf(event);
    drawing = false;
  });

  area.addEventListener('pointermove', (event) => {
    if (!from) return;
    if (!drawing && Math.abs(event.clientX - from.x) < LEAST_PX) return;
    if (!drawing) area.setPointerCapture(event.pointerId); // a bar gets no click of it then
    drawing = true;
    tell(event, false);
  });

  area.addEventListener('pointerup', (event) => {
    if (!from) return;
    if (drawing) tell(event, true);
    else if (event.target === from.track) nearest(from.track, event.clientX)?.click();
    from = null;
  });

  area.addEventListener('pointercancel', () => {
    from = null;
    stopped();
  });
}

function nearest(track, x) {
  const away = (bar) => {
    const { left, right } = bar.getBoundingClientRect();
    return Math.max(left - x, x - right, 0);
  };
  const bars = [...track.querySelectorAll('.bar')].sort((one, other) => away(one) - away(other));
  return bars.length && away(bars[0]) <= NEAR_PX ? bars[0] : null;
}
