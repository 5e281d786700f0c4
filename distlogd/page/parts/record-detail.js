// All that a record holds: its message, fields, error, links, and where it was logged. The task's page and Find show it.

import { taskHref } from "../base/address.js";
import { h, safeLink } from "../base/dom.js";
import { count, duration, fullTime, visible } from "../base/format.js";
import { severitySign } from "../base/outcome.js";
import { serviceChip } from "../base/services.js";
import { entry } from "./cel.js";
import { copyButton } from "./copy-button.js";

/** So many characters of a text are shown at first. */
const SHOWN = 5000;

/** @typedef {Record<string, any>} ApiRecord a record as the API has it: Python's dictionary, and what is `distlog`'s */
/** @typedef {[name: string, value: import("../base/dom.js").Child, more?: import("../base/dom.js").Child]} Row */
/** @typedef {(name: string, value: unknown) => import("../base/dom.js").Child} Refine what stands beside a value; its name as in conditions */

/**
 * @param {ApiRecord} record
 * @param {{ heading?: boolean, refine?: Refine }} [how] `heading: false`: time, severity and service stand elsewhere
 */
export function recordDetail(record, { heading = true, refine } = {}) {
  const own = record.distlog ?? {};
  const fields = (/** @type {string} */ map, /** @type {object | undefined} */ all) =>
    Object.entries(all ?? {}).map(([name, value]) => {
      const [, shown] = field([name, value]);
      return /** @type {Row} */ ([name, shown, refine?.(entry(map, name), value)]);
    });
  const { key, ...context } = record.context ?? {};
  return h(
    "div",
    { class: "record-detail" },
    heading &&
      h(
        "p",
        { class: "detail-heading" },
        severitySign(record.levelname ?? ""),
        own.service && serviceChip(own.service),
        h("time", { class: "muted" }, fullTime(timeOf(record))),
      ),
    h("pre", { class: "detail-message" }, ...long(record.message || own.task || own.event_name || "")),
    errorDetail(record),
    table("Fields", fields("fields", withoutException(record))),
    linkDetail(own.links),
    table("Fields of the task", fields("context", context)),
    table("Where", whereRows(record, typeof key === "string" ? key.slice(key.indexOf("@") + 1) : "", refine)),
    table("Resource", fields("resource", own.resource)),
    h(
      "p",
      { class: "detail-tools" },
      copyButton("Copy as JSON", () => JSON.stringify(record, null, 2)),
    ),
  );
}

/**
 * When a record was logged, in ns since the epoch.
 *
 * @param {ApiRecord} record
 */
export function timeOf(record) {
  return record.distlog?.time ?? Math.round((record.created ?? 0) * 1e6) * 1000;
}

/**
 * The error of a record with its causes and its traceback, or nothing.
 *
 * @param {ApiRecord} record
 */
export function errorDetail(record) {
  const own = record.distlog ?? {};
  const error = own.error ?? {};
  const said = error.message || own.status_message;
  const exception = own.otlp ? record.fields?.["exception.stacktrace"] : undefined;
  const stack = [error.traceback && record.exc_text, exception, record.stack_info].filter(Boolean).map(String);
  if (!own.error && !record.exc_text && !said && !stack.length) return null;
  const causes = /** @type {string[]} */ (error.chain ?? []);
  return section(
    "Error",
    h(
      "ol",
      { class: "detail-chain" },
      h(
        "li",
        {},
        error.kind && h("b", {}, visible(error.kind), " "),
        visible(said || (own.error ? "" : record.exc_text)),
      ),
      ...causes.map((cause) => h("li", {}, h("span", { class: "muted" }, "caused by "), ...long(cause))),
    ),
    ...stack.map((text) => h("pre", { class: "detail-stack", tabindex: 0, "aria-label": "Traceback" }, ...long(text))),
  );
}

/**
 * The fields of a record, without those of OpenTelemetry that the error shows.
 *
 * @param {ApiRecord} record
 */
function withoutException(record) {
  const { fields = {}, distlog: own } = record;
  if (!own?.error || !own.otlp) return fields;
  return Object.fromEntries(
    Object.entries(fields).filter(([name]) => !/^exception\.(type|message|stacktrace)$/.test(name)),
  );
}

/**
 * Links to other tasks, or nothing.
 *
 * @param {any[] | undefined} links
 */
export function linkDetail(links) {
  if (!links?.length) return null;
  const items = links.map(({ trace_id, span_id, path, attributes }) => {
    const id = path ? `${trace_id}/${path}` : `${trace_id}/~${span_id}`;
    const fields = Object.entries(attributes ?? {}).map(([name, value]) => `${name}=${plain(value)}`);
    return h(
      "li",
      {},
      h("a", { class: "mono", href: taskHref(id) }, visible(id)),
      fields.length > 0 && h("span", { class: "muted" }, " ", visible(fields.join("  "))),
    );
  });
  return section("Linked tasks", h("ul", { class: "detail-links" }, ...items));
}

/**
 * @param {string} title
 * @param {...import("../base/dom.js").Child} children
 */
export function section(title, ...children) {
  return h("section", {}, h("h3", {}, title), ...children);
}

/**
 * Names and values, or nothing where there are none.
 *
 * @param {string} title
 * @param {Row[]} rows
 */
export function table(title, rows) {
  const known = rows.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  if (known.length === 0) return null;
  const lines = known.flatMap(([name, value, more]) => [h("dt", {}, visible(name)), h("dd", {}, value, more)]);
  return section(title, h("dl", { class: "detail-table" }, ...lines));
}

/**
 * A field as a row of a table.
 *
 * @param {[name: string, value: unknown]} field
 * @returns {Row}
 */
export function field([name, value]) {
  if (value !== null && typeof value === "object" && !("$bytes" in value) && !("$float" in value)) {
    return [name, h("pre", {}, ...long(JSON.stringify(value, null, 2)))];
  }
  const text = plain(value);
  const link = /^https?:\/\/\S+$/.test(text) && text.length < 2000;
  if (!link) return [name, text ? h("span", {}, ...long(text)) : h("span", { class: "muted" }, "empty")];
  return [name, h("a", { href: safeLink(text), target: "_blank", rel: "noreferrer noopener" }, visible(text))];
}

/**
 * A text; of one that is very long the beginning, and a button that shows the rest.
 *
 * @param {string} text
 * @returns {import("../base/dom.js").Child[]}
 */
function long(text) {
  if (text.length <= SHOWN) return [visible(text)];
  const all = () => rest.replaceWith(visible(text.slice(SHOWN)));
  const rest = h(
    "button",
    { type: "button", class: "copy", onclick: all },
    `Show all ${count(text.length)} characters`,
  );
  return [visible(text.slice(0, SHOWN)), rest];
}

/**
 * The value of a field as a text.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function plain(value) {
  if (typeof value === "string") return value;
  if (value === null || typeof value !== "object") return String(value);
  if ("$float" in value) return String(value.$float);
  if ("$bytes" in value) return `${value.$bytes} (base64)`;
  return JSON.stringify(value);
}

/**
 * @param {ApiRecord} record
 * @param {string} task id of the task
 * @param {Refine} [refine]
 * @returns {Row[]}
 */
function whereRows(record, task, refine) {
  const own = record.distlog ?? {};
  const scope = own.otlp?.scope_name;
  const named = (/** @type {unknown} */ name, /** @type {unknown} */ number) =>
    name && number && String(name) !== String(number) ? `${name} (${number})` : String(name ?? number ?? "");
  return [
    ["time", fullTime(timeOf(record))],
    ["task", task && h("a", { class: "mono", href: taskHref(task) }, visible(task))],
    ["target", visible(record.name ?? ""), refine?.("target", record.name)],
    ["scope", scope && scope !== record.name ? visible(scope) : ""],
    ["template", record.msg && record.msg !== record.message ? visible(record.msg) : ""],
    ["code", record.pathname ? visible(`${record.pathname}${record.lineno ? `:${record.lineno}` : ""}`) : ""],
    ["function", visible(record.funcName ?? ""), refine?.("function", record.funcName)],
    ["thread", visible(named(record.threadName, record.thread)), refine?.("thread", record.threadName)],
    ["process", visible(named(record.processName, record.process)), refine?.("process", record.processName)],
    ["host", visible(record.hostname ?? ""), refine?.("host", record.hostname)],
    ["duration", own.duration ? duration(own.duration) : ""],
    ["span id", own.span_id ?? ""],
    ["producer", own.producer ? `${own.producer}${own.offset ? ` at ${own.offset}` : ""}` : ""],
  ];
}
