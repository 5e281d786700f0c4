// The critical path: what would have to be faster for the whole to be faster. As in Jaeger
// (https://github.com/jaegertracing/jaeger-ui, packages/jaeger-ui/src/components/TracePage/CriticalPath): from the end of the root backwards to
// the child that ends last before, then to its end, and on from its begin; the time between is the parent's own.

import { NONE } from "./model.js";

/** @typedef {{ from: number, to: number }} Stretch in ns from the begin of the trace */

/**
 * @param {import("./model.js").Trace} trace
 * @returns {Map<number, Stretch[]>} for each task on it when it is
 */
export function criticalPath(trace) {
  /** @type {Map<number, Stretch[]>} */
  const path = new Map();
  const root = firstRoot(trace);
  // While the whole runs nobody knows what it waits for.
  if (root === NONE || trace.isRunning(root)) return path;
  /** @type {{ task: number, from: number, to: number, end: number, children: number[], next: number }[]} `to` moves backwards */
  const open = [];
  const enter = (/** @type {number} */ task, /** @type {number} */ from, /** @type {number} */ to) =>
    open.push({ task, from, to, end: to, children: childrenByEnd(trace, task), next: 0 });
  const mark = (/** @type {number} */ task, /** @type {number} */ from, /** @type {number} */ to) => {
    if (to <= from) return;
    const stretches = path.get(task);
    if (stretches) stretches.push({ from, to });
    else path.set(task, [{ from, to }]);
  };
  enter(root, trace.at[root], trace.endOf(root));
  for (;;) {
    const top = open.at(-1);
    if (!top) return path;
    const child = top.children[top.next];
    if (child === undefined) {
      mark(top.task, top.from, top.to);
      open.pop();
      continue;
    }
    top.next += 1;
    // Of a child that is longer than its parent counts what is within.
    const end = Math.min(trace.endOf(child), top.end);
    const from = Math.max(trace.at[child], top.from);
    if (end > top.to || end <= from) continue;
    mark(top.task, end, top.to);
    top.to = from;
    enter(child, from, end);
  }
}

/** @param {import("./model.js").Trace} trace */
function firstRoot(trace) {
  for (let place = 0; place < trace.count; place = trace.end[place]) {
    if (trace.isTask(place) && !Number.isNaN(trace.at[place])) return place;
  }
  return NONE;
}

/**
 * Tasks directly below that begin at a known time, the one that ends last first.
 *
 * @param {import("./model.js").Trace} trace
 * @param {number} task
 */
function childrenByEnd(trace, task) {
  const children = [];
  for (let place = task + 1; place < trace.end[task]; place = trace.end[place]) {
    if (trace.isTask(place) && !Number.isNaN(trace.at[place])) children.push(place);
  }
  const ends = new Map(children.map((child) => [child, trace.endOf(child)]));
  return children.sort((a, b) => Number(ends.get(b)) - Number(ends.get(a)) || b - a);
}
