// What is wrong with the daemon, in words; the worst first.

import { bytes, count, counted, duration } from "../../base/format.js";

/** From here on a processor is behind, in ns. */
const LATE = 10e9;
/** Less than this is little free space, in bytes. */
const LITTLE = 1 << 30;
/** What happened longer ago is no news, in ns. */
const NEWS = 15 * 60e9;

/** @typedef {{ isBad: boolean, text: string }} Trouble */

/**
 * @param {import("./page.js").Status} status
 * @returns {Trouble[]}
 */
export function troubles(status) {
  const { store, processors, producers, receivers, time_ns } = status;
  const isNews = (/** @type {number} */ ns) => time_ns - ns < NEWS;
  /** @type {Trouble[]} */
  const all = [];
  if (status.view) return all;
  const bad = (/** @type {unknown} */ is, /** @type {string} */ text) => is && all.push({ isBad: true, text });
  const note = (/** @type {unknown} */ is, /** @type {string} */ text) => is && all.push({ isBad: false, text });
  bad(store.no_space, `The disk was full: ${counted(store.no_space, "batch", "batches")} refused. Free some space.`);
  bad(store.write_errors, `${counted(store.write_errors, "write")} to the store failed. Look at its disk.`);
  bad(store.damaged_places, `The store is damaged: ${counted(store.damaged_records, "record")} lost.`);
  bad(store.seal_errors, `${counted(store.seal_errors, "attempt")} to seal a segment failed.`);
  const isLow = store.free_bytes !== null && store.free_bytes < LITTLE;
  bad(isLow, `Only ${bytes(store.free_bytes)} are free on the disk of the store.`);
  for (const one of processors) {
    const said = one.last_error ? `: ${one.last_error.message}` : ". It is tried again.";
    bad(one.failing, `${one.processor} fails${said}`);
    bad(one.alert?.firing, `${one.processor}: ${counted(one.alert?.firing ?? 0, "alert")} firing${which(one.alert)}.`);
    note(
      one.alert?.undelivered,
      `${one.processor}: ${counted(one.alert?.undelivered ?? 0, "notification")} undelivered.`,
    );
    note(
      !one.failing && one.lag_ns > LATE,
      `${one.processor} is ${duration(one.lag_ns)} behind: ${counted(one.lag_records, "record")} wait.`,
    );
    note(one.skipped_records, `${one.processor} missed ${counted(one.skipped_records, "record")}: removed too early.`);
    note(one.rejected_records, `${one.processor} never accepts ${counted(one.rejected_records, "record")}.`);
  }
  const died = producers.filter((/** @type {any} */ one) => one.state === "died" && isNews(one.last_seen_ns));
  note(died.length, `${counted(died.length, "producer")} died: ${names(died)}.`);
  const lossy = producers.filter((/** @type {any} */ one) => dropped(one) > 0 && isNews(one.last_seen_ns));
  const lost = lossy.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + dropped(one), 0);
  note(lossy.length, `${counted(lost, "record")} dropped before they were sent, by ${names(lossy)}.`);
  for (const one of receivers) {
    if (!one.last_error || !isNews(one.last_error.time_ns)) continue;
    const lastly = ` Lastly: ${one.last_error.message}`;
    note(one.refused_records, `${one.receiver} refused ${counted(one.refused_records, "record")}.${lastly}`);
    note(
      !one.refused_records && one.rejected_inputs,
      `${one.receiver} rejected ${counted(one.rejected_inputs, "input")}.${lastly}`,
    );
  }
  return all.sort((a, b) => Number(b.isBad) - Number(a.isBad));
}

/**
 * How many records a producer dropped.
 *
 * @param {any} producer
 * @returns {number}
 */
export function dropped(producer) {
  const levels = /** @type {number[]} */ (Object.values(producer.dropped));
  return levels.reduce((sum, one) => sum + one, 0);
}

/**
 * The first alerts that fire, by their labels.
 *
 * @param {any} alert
 */
function which(alert) {
  const labels = (/** @type {any} */ one) =>
    Object.entries(one.labels)
      .filter(([name]) => name !== "alertname")
      .map(([name, value]) => `${name}=${value}`)
      .join(" ");
  const all = (alert?.longest ?? []).map(labels).filter(Boolean);
  return all.length ? `: ${all.slice(0, 3).join(", ")}${all.length > 3 ? " …" : ""}` : "";
}

/** @param {any[]} producers */
function names(producers) {
  const all = [...new Set(producers.map(({ service, producer }) => service || producer))];
  return all.length > 3 ? `${all.slice(0, 3).join(", ")} and ${count(all.length - 3)} more` : all.join(", ");
}
