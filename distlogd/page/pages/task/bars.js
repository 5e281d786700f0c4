// What stands on the time axis beside a row: the bar of a task, in which its own work is strong and that of its subtasks pale, the critical
// path, and ticks of records. Places are in custom properties, in ms of the trace: a change of the axis moves all without drawing anew.

import { h } from "../../base/dom.js";
import { severityClass, severityName } from "../../base/outcome.js";
import { serviceClass } from "../../base/services.js";

/** So many ticks a row has at most, and so many places are looked at for them. */
const MOST_TICKS = 60;
const LOOKED_AT = 2000;
/** Of more children than this, those are drawn as one that stand closer than a hundredth of their task. */
const APART = 20;

/** @typedef {import("./model.js").Trace} Trace */
/** @typedef {import("./critical-path.js").Stretch} Stretch */

/**
 * @param {Trace} trace
 * @param {number} task
 * @param {{ critical: Stretch[] | undefined, isOpen: boolean }} how
 * @returns {HTMLElement[]}
 */
export function bar(trace, task, { critical, isOpen }) {
  const from = trace.at[task];
  if (Number.isNaN(from)) return [];
  const isRunning = trace.isRunning(task) || Number.isNaN(trace.took[task]);
  const to = trace.endOf(task);
  const state = trace.isFailed(task) ? "bar-failed" : isRunning ? "bar-open" : "";
  const outer = stretch(`bar ${serviceClass(trace.serviceName(task))} ${state}`, { from, to });
  if (trace.isRunning(task)) outer.classList.add("bar-running");
  const all = [outer];
  for (const one of childStretches(trace, task)) all.push(stretch("bar-children", one));
  for (const one of critical ?? []) all.push(stretch("bar-critical", one));
  if (!isOpen) all.push(...ticksBelow(trace, task));
  return all;
}

/**
 * @param {Trace} trace
 * @param {number} record
 * @returns {HTMLElement[]}
 */
export function tick(trace, record) {
  const at = trace.at[record];
  if (Number.isNaN(at)) return [];
  const element = h("i", { class: `tick ${severityClass(severityName(trace.severity[record]))}` });
  element.style.setProperty("--at", String(at / 1e6));
  return [element];
}

/**
 * @param {string} name of the class
 * @param {Stretch} where
 */
function stretch(name, { from, to }) {
  const element = h("i", { class: name });
  element.style.setProperty("--at", String(from / 1e6));
  element.style.setProperty("--took", String((to - from) / 1e6));
  return element;
}

/** @type {WeakMap<Trace, Map<number, Stretch[]>>} */
const known = new WeakMap();

/**
 * When tasks below a task run, as it is drawn.
 *
 * @param {Trace} trace
 * @param {number} task
 */
function childStretches(trace, task) {
  const all = known.get(trace) ?? new Map();
  known.set(trace, all);
  let stretches = all.get(task);
  if (!stretches) {
    const gap = trace.children[task] > APART ? (trace.endOf(task) - trace.at[task]) / 100 : 0;
    stretches = childTimes(trace, task, gap);
    // While it comes there will be more.
    if (trace.isFinished) all.set(task, stretches);
  }
  return stretches;
}

/**
 * The time in which a task itself works, and none below it runs.
 *
 * @param {Trace} trace
 * @param {number} task
 */
export function ownTime(trace, task) {
  return childTimes(trace, task, 0).reduce((left, { from, to }) => left - (to - from), trace.took[task]);
}

/**
 * The stretches in which tasks right below a task run, as far as it runs itself.
 *
 * @param {Trace} trace
 * @param {number} task
 * @param {number} gap shorter ones are passed over
 */
function childTimes(trace, task, gap) {
  const begin = trace.at[task];
  const end = trace.endOf(task);
  /** @type {Stretch[]} */
  const children = [];
  for (let place = task + 1; place < trace.end[task]; place = trace.end[place]) {
    if (!trace.isTask(place)) continue;
    const from = Math.max(begin, trace.at[place]);
    const to = Math.min(end, trace.endOf(place));
    if (to > from) children.push({ from, to });
  }
  children.sort((a, b) => a.from - b.from);
  /** @type {Stretch[]} */
  const out = [];
  for (const one of children) {
    const last = out.at(-1);
    if (last && one.from <= last.to + gap) last.to = Math.max(last.to, one.to);
    else out.push(one);
  }
  return out;
}

/**
 * Ticks of the records right below a folded task; warnings and errors of all.
 *
 * @param {Trace} trace
 * @param {number} task
 */
function ticksBelow(trace, task) {
  const ticks = [];
  const end = Math.min(trace.end[task], task + LOOKED_AT);
  for (let place = task + 1; place < end && ticks.length < MOST_TICKS; place += 1) {
    if (!trace.isTask(place) && (trace.parent[place] === task || trace.severity[place] >= 13)) {
      ticks.push(...tick(trace, place));
    }
  }
  return ticks;
}
