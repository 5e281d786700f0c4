// Receivers, producers, processors and what the daemon reported: a table each, that is stacked where there is little room.

import { h } from "../../base/dom.js";
import { ago, count, duration, fullTime, visible } from "../../base/format.js";
import { severitySign } from "../../base/outcome.js";
import { serviceChip } from "../../base/services.js";
import { dropped } from "./troubles.js";

/** @typedef {import("./page.js").Status} Status */
/** @typedef {import("../../base/dom.js").Child} Child */
/** @typedef {{ title: string, isNumber?: boolean, cell: (one: any) => Child }} Column */

/**
 * @param {Status} status
 * @param {Status | null} before
 */
export function receivers(status, before) {
  const rate = rates(status, before, "receivers", "receiver", "accepted_records");
  return section("Receivers", "No receiver listens.", status.receivers, [
    { title: "receiver", cell: (one) => h("b", {}, visible(one.receiver)) },
    { title: "listens at", cell: (one) => h("span", { class: "mono" }, one.addresses.map(visible).join(" ")) },
    { title: "records/s", isNumber: true, cell: rate },
    { title: "accepted", isNumber: true, cell: (one) => count(one.accepted_records) },
    { title: "refused", isNumber: true, cell: (one) => bad(one.refused_records) },
    { title: "rejected inputs", isNumber: true, cell: (one) => bad(one.rejected_inputs) },
    { title: "last error", cell: lastError },
  ]);
}

/**
 * @param {Status} status
 * @param {Status | null} before
 * @param {import("./page.js").Levels | null} levels
 */
export function producers(status, before, levels) {
  const known = new Map((levels?.processes ?? []).map((/** @type {any} */ one) => [one.producer, one]));
  const rate = rates(status, before, "producers", "producer", "records");
  return section("Producers", "No program has sent records yet.", status.producers, [
    { title: "service", cell: service },
    { title: "host", cell: (one) => visible(one.host || "–") },
    { title: "process", isNumber: true, cell: (one) => (one.process_id ? String(one.process_id) : "–") },
    { title: "state", cell: (one) => h("span", { class: `state-${one.state}` }, one.state) },
    { title: "records/s", isNumber: true, cell: rate },
    { title: "records", isNumber: true, cell: (one) => count(one.records) },
    { title: "dropped", isNumber: true, cell: losses },
    { title: "levels", cell: (one) => levelsOf(known.get(one.producer)) },
    { title: "last seen", isNumber: true, cell: (one) => when(one.last_seen_ns) },
  ]);
}

/**
 * @param {Status} status
 * @param {Status | null} before
 */
export function processors(status, before) {
  const rate = rates(status, before, "processors", "processor", "sent_records");
  return section("Processors", "No processor is configured: records are only stored.", status.processors, [
    { title: "processor", cell: (one) => h("b", {}, visible(one.processor)) },
    {
      title: "behind",
      isNumber: true,
      cell: (one) =>
        one.lag_records
          ? h(
              "span",
              { class: one.lag_ns > 10e9 ? "bad" : null },
              `${duration(one.lag_ns)} (${count(one.lag_records)})`,
            )
          : "up to date",
    },
    { title: "records/s", isNumber: true, cell: rate },
    { title: "sent", isNumber: true, cell: (one) => count(one.sent_records) },
    { title: "rejected", isNumber: true, cell: (one) => bad(one.rejected_records) },
    { title: "missed", isNumber: true, cell: (one) => bad(one.skipped_records) },
    { title: "retries", isNumber: true, cell: (one) => count(one.retries) },
    { title: "last error", cell: lastError },
  ]);
}

/**
 * What rules did before records were stored.
 *
 * @param {Status} status
 */
export function intake(status) {
  if (!status.intake?.length) return null;
  return section("Intake rules", "", status.intake, [
    { title: "rule", cell: (one) => h("b", {}, visible(one.rule)) },
    { title: "dropped", isNumber: true, cell: (one) => count(one.dropped_records) },
    { title: "redacted", isNumber: true, cell: (one) => count(one.redacted_records) },
    { title: "failed values", isNumber: true, cell: (one) => bad(one.failed_values) },
  ]);
}

/**
 * What processors decided about whole trees.
 *
 * @param {Status} status
 */
export function trees(status) {
  const all = status.processors.filter((/** @type {any} */ one) => one.trees);
  if (!all.length) return null;
  return section("Trees by processor", "", all, [
    { title: "processor", cell: (one) => h("b", {}, visible(one.processor)) },
    { title: "waiting", isNumber: true, cell: (one) => count(one.trees.open) },
    { title: "kept", isNumber: true, cell: (one) => count(one.trees.kept) },
    { title: "sampled", isNumber: true, cell: (one) => count(one.trees.sampled) },
    { title: "dropped", isNumber: true, cell: (one) => count(one.trees.dropped) },
    { title: "decided early", isNumber: true, cell: (one) => count(one.trees.early) },
  ]);
}

/**
 * What the daemon reported about itself in the last minutes.
 *
 * @param {Status} status
 */
export function reports(status) {
  if (!status.reports?.length) return null;
  return section("Reports of the last minutes", "", status.reports, [
    { title: "time", cell: (one) => when(one.time_ns) },
    { title: "severity", cell: (one) => severitySign(visible(String(one.level).toUpperCase())) },
    { title: "times", isNumber: true, cell: (one) => count(one.count) },
    { title: "message", cell: (one) => h("span", { title: visible(one.target) }, visible(one.message)) },
  ]);
}

/**
 * @param {string} title
 * @param {string} none
 * @param {any[]} rows
 * @param {Column[]} columns
 */
export function section(title, none, rows, columns) {
  const head = columns.map(({ title, isNumber }) => h("th", { scope: "col", class: isNumber && "number" }, title));
  const body = rows.map((one) =>
    h(
      "tr",
      { role: "row" },
      ...columns.map(({ title, isNumber, cell }) =>
        h("td", { role: "cell", "data-title": title, class: isNumber && "number" }, cell(one)),
      ),
    ),
  );
  const id = `status-${title.split(" ")[0].toLowerCase()}`;
  return h(
    "section",
    { class: "status-section" },
    h("h2", { id }, title),
    rows.length === 0
      ? h("p", { class: "muted" }, none)
      : h(
          "table",
          { role: "table", class: "status-table", "aria-labelledby": id },
          h("thead", {}, h("tr", {}, ...head)),
          h("tbody", {}, ...body),
        ),
  );
}

/**
 * How many records a second came since the last look.
 *
 * @param {Status} status
 * @param {Status | null} before
 * @param {string} list
 * @param {string} name what tells one from the others
 * @param {string} counter
 */
function rates(status, before, list, name, counter) {
  const seconds = before ? (status.time_ns - before.time_ns) / 1e9 : 0;
  const known = new Map((before?.[list] ?? []).map((/** @type {any} */ one) => [one[name], one[counter]]));
  return (/** @type {any} */ one) => {
    const then = known.get(one[name]);
    // A daemon that was started again counts from zero.
    if (then === undefined || seconds <= 0 || one[counter] < then) return "–";
    const rate = (one[counter] - then) / seconds;
    return rate > 0 && rate < 10 ? rate.toFixed(1) : count(Math.round(rate));
  };
}

/** @param {number} value */
function bad(value) {
  return h("span", { class: value > 0 ? "bad" : null }, count(value));
}

/**
 * What is set for a process, if it is connected by a session.
 *
 * @param {any} one
 */
function levelsOf(one) {
  if (!one) return "–";
  if (!one.has_filter) return h("span", { class: "muted", title: "It has no filter for levels" }, "no filter");
  if (!one.levels) return h("span", { class: "muted", title: "As the program was started" }, "its own");
  const title = one.applied ? "It applies them" : "It has not said yet that it applies them";
  return h("span", { class: "mono", title }, visible(one.levels), one.applied ? "" : " …");
}

/** @param {any} one */
function losses(one) {
  const all = dropped(one);
  if (!all) return "0";
  const levels = Object.entries(one.dropped).map(([level, value]) => `${level} ${count(value)}`);
  return h("span", { class: "bad" }, visible(levels.join(", ")));
}

/** @param {any} one */
function service(one) {
  if (!one.service) return h("span", { class: "mono" }, visible(one.producer));
  const href = `/find?service=${encodeURIComponent(one.service)}`;
  return h("a", { href, title: `Producer ${one.producer}: find its records` }, serviceChip(one.service));
}

/** @param {any} one */
function lastError({ last_error: error }) {
  if (!error) return h("span", { class: "muted" }, "none");
  return h("span", {}, visible(error.message), " ", h("span", { class: "muted" }, when(error.time_ns)));
}

/** @param {number} ns */
function when(ns) {
  return h("time", { title: fullTime(ns) }, ago(ns));
}
