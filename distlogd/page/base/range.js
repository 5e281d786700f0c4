// Spans of time: as the address and the API have them (`1h`, RFC 3339), and as people type them in their own zone.

const MS = 1_000_000;

/** Units of durations, in ms. */
const UNITS = /** @type {Record<string, number>} */ ({
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
});

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const PART =
  /\s*(\d+(?:\.\d+)?)\s*(ms|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:our)?s?|d(?:ay)?s?|w(?:eek)?s?)(?![a-z])/g;

/**
 * The parts of a duration: `1.5 hours` is `[[1.5, "h"]]`; none if it is no duration.
 *
 * @param {string} text
 * @returns {[number, string][]}
 */
function partsOf(text) {
  const parts = [...text.matchAll(PART)];
  if (parts.map(([part]) => part).join("") !== text) return [];
  return parts.map(([, number, unit]) => [Number(number), unit === "ms" ? unit : unit[0]]);
}

/**
 * How long `1h`, `1.5 hours` or `1d12h` is, in ms; undefined if it is no duration.
 *
 * @param {string} text
 */
export function durationOf(text) {
  const parts = partsOf(text);
  return parts.length ? parts.reduce((sum, [number, unit]) => sum + number * UNITS[unit], 0) : undefined;
}

/**
 * A time of the address, in ns since the epoch; undefined where there is none.
 *
 * @param {string | null | undefined} text
 * @param {number} [now] in ms
 */
export function timeOf(text, now = Date.now()) {
  if (!text) return undefined;
  if (text === "now") return now * MS;
  const before = durationOf(text);
  // Before this no calendar of a browser goes.
  if (before !== undefined) return now - before > -8.64e15 ? (now - before) * MS : undefined;
  // The API takes a time without a zone for UTC.
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`;
  const ms = Date.parse(zoned);
  return Number.isNaN(ms) ? undefined : ms * MS;
}

/**
 * What the API takes for a time that somebody typed: `20m`, `20m ago`, `14:05`, `yesterday 9:30`, `27 Nov`, `2026-11-27 14:05:30.5`, RFC 3339.
 * Undefined if it is none of these.
 *
 * @param {string} typed
 * @param {number} [now] in ms
 */
export function readTime(typed, now = Date.now()) {
  const text = typed.trim().toLowerCase();
  if (text === "now") return "now";
  const before = partsOf(text.replace(/\s*ago$/, ""));
  if (before.length) return before.map(([number, unit]) => `${number}${unit}`).join("");
  if (/t.*(z|[+-]\d\d:?\d\d)$/.test(text)) {
    const ms = Date.parse(typed.trim());
    return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
  }
  const found = text.match(/^(.*?)(?:(?:^|[\s,t]+)(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d+)?))?)?$/);
  if (!found || !text) return undefined;
  const [, dayText, hour = "0", minute = "0", second = "0"] = found;
  const date = dayOf(dayText.trim(), new Date(now));
  if (!date || Number(hour) > 23 || Number(minute) > 59 || Number(second) >= 60) return undefined;
  date.setHours(Number(hour), Number(minute), 0, Math.floor(Number(second) * 1000));
  // A time of day that is still to come was yesterday's.
  if (!dayText.trim() && date.getTime() > now) date.setDate(date.getDate() - 1);
  return date.toISOString();
}

/**
 * @param {string} text
 * @param {Date} now
 */
function dayOf(text, now) {
  const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate()];
  if (text === "" || text === "today") return new Date(year, month, day);
  if (text === "yesterday") return new Date(year, month, day - 1);
  const iso = text.match(/^(\d{4})-(\d\d)-(\d\d)$/);
  if (iso) return valid(Number(iso[1]), Number(iso[2]) - 1, Number(iso[3]));
  const words = text.match(/^(\d{1,2})\.?\s+([a-z]{3})[a-z]*\.?(?:\s+(\d{4}))?$/);
  if (!words || !MONTHS.includes(words[2])) return undefined;
  const date = valid(Number(words[3] ?? year), MONTHS.indexOf(words[2]), Number(words[1]));
  if (date && !words[3] && date > now) date.setFullYear(year - 1);
  return date;
}

/**
 * @param {number} year
 * @param {number} month
 * @param {number} day
 */
function valid(year, month, day) {
  const date = new Date(year, month, day);
  return date.getMonth() === month && date.getDate() === day ? date : undefined;
}
