// Follows records as they come. A page cannot draw thousands a second, and nobody reads them: of more than 200 a second it shows a sample,
// and counts the rest.

import { get } from "../../base/api.js";
import { Stream } from "../../base/stream.js";

/** Records of a second that are shown. */
const MOST = 200;
/** How often what came is shown, in ms. */
const EVERY = 250;

/** @typedef {import("../../parts/record-detail.js").ApiRecord} ApiRecord */

export class Live {
  /** Records that came and are not shown. */
  skipped = 0;
  /** @type {Stream | undefined} */
  #stream;
  /** @type {ApiRecord[]} */
  #waiting = [];
  #second = 0;
  #shown = 0;
  #take;
  #timer;

  /** @param {(records: ApiRecord[]) => void} take is told what came, oldest first */
  constructor(take) {
    this.#take = take;
    this.#timer = setInterval(() => this.#flush(), EVERY);
  }

  /**
   * The number of the next record in the store: who asks for records and then follows from here misses none.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<number>}
   */
  static async end(signal) {
    const status = await get("/api/v1/status", { producers: 0 }, signal);
    return status.store.end;
  }

  /**
   * @param {string} filter
   * @param {number} from
   */
  follow(filter, from) {
    this.#stream?.close();
    this.#stream = new Stream(
      "/api/v1/tail",
      { filter, from },
      { event: (record) => this.#came(record), skipped: (count) => (this.skipped += count) },
    );
  }

  close() {
    clearInterval(this.#timer);
    this.#stream?.close();
  }

  /** @param {ApiRecord} record */
  #came(record) {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#shown = 0;
    }
    this.#shown += 1;
    if (this.#shown > MOST) this.skipped += 1;
    else this.#waiting.push(record);
  }

  #flush() {
    if (this.#waiting.length === 0 || document.hidden) return;
    this.#take(this.#waiting.splice(0));
  }
}
