// The columns of the list: what each shows of a record. Those that are chosen stand in the address, and are kept for the next time.

import { h } from "../../base/dom.js";
import { duration, fullTime, time, visible } from "../../base/format.js";
import { severitySign } from "../../base/outcome.js";
import { serviceChip } from "../../base/services.js";
import { parts } from "../../parts/cel.js";
import { plain, timeOf } from "../../parts/record-detail.js";
import { marked } from "./marks.js";

/** @typedef {import("../../parts/record-detail.js").ApiRecord} ApiRecord */

export const DEFAULT = ["time", "severity", "service", "message", "fields"];
const KEY = "find.columns";

/** Columns that are no fields, and how wide they are. */
const WIDTHS = /** @type {Record<string, string>} */ ({
  time: "112px",
  severity: "58px",
  service: "minmax(100px, 130px)",
  message: "minmax(200px, 3fr)",
  fields: "minmax(120px, 3fr)",
  kind: "60px",
  outcome: "76px",
  duration: "76px",
  task: "minmax(120px, 1fr)",
  trace_id: "minmax(120px, 1fr)",
});

/** What can be chosen beside fields. */
export const CHOICES = [
  ...DEFAULT,
  ..."target host process thread kind outcome duration trace_id task file function".split(" "),
];

/**
 * The columns of an address.
 *
 * @param {URLSearchParams} parameters
 */
export function chosen(parameters) {
  const text = parameters.get("columns") ?? localStorage.getItem(KEY) ?? "";
  const names = text.split(",").filter(Boolean).map(decode);
  return names.length ? names : DEFAULT;
}

/**
 * Keeps the columns; gives what the address is told.
 *
 * @param {string[]} names
 */
export function keep(names) {
  const text = names.map((name) => name.replaceAll("%", "%25").replaceAll(",", "%2C")).join(",");
  if (text === DEFAULT.join(",")) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, text);
  return text;
}

/** @param {string} name */
function decode(name) {
  return name.replaceAll("%2C", ",").replaceAll("%25", "%");
}

/** @param {string[]} names */
export function widths(names) {
  return names.map((name) => WIDTHS[name] ?? "minmax(80px, 1fr)").join(" ");
}

/**
 * A cell of the list.
 *
 * @param {ApiRecord} record
 * @param {string} name of the column
 * @param {RegExp | null} words that are marked
 */
export function cell(record, name, words) {
  const own = record.distlog ?? {};
  const of = (/** @type {string} */ className, /** @type {import("../../base/dom.js").Child[]} */ ...children) =>
    h("span", { role: "gridcell", class: `cell-${className} cut` }, ...children);
  switch (name) {
    case "time":
      return h(
        "span",
        { role: "gridcell", class: "cell-time mono", title: fullTime(timeOf(record)) },
        time(timeOf(record)),
      );
    case "severity":
      return of("severity", severitySign(record.levelname));
    case "service":
      return of("service", serviceChip(own.service ?? ""));
    case "message":
      return of("message", kindSign(record), ...marked(text(record, "message"), words));
    case "fields":
      return of("fields", ...allFields(record, words));
    case "duration":
      return of("duration number", own.duration ? duration(own.duration) : "");
    default:
      return of(name.replace(/\W.*/s, ""), ...marked(text(record, name), words));
  }
}

/**
 * What a record is that is no event: the begin or the end of a task, or a field that it got.
 *
 * @param {ApiRecord} record
 */
export function kindSign(record) {
  const kind = record.distlog?.kind;
  if (kind !== "begin" && kind !== "end" && kind !== "bind") return null;
  const outcome = record.distlog.outcome;
  return h("span", { class: `kind kind-${kind}` }, kind === "end" && outcome ? `end, ${visible(outcome)}` : kind);
}

/**
 * @param {ApiRecord} record
 * @param {RegExp | null} words
 */
function allFields(record, words) {
  const { key: _, ...context } = record.context ?? {};
  const fields = Object.entries(record.fields ?? context).slice(0, 12);
  return fields.flatMap(([name, value]) => [
    h("span", { class: "muted" }, visible(name), "="),
    ...marked(plain(value), words, 120),
    "  ",
  ]);
}

/**
 * The text of a record by a name as in conditions.
 *
 * @param {ApiRecord} record
 * @param {string} name
 * @returns {string}
 */
export function text(record, name) {
  const own = record.distlog ?? {};
  const [map, key] = parts(name) ?? [];
  if (map && key !== undefined) {
    const all = map === "resource" ? own.resource : map === "context" ? record.context : record.fields;
    const value = all?.[key];
    return value === undefined ? "" : plain(value);
  }
  const id = String(record.context?.key ?? "");
  const of = /** @type {Record<string, unknown>} */ ({
    message: record.message || own.task || own.event_name,
    target: record.name,
    host: record.hostname,
    process: record.processName,
    thread: record.threadName,
    file: record.pathname && `${record.pathname}${record.lineno ? `:${record.lineno}` : ""}`,
    function: record.funcName,
    task: id.slice(id.indexOf("@") + 1),
    kind: own.kind,
    outcome: own.outcome,
    trace_id: own.trace_id,
  });
  return String(of[name] ?? "");
}
