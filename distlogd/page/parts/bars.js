// Counts records over time, for the histogram: chooses how long a bar is, and asks the daemon.

import { get } from "../base/api.js";
import { timeOf } from "../base/range.js";

const MS = 1_000_000;
const SECOND = 1000 * MS;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Lengths of bars, in ns. */
const LENGTHS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((ms) => ms * MS),
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12, 24, 48, 168, 720].map((hours) => hours * HOUR),
];

/** So many bars at most. */
const MAX_BARS = 120;

/** How often the length of bars is chosen anew while it is not known how far back the records go. */
const ROUNDS = 4;

/**
 * A kind of records: a part of a bar.
 *
 * @typedef {object} BarKind
 * @property {string} name
 * @property {string} colour a class that sets `color`
 * @property {string[]} [values] of the name that is counted by; without, all others
 *
 * What a histogram shows.
 *
 * @typedef {object} Bars
 * @property {number} from where the first bar begins, in ns since the epoch
 * @property {number} every length of a bar, in ns
 * @property {BarKind[]} kinds the lowest first
 * @property {number[][]} counts by kind and bar
 */

/** How tasks end. */
export const OUTCOME_KINDS = [
  { name: "failed", colour: "outcome-failed", values: ["failed"] },
  { name: "lost", colour: "outcome-lost", values: ["lost"] },
  { name: "cancelled", colour: "outcome-cancelled", values: ["cancelled"] },
  { name: "ok", colour: "outcome-ok" },
];

/** How severe records are. */
export const SEVERITY_KINDS = [
  { name: "error", colour: "severity-error", values: ["ERROR", "FATAL"] },
  { name: "warn", colour: "severity-warn", values: ["WARN"] },
  { name: "info", colour: "severity-info", values: ["INFO"] },
  { name: "debug", colour: "severity-debug" },
];

/**
 * @param {number} ns
 * @returns {number} the shortest length with which so long a time has few enough bars
 */
function lengthFor(ns) {
  return LENGTHS.find((length) => ns / length <= MAX_BARS) ?? LENGTHS[LENGTHS.length - 1];
}

/**
 * Counts what matches by a name and by time.
 *
 * @param {{ by: string, kinds: BarKind[], parameters: import("../base/api.js").Parameters }} question as /api/v1/stats takes it
 * @param {Bars | null} before the answer to the same question, if there was one
 * @param {AbortSignal} [signal]
 * @returns {Promise<Bars>}
 */
export async function readBars({ by, kinds, parameters }, before, signal) {
  const now = Date.now();
  const asked = timeOf(String(parameters.from ?? ""), now);
  const to = timeOf(String(parameters.to ?? ""), now);
  let from = asked ?? before?.from;
  let every = from === undefined ? HOUR : lengthFor((to ?? now * MS) - from);
  for (let round = 1; ; round += 1) {
    const query = { ...parameters, by, every: `${every / MS}ms`, limit: 10_000 };
    const { items } = await get("/api/v1/stats", query, signal);
    /** @type {{ at: number, kind: number, count: number }[]} */
    const groups = items.map((/** @type {any} */ item) => ({
      at: Date.parse(item.time) * MS,
      kind: kindOf(kinds, String(item[by] ?? "")),
      count: item.count,
    }));
    const times = groups.map(({ at }) => at);
    const last = Math.max(to ?? now * MS, ...(to === undefined ? times.map((at) => at + every) : []));
    const first = asked ?? Math.min(last - MINUTE, ...times);
    const fitting = lengthFor(last - first);
    if (fitting !== every && round < ROUNDS) {
      every = fitting;
      continue;
    }
    from = Math.floor(first / every) * every;
    const bars = Math.max(1, Math.ceil((last - from) / every));
    const counts = kinds.map(() => /** @type {number[]} */ (new Array(bars).fill(0)));
    for (const { at, kind, count } of groups) {
      const bar = Math.round((at - from) / every);
      if (bar >= 0 && bar < bars) counts[kind][bar] += count;
    }
    return { from, every, kinds, counts };
  }
}

/**
 * @param {BarKind[]} kinds
 * @param {string} value
 */
function kindOf(kinds, value) {
  const at = kinds.findIndex((kind) => kind.values?.includes(value));
  return at < 0 ? kinds.findIndex((kind) => !kind.values) : at;
}
