// The time axis: which stretch of the trace is shown, and where its ticks are.

import { duration } from "../../base/format.js";

/** The least that is shown, in ns: a tree whose tasks took no time has an axis, too. */
const LEAST = 1000;

export class Axis {
  from = 0;
  to = LEAST;
  /** Whether only a part of the trace is shown. */
  isZoomed = false;

  /**
   * Follows the trace to its end, unless a part of it is shown.
   *
   * @param {number} end
   */
  follow(end) {
    if (this.isZoomed) return false;
    const to = Math.max(LEAST, end);
    const changed = to !== this.to || this.from !== 0;
    this.from = 0;
    this.to = to;
    return changed;
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  zoom(from, to) {
    this.from = from;
    this.to = Math.max(from + LEAST, to);
    this.isZoomed = true;
  }

  reset() {
    this.isZoomed = false;
  }

  get span() {
    return this.to - this.from;
  }

  /**
   * Round times within the axis.
   *
   * @param {number} most so many of them
   * @returns {{ at: number, label: string }[]}
   */
  ticks(most) {
    const step = roundStep(this.span / Math.max(1, most));
    const ticks = [];
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      ticks.push({ at, label: at === 0 ? "0" : duration(at) });
    }
    return ticks;
  }
}

/** Steps of minutes and hours, in s. */
const LONG = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];

/**
 * The least round step that is not less: 1, 2, 5, 10 … ns to 30 s, then as clocks have it.
 *
 * @param {number} least in ns
 */
export function roundStep(least) {
  const seconds = least / 1e9;
  if (seconds > 30) {
    const long = LONG.find((step) => step >= seconds);
    return (long ?? Math.ceil(seconds / 86_400) * 86_400) * 1e9;
  }
  if (seconds > 10) return seconds > 20 ? 30e9 : 20e9;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  const found = [1, 2, 5, 10].find((step) => step * power >= least) ?? 10;
  return found * power;
}
