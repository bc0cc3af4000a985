// Numbers as people read them.

const NONE = "–";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** With as many places as three digits need. */
function short(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 || size === 0 ? 0 : size >= 9.995 ? 1 : 2);
}

/** [number, unit] of microseconds. */
export function time(us) {
  if (!isNumber(us)) return [NONE, ""];
  return us >= 1000 ? [short(us / 1000), "ms"] : [us.toFixed(us < 10 && us > 0 ? 1 : 0), "µs"];
}

/** [number, unit] of bits per second. */
export function rate(bits) {
  if (!isNumber(bits)) return [NONE, ""];
  if (bits >= 1e9) return [short(bits / 1e9), "Gbit/s"];
  if (bits >= 1e6) return [short(bits / 1e6), "Mbit/s"];
  return [short(bits / 1e3), "kbit/s"];
}

export function percent(share) {
  if (!isNumber(share)) return [NONE, ""];
  const hundredths = share * 100;
  return [hundredths === 0 ? "0" : hundredths.toFixed(hundredths < 1 ? 2 : hundredths < 10 ? 1 : 0), "%"];
}

export const millis = (ms) => (isNumber(ms) ? [ms < 10 ? ms.toFixed(1) : ms.toFixed(0), "ms"] : [NONE, ""]);
export const ticks = (value) => (isNumber(value) ? [value.toFixed(1), ""] : [NONE, ""]);
export const count = (value) => (isNumber(value) ? [value.toLocaleString("en"), ""] : [NONE, ""]);

export const text = ([number, unit]) => (unit === "" ? number : `${number} ${unit}`);

/** How long something has lasted. */
export function lasting(seconds) {
  if (!isNumber(seconds)) return NONE;
  const s = Math.floor(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** `warn` or `bad`, if a value is that high. */
export const state = (value, warn, bad) => (value === null || value === undefined ? "" : value >= bad ? "bad" : value >= warn ? "warn" : "");
