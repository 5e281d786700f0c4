// The store: how much it holds, how far back it goes, and what is being deleted; or the database that is viewed.

import { h } from "../../base/dom.js";
import { ago, bytes, count, counted, duration, fullTime, visible } from "../../base/format.js";

/** @typedef {import("./page.js").Status} Status */
/** @typedef {import("../../base/dom.js").Child} Child */

/**
 * A view has no receivers, processors and store of its own.
 *
 * @param {Status} status
 */
export function viewFacts({ view, time_ns }) {
  const time = (/** @type {number | null} */ ns) =>
    ns === null ? "none" : h("time", { title: fullTime(ns) }, ago(ns, time_ns / 1e6));
  return section("Database", [
    ["which", h("span", { class: "mono" }, visible(view.database))],
    ["oldest record", time(view.oldest_ns)],
    ["newest record", time(view.newest_ns)],
    ["what it cannot", "follow records as they come, delete: ask the daemons that fill it"],
  ]);
}

/** @param {Status} status */
export function storeFacts({ store, time_ns }) {
  const age = store.oldest_ns === null ? null : time_ns - store.oldest_ns;
  /** @type {[string, ...Child[]][]} */
  const facts = [
    ["records", count(store.records)],
    [
      "size",
      bytes(store.bytes),
      store.keep_bytes !== null && ` of ${bytes(store.keep_bytes)}`,
      store.keep_bytes !== null && meter("of its size", store.bytes / store.keep_bytes),
    ],
    [
      "oldest record",
      age === null ? "none" : h("time", { title: fullTime(store.oldest_ns) }, ago(store.oldest_ns, time_ns / 1e6)),
      store.keep_age_ns !== null && `, kept for ${duration(store.keep_age_ns)}`,
      store.keep_age_ns !== null && age !== null && meter("of its age", age / store.keep_age_ns),
    ],
    ["free on its disk", store.free_bytes === null ? "unknown" : bytes(store.free_bytes)],
    [
      "segments",
      count(store.segments),
      store.unsealed_segments > 0 && `, ${count(store.unsealed_segments)} to be sealed`,
    ],
    ["not yet durable", store.pending_bytes ? bytes(store.pending_bytes) : "nothing"],
    ["numbers", h("span", { class: "mono" }, `${store.first} – ${store.end - 1}`)],
    ["directory", h("span", { class: "mono" }, visible(store.path))],
  ];
  return section("Store", facts);
}

/**
 * @param {string} title
 * @param {[string, ...Child[]][]} facts
 */
function section(title, facts) {
  return h(
    "section",
    { class: "status-section" },
    h("h2", {}, title),
    h(
      "dl",
      { class: "status-facts" },
      ...facts.map(([name, ...value]) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value))),
    ),
  );
}

/** @param {Status} status */
export function deletions({ deletions: all }) {
  if (!all.length) return null;
  const items = all.map((/** @type {any} */ one) =>
    h(
      "li",
      {},
      h("span", { class: "mono" }, visible(which(one))),
      h("span", { class: "muted" }, ` asked ${ago(one.asked_ns)}: `),
      `${count(one.erased_records)} of ${one.complete ? "" : "at least "}${counted(one.records, "record")} out of the files`,
    ),
  );
  return h(
    "section",
    { class: "status-section" },
    h("h2", {}, "Deletions"),
    h("ul", { class: "status-deletions" }, ...items),
  );
}

/** @param {any} one */
function which({ trace, matching }) {
  if (trace) return `trace ${trace}`;
  const { filter, from, to } = matching ?? {};
  // The largest number stands for any time.
  return [filter, from && `from ${fullTime(from)}`, to && to < 1.8e19 && `to ${fullTime(to)}`]
    .filter(Boolean)
    .join(", ");
}

/**
 * @param {string} label
 * @param {number} share 0 to 1
 */
function meter(label, share) {
  return h("meter", {
    min: 0,
    max: 1,
    high: 0.95,
    value: Math.min(1, share).toFixed(3),
    "aria-label": `Part ${label}`,
  });
}
