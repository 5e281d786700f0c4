// Times, durations and numbers as people say them.

const MS = 1_000_000;
const SECOND = 1_000_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The zone of all times that are shown. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/**
 * A duration with three digits, or of two units: `1.53ms`, `2m 5s`.
 *
 * @param {number | null | undefined} ns
 */
export function duration(ns) {
  if (ns === null || ns === undefined) return "–";
  if (ns < 1000) return `${Math.round(ns)}ns`;
  if (ns < 999_500) return `${digits(ns / 1000)}µs`;
  if (ns < 999.5 * MS) return `${digits(ns / MS)}ms`;
  if (ns < MINUTE) return `${digits(ns / SECOND)}s`;
  if (ns < HOUR) return two(ns, MINUTE, "m", SECOND, "s");
  if (ns < DAY) return two(ns, HOUR, "h", MINUTE, "m");
  return two(ns, DAY, "d", HOUR, "h");
}

/** @param {number} value */
function digits(value) {
  return Number(value.toPrecision(3)).toString();
}

/**
 * @param {number} ns
 * @param {number} large
 * @param {string} largeName
 * @param {number} small
 * @param {string} smallName
 */
function two(ns, large, largeName, small, smallName) {
  const rest = Math.floor((ns % large) / small);
  const whole = Math.floor(ns / large);
  return rest ? `${whole}${largeName} ${rest}${smallName}` : `${whole}${largeName}`;
}

const timeOfDay = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});
const minuteOfDay = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const all = new Intl.DateTimeFormat("en-GB", {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  timeZoneName: "short",
});

/**
 * The time of day; with the day where that is not today.
 *
 * @param {number | null | undefined} ns since the epoch
 */
export function time(ns) {
  if (!ns) return "–";
  const date = dateOf(ns);
  return isToday(date) ? timeOfDay.format(date) : `${day.format(date)} ${timeOfDay.format(date)}`;
}

/**
 * As [`time`], without seconds.
 *
 * @param {number} ns since the epoch
 */
export function shortTime(ns) {
  const date = dateOf(ns);
  return isToday(date) ? minuteOfDay.format(date) : `${day.format(date)} ${minuteOfDay.format(date)}`;
}

/**
 * A time with day and zone.
 *
 * @param {number | null | undefined} ns since the epoch
 */
export function fullTime(ns) {
  return ns ? all.format(dateOf(ns)) : "unknown";
}

/**
 * How long ago something was: `3m ago`.
 *
 * @param {number} ns since the epoch
 * @param {number} [now] in ms
 */
export function ago(ns, now = Date.now()) {
  const passed = now * MS - ns;
  if (passed < 2 * SECOND) return "just now";
  if (passed < MINUTE) return `${Math.floor(passed / SECOND)}s ago`;
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)}m ago`;
  if (passed < DAY) return `${Math.floor(passed / HOUR)}h ago`;
  return `${Math.floor(passed / DAY)}d ago`;
}

/**
 * Numbers of this size are some hundred ns off: what is a whole ms must not become the one before.
 *
 * @param {number} ns since the epoch
 */
function dateOf(ns) {
  return new Date(Math.floor(ns / MS + 0.001));
}

/** @param {Date} date */
function isToday(date) {
  return date.toDateString() === new Date().toDateString();
}

const whole = new Intl.NumberFormat("en-US");

/** @param {number} value with a comma at thousands */
export function count(value) {
  return whole.format(value);
}

/**
 * A word in singular or plural: `1 task`, `2 tasks`.
 *
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** @param {number} value bytes */
export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1023.5 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at === 0 ? value : digits(value)} ${units[at]}`;
}

/**
 * RFC 3339, as the API takes it.
 *
 * @param {number} ns since the epoch
 */
export function rfc3339(ns) {
  return dateOf(ns).toISOString();
}

/**
 * A text of a record in which what cannot be seen, or would turn the text around, is shown as `\u{…}`.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(
    // eslint-disable-next-line no-control-regex
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
