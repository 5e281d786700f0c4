// What else happened around a record: in its trace, its thread, its process. The oldest is on top, times are relative to the record.

import { get, isAborted } from "../../base/api.js";
import { fill, h } from "../../base/dom.js";
import { counted, duration, fullTime, rfc3339, visible } from "../../base/format.js";
import { severitySign } from "../../base/outcome.js";
import { serviceClass } from "../../base/services.js";
import { both, literal } from "../../parts/cel.js";
import { timeOf } from "../../parts/record-detail.js";
import { keyOf } from "../../parts/record-key.js";
import { VirtualList } from "../../parts/virtual-list.js";
import { kindSign, text } from "./columns.js";

/** Records on each side. */
const MOST = 500;
const SECOND = 1e9;
/** How far it can be looked, in seconds. */
export const REACHES = [1, 5, 30, 300];

/** @typedef {import("../../parts/record-detail.js").ApiRecord} ApiRecord */
/** @typedef {{ title: string, filter: string, isSame: (other: ApiRecord) => boolean }} Surroundings */

/**
 * What a record has around it, by name. A condition knows names of processes and threads but not their numbers, so `isSame` looks again.
 *
 * @param {ApiRecord} record
 * @returns {Record<string, Surroundings>}
 */
export function surroundings(record) {
  const own = record.distlog ?? {};
  const of = (/** @type {string} */ name, /** @type {string | undefined} */ value) =>
    value && `${name} == ${literal(value)}`;
  const process = both(
    of("service", own.service),
    of("host", record.hostname),
    of("process", record.processName),
    of('resource["service.instance.id"]', own.resource?.["service.instance.id"]),
  );
  const isSameProcess = (/** @type {ApiRecord} */ other) =>
    other.process === record.process && other.distlog?.producer === own.producer;
  /** @type {Record<string, Surroundings>} */
  const all = {};
  if (own.trace_id) {
    all.trace = { title: "Its trace", filter: `trace_id == ${literal(own.trace_id)}`, isSame: () => true };
  }
  if (record.threadName || record.thread) {
    const isSame = (/** @type {ApiRecord} */ other) => isSameProcess(other) && other.thread === record.thread;
    all.thread = { title: "Its thread", filter: both(process, of("thread", record.threadName)), isSame };
  }
  if (process) all.process = { title: "Its process", filter: process, isSame: isSameProcess };
  return all;
}

/** `<dl-around>`. Event: `open` with the record as `detail`. */
export class Around extends HTMLElement {
  #said = h("p", { class: "muted around-said", role: "status" });
  #list = new VirtualList();
  /** @type {ApiRecord[]} */
  #all = [];
  #asked = new AbortController();

  connectedCallback() {
    this.#list.setAttribute("role", "grid");
    this.#list.setAttribute("aria-label", "Records around it");
    this.#list.rowHeight = 26;
    this.#list.addEventListener("open", (event) => {
      const { key } = /** @type {CustomEvent} */ (event).detail;
      event.stopPropagation();
      const record = this.#all.find((one) => keyOf(one) === key);
      if (record) this.dispatchEvent(new CustomEvent("open", { detail: record }));
    });
    this.append(this.#said, this.#list);
  }

  disconnectedCallback() {
    this.#asked.abort();
  }

  /**
   * @param {ApiRecord} record
   * @param {Surroundings} of
   * @param {number} reach in seconds
   */
  async ask(record, { filter, isSame }, reach) {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    try {
      const before = await this.#get(filter, timeOf(record) - reach * SECOND, timeOf(record) + 1e6, signal);
      // The newest come first: of too many those are missing that follow the record. So less far is looked.
      let ahead = reach * SECOND;
      let after = await this.#get(filter, timeOf(record) + 1e6, timeOf(record) + ahead, signal);
      while (after.next && ahead > 4e6) {
        ahead /= 4;
        after = await this.#get(filter, timeOf(record) + 1e6, timeOf(record) + ahead, signal);
      }
      this.#all = [...after.items, ...before.items].filter(isSame).reverse();
      const cut = before.next || ahead < reach * SECOND;
      const first = this.#all[0] ?? record;
      const last = this.#all.at(-1) ?? record;
      const span = `from ${relative(first, record)} to ${relative(last, record)}`;
      fill(this.#said, counted(this.#all.length, "record"), cut ? `, the nearest of more: ${span}` : `, ${span}`);
      this.#show(record);
    } catch (error) {
      if (!isAborted(error)) fill(this.#said, /** @type {Error} */ (error).message);
    }
  }

  /**
   * @param {string} filter
   * @param {number} from
   * @param {number} to
   * @param {AbortSignal} signal
   */
  #get(filter, from, to, signal) {
    return get("/api/v1/records", { filter, from: rfc3339(from), to: rfc3339(to), limit: MOST }, signal);
  }

  /** @param {ApiRecord} record */
  #show(record) {
    const keys = this.#all.map(keyOf);
    this.#list.show({
      count: keys.length,
      key: (index) => keys[index],
      stamp: () => keyOf(record),
      indexOf: (key) => keys.indexOf(key),
      row: (index) => {
        const one = this.#all[index];
        const service = one.distlog?.service ?? "";
        return {
          children: [
            h(
              "span",
              { role: "gridcell", class: "mono number muted", title: fullTime(timeOf(one)) },
              relative(one, record),
            ),
            h("span", { role: "gridcell", class: "cut" }, severitySign(one.levelname)),
            h(
              "span",
              { role: "gridcell", class: "cut" },
              h("span", { class: `service ${serviceClass(service)}`, title: visible(service) }),
              kindSign(one),
              visible(text(one, "message").slice(0, 400)),
            ),
          ],
          attributes: { "aria-current": keys[index] === keyOf(record) && "true" },
        };
      },
    });
    this.#list.activate(keyOf(record), { quiet: true, centre: true });
  }
}

/**
 * How long before or after a record another one was.
 *
 * @param {ApiRecord} one
 * @param {ApiRecord} record
 */
function relative(one, record) {
  const between = timeOf(one) - timeOf(record);
  return between === 0 ? "0" : `${between < 0 ? "−" : "+"}${duration(Math.abs(between))}`;
}

customElements.define("dl-around", Around);
