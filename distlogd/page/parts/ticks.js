// Marks of an axis of time, at round times of the reader's zone.

const MS = 1_000_000;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Between two marks, in ms. */
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 28, 91, 365].map((days) => days * DAY),
];

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const second = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const fraction = new Intl.DateTimeFormat("en-GB", {
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

/**
 * Marks between two times, in ns since the epoch.
 *
 * @param {number} from
 * @param {number} to
 * @param {number} most so many
 */
export function ticks(from, to, most) {
  const [first, last] = [from / MS, to / MS];
  const step = STEPS.find((step) => (last - first) / step <= most) ?? STEPS[STEPS.length - 1];
  const offset = offsetAt(first);
  const marks = [];
  for (let local = Math.ceil((first + offset) / step) * step; ; local += step) {
    // The clocks may be changed in between; steps of minutes go on as they are.
    const ms = local - (step >= HOUR ? offsetAt(local - offset) : offset);
    if (ms > last) return marks;
    if (ms >= first) marks.push({ at: ms * MS, text: label(new Date(ms), step) });
  }
}

/** @param {number} ms since the epoch */
function offsetAt(ms) {
  return -new Date(ms).getTimezoneOffset() * MINUTE;
}

/**
 * @param {Date} date
 * @param {number} step
 */
function label(date, step) {
  const isMidnight = date.getHours() + date.getMinutes() + date.getSeconds() + date.getMilliseconds() === 0;
  if (step >= DAY || isMidnight) return day.format(date);
  if (step >= MINUTE) return minute.format(date);
  return step >= SECOND ? second.format(date) : fraction.format(date);
}
