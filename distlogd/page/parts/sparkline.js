// Small bars over time, without axes: when something happened.

import { svg } from "../base/dom.js";

const WIDTH = 120;
const HEIGHT = 24;
/** The least width and height that is seen. */
const LEAST = 2;

/**
 * @param {{ from_ns: number, every_ns: number, counts: number[] }} times
 * @param {number} from where the left end is, in ns since the epoch
 * @param {number} to
 */
export function sparkline({ from_ns, every_ns, counts }, from, to) {
  const most = Math.max(1, ...counts);
  const scale = WIDTH / Math.max(1, to - from);
  const width = Math.max(LEAST, every_ns * scale - 0.5);
  let path = "";
  counts.forEach((count, at) => {
    if (!count) return;
    const x = Math.min(WIDTH - width, Math.max(0, (from_ns + at * every_ns - from) * scale));
    const height = Math.max(LEAST, (count / most) * HEIGHT);
    path += `M${x.toFixed(1)} ${HEIGHT}v${-height.toFixed(1)}h${width.toFixed(1)}v${height.toFixed(1)}z`;
  });
  return svg(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": true },
    svg("path", { d: path }),
  );
}
