// Times, sizes and durations for people. Times are Unix ms, shown in the zone of the browser.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Return a time of the API (ISO 8601 with nanoseconds) in Unix ms; null stays null. */
export function msOf(iso) {
  return iso ? Date.parse(iso.replace(/(\.\d{3})\d+/, '$1')) : null;
}

/** Return Unix ms as the API takes it. */
export function isoOf(ms) {
  return new Date(ms).toISOString();
}

/** Return a size such as `12.3 MB`. */
export function size(bytes) {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1);
  const shown = bytes / 1000 ** power;
  return `${power && shown < 100 ? shown.toFixed(1) : Math.round(shown)} ${UNITS[power]}`;
}

/** Return a whole number with thousands apart. */
export function count(number) {
  return number.toLocaleString('en').replaceAll(',', '\u202f');
}

/** Return how long something took, from ms: `850 ms`, `12 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return joined(seconds, 60, 'min', 's');
  if (seconds < 86400) return joined(Math.round(seconds / 60), 60, 'h', 'min');
  return joined(Math.round(seconds / 3600), 24, 'd', 'h');
}

function joined(amount, most, unit, smaller) {
  const rest = amount % most;
  return `${Math.floor(amount / most)} ${unit}${rest ? ` ${rest} ${smaller}` : ''}`;
}

/** Return how long ago something was, from ms. */
export function ago(ms) {
  if (ms < 1500) return 'now';
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

/** Return the time of a day: `08:05`, or `08:05:09`. */
export function clock(ms, seconds = true) {
  const at = new Date(ms);
  const parts = [at.getHours(), at.getMinutes(), ...(seconds ? [at.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

/** Return a day as `2026-11-20`, as the fields of forms have it. */
export function dayText(ms) {
  const at = new Date(ms);
  const parts = [at.getFullYear(), at.getMonth() + 1, at.getDate()];
  return parts.map((part) => String(part).padStart(2, '0')).join('-');
}

/** Return day and time; the day only where it is another one than `beside`. */
export function dateTime(ms, beside = Date.now()) {
  const day = dayText(ms);
  return day === dayText(beside) ? clock(ms) : `${day} ${clock(ms)}`;
}

/** Return a time as a field of a form has it, to the second. */
export function fieldTime(ms) {
  return `${dayText(ms)}T${clock(ms)}`;
}

/** Return a value of a metric with its unit. */
export function reading(value, unit) {
  if (typeof value !== 'number') return String(value ?? '');
  const text = Number.isInteger(value) || Math.abs(value) >= 1000
    ? String(Math.round(value)) : String(Number(value.toPrecision(4)));
  return unit ? `${text} ${unit}` : text;
}
