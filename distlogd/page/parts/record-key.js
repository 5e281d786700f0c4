// Names a record in the address of Find.

import { address } from "../base/api.js";
import { timeOf } from "./record-detail.js";

/** @typedef {import("./record-detail.js").ApiRecord} ApiRecord */

/**
 * What tells a record from all others: its producer, its place in what that sent, and when, so that it is found again.
 *
 * @param {ApiRecord} record
 */
export function keyOf(record) {
  const { producer, offset } = record.distlog ?? {};
  const own = producer ? `${producer}.${offset ?? 0}` : `${record.context?.key ?? ""}.${record.message}`.slice(0, 100);
  return `${Math.floor(timeOf(record) / 1e6)}.${own}`;
}

/**
 * The address of what else the thread, or the process, of a record did then.
 *
 * @param {ApiRecord} record
 */
export function aroundHref(record) {
  return address("/find", { record: keyOf(record), around: record.threadName || record.thread ? "thread" : "process" });
}
