// Draws a row of the tree: a task or a record.

import { h } from "../../base/dom.js";
import { count, duration, fullTime, time, visible } from "../../base/format.js";
import { outcomeSign, severityName, severitySign } from "../../base/outcome.js";
import { serviceClass } from "../../base/services.js";
import { bar, tick } from "./bars.js";
import { NONE } from "./model.js";
import { pieces } from "./search.js";

/** Deeper rows stand no further to the right; a number tells how deep they are. */
const DEEPEST = 16;
/** A text of a row is cut here: more does not fit into a line. */
const LONGEST = 400;

/** @typedef {import("./model.js").Trace} Trace */

/**
 * @typedef {object} How
 * @property {boolean} canFold
 * @property {boolean} isOpen
 * @property {RegExp | null} wanted what is searched for
 * @property {import("./critical-path.js").Stretch[] | undefined} critical
 * @property {boolean} isNew
 * @property {number} now in ns from the begin of the trace
 */

/**
 * @param {Trace} trace
 * @param {number} place
 * @param {How} how
 */
export function row(trace, place, how) {
  const isTask = trace.isTask(place);
  const name = h(
    "div",
    { class: "tree-name" },
    ...indent(trace.depth[place]),
    ...(isTask ? task : record)(trace, place, how),
  );
  const axis = h(
    "div",
    { class: "tree-axis", "aria-hidden": "true" },
    ...(isTask ? bar(trace, place, how) : tick(trace, place)),
  );
  const classes = [
    "virtual-row",
    isTask ? "tree-task" : "tree-record",
    how.isNew && "tree-new",
    how.critical && "tree-critical",
  ];
  return {
    children: [name, axis, h("div", { class: "tree-took number" }, took(trace, place, how))],
    attributes: {
      class: classes.filter(Boolean).join(" "),
      "aria-level": trace.depth[place] + 1,
      "aria-posinset": trace.position[place] + 1,
      "aria-setsize": trace.setSize(place),
      "aria-expanded": how.canFold ? String(how.isOpen) : null,
    },
  };
}

/** @param {number} depth */
function indent(depth) {
  const element = h("span", { class: "tree-indent", "aria-hidden": "true" });
  element.style.setProperty("--depth", String(Math.min(depth, DEEPEST)));
  if (depth <= DEEPEST) return [element];
  return [element, h("span", { class: "tree-deep", title: `${depth} tasks are above it` }, String(depth))];
}

/**
 * @param {Trace} trace
 * @param {number} place
 * @param {How} how
 */
function task(trace, place, how) {
  const parent = trace.parent[place];
  const service = trace.serviceName(place);
  const isOther = service !== "" && (parent === NONE || trace.service[parent] !== trace.service[place]);
  const error = parent !== NONE && trace.error[parent] === trace.error[place] ? "" : trace.error[place];
  const hidden = how.canFold && !how.isOpen ? trace.end[place] - place - 1 : 0;
  return [
    h("span", { class: how.canFold ? "fold" : "fold none", "aria-hidden": "true" }),
    outcomeSign(trace.outcomeName(place)),
    h("i", { class: `service-dot ${serviceClass(service)}`, title: service }),
    trace.name[place]
      ? h("b", { class: "tree-title" }, ...marked(trace.name[place], how.wanted))
      : h("i", { class: "tree-title muted" }, "its begin has not come"),
    isOther && h("span", { class: "tree-service" }, ...marked(service, how.wanted)),
    hidden > 0 && hiddenSign(trace, place, hidden),
    trace.cut.has(place) && h("span", { class: "muted" }, `${count(trace.cut.get(place))} deeper tasks`),
    error !== "" && h("span", { class: "tree-error" }, ...marked(error, how.wanted)),
    trace.fields[place] !== "" && h("span", { class: "tree-fields" }, ...marked(trace.fields[place], how.wanted)),
  ];
}

/**
 * @param {Trace} trace
 * @param {number} place
 * @param {number} hidden
 */
function hiddenSign(trace, place, hidden) {
  const failed = trace.failures[place] - Number(trace.isFailed(place));
  const name = severityName(trace.worst[place]);
  const worst = trace.worst[place] >= 17 ? "error" : trace.worst[place] >= 13 ? "warn" : "";
  return h(
    "span",
    {
      class: `tree-hidden ${failed || worst === "error" ? "bad" : worst}`,
      title: failed ? `${failed} failed below` : name,
    },
    `+${count(hidden)}`,
  );
}

/**
 * @param {Trace} trace
 * @param {number} place
 * @param {How} how
 */
function record(trace, place, how) {
  const at = trace.at[place];
  const when = trace.begin && !Number.isNaN(at) ? trace.begin + at : null;
  return [
    h("time", { class: "tree-time", title: fullTime(when) }, time(when)),
    severitySign(severityName(trace.severity[place])),
    h("span", { class: "tree-message" }, ...marked(trace.name[place], how.wanted)),
    trace.error[place] !== "" && h("span", { class: "tree-error" }, ...marked(trace.error[place], how.wanted)),
    trace.fields[place] !== "" && h("span", { class: "tree-fields" }, ...marked(trace.fields[place], how.wanted)),
    trace.cut.has(place) && h("span", { class: "muted", title: "The details have all of it" }, "…"),
  ];
}

/**
 * @param {Trace} trace
 * @param {number} place
 * @param {How} how
 */
function took(trace, place, { now }) {
  const at = trace.at[place];
  if (!trace.isTask(place)) return Number.isNaN(at) ? "–" : `+${duration(Math.max(0, at))}`;
  if (trace.isRunning(place) && !Number.isNaN(at)) return duration(Math.max(0, now - at));
  return Number.isNaN(trace.took[place]) ? "–" : duration(trace.took[place]);
}

/**
 * A text with what is searched for marked.
 *
 * @param {string} text
 * @param {RegExp | null} wanted
 */
export function marked(text, wanted) {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return pieces(short, wanted).map((piece, at) =>
    at % 2 ? h("mark", {}, visible(piece)) : visible(piece.replaceAll("\n", " ⏎ ")),
  );
}
