// The records that were found, newest first: page by page into the past, and those that come while one follows.

import { ApiError, get, isAborted } from "../../base/api.js";
import { keyOf } from "../../parts/record-key.js";

/** Records of a page. */
const PAGE = 200;
/** Records that are kept while new ones come. */
const MOST_LIVE = 5000;
/** Records that are looked at for names of fields. */
const SAMPLE = 1000;

/** @typedef {import("../../parts/record-detail.js").ApiRecord} ApiRecord */
/** @typedef {{ key: string, at: number, record: ApiRecord }} Found `at` grows from the newest to the oldest */

/** Event: `change`. */
export class Results extends EventTarget {
  /** @type {Found[]} */
  all = [];
  isAsking = false;
  /** Whether the last answer looked at all it was to look at. */
  complete = true;
  /** @type {Error | null} */
  error = null;
  /** @type {string | null} */
  #next = null;
  /** @type {Map<string, number>} */
  #at = new Map();
  #parameters = {};
  #asked = new AbortController();

  /** Whether there are older ones. */
  get hasMore() {
    return this.#next !== null;
  }

  /**
   * Asks anew. What was found before is shown until the answer is there.
   *
   * @param {import("../../base/api.js").Parameters} parameters
   */
  ask(parameters) {
    this.#parameters = parameters;
    return this.#get(null);
  }

  /** Asks for older ones. */
  more() {
    if (this.isAsking || this.#next === null) return Promise.resolve();
    return this.#get(this.#next);
  }

  stop() {
    this.#asked.abort();
  }

  /** @param {string | null} cursor */
  async #get(cursor) {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    this.isAsking = true;
    this.dispatchEvent(new Event("change"));
    try {
      const parameters = { ...this.#parameters, limit: PAGE, cursor };
      const answer = await get("/api/v1/records", parameters, signal);
      if (!cursor) this.#clear();
      this.#next = answer.next;
      this.complete = answer.complete;
      this.error = null;
      for (const record of answer.items) this.#put(record, false);
    } catch (error) {
      if (isAborted(error) || signal.aborted) return;
      this.error = /** @type {Error} */ (error);
      // What was found stays while the daemon is gone.
      if (!cursor && !(error instanceof ApiError && error.status === 0)) this.#clear();
    }
    this.isAsking = false;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Puts new ones on top; the oldest go where there are too many.
   *
   * @param {ApiRecord[]} records oldest first
   */
  add(records) {
    for (const record of records) this.#put(record, true);
    for (const { key } of this.all.splice(MOST_LIVE)) {
      this.#at.delete(key);
      this.#next = null;
    }
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} key */
  indexOf(key) {
    const at = this.#at.get(key);
    return at === undefined ? -1 : at - this.all[0].at;
  }

  /** @param {string} key */
  find(key) {
    return this.all[this.indexOf(key)]?.record;
  }

  /**
   * The keys of the fields of these records.
   *
   * @param {string} map `fields`, `context` or `resource`
   * @returns {Set<string>}
   */
  keys(map) {
    const maps = this.all
      .slice(0, SAMPLE)
      .map(({ record }) => (map === "resource" ? record.distlog?.resource : record[map]));
    const keys = new Set(maps.flatMap((one) => Object.keys(one ?? {})));
    if (map === "context") keys.delete("key");
    return keys;
  }

  #clear() {
    this.all = [];
    this.#at.clear();
    this.#next = null;
  }

  /**
   * @param {ApiRecord} record
   * @param {boolean} isNewest
   */
  #put(record, isNewest) {
    const key = keyOf(record);
    if (this.#at.has(key)) return;
    const at = isNewest ? (this.all[0]?.at ?? 0) - 1 : (this.all.at(-1)?.at ?? -1) + 1;
    this.#at.set(key, at);
    if (isNewest) this.all.unshift({ key, at, record });
    else this.all.push({ key, at, record });
  }
}

/**
 * Finds a record that is not among those that are shown.
 *
 * @param {string} key
 * @param {AbortSignal} signal
 * @returns {Promise<ApiRecord | undefined>}
 */
export async function lookUp(key, signal) {
  const ms = Number(key.split(".")[0]);
  if (!(ms > 0)) return undefined;
  const at = (/** @type {number} */ time) => new Date(time).toISOString();
  const answer = await get("/api/v1/records", { from: at(ms - 1), to: at(ms + 2), limit: 5000 }, signal);
  return answer.items.find((/** @type {ApiRecord} */ record) => keyOf(record) === key);
}
