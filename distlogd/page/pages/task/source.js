// Gets the outline of a trace, and follows it while it grows.

import { getLines, isAborted, taskPath } from "../../base/api.js";
import { connection } from "../../base/connection.js";
import { Stream } from "../../base/stream.js";
import { isView } from "../../base/viewed.js";
import { Trace } from "./model.js";

/** The deepest that the daemon gives. */
const DEPTH = 1000;
/** It is asked anew at most so often, in ms, and not before so many times as long has passed as the last answer took. */
const ASKED_EACH = 200;
const ASKED_AFTER = 5;
/** A task that is not there yet is asked for so often, in ms. */
const WAIT = 2000;
/** Where nothing can be followed, what may grow is asked for so often, in ms. */
const POLLED_EACH = 3000;
/** While a large answer comes, what has come is seen, and keys count, so often, in ms. */
const SEEN_EACH = 100;
/** So long after its last record a trace is followed in which nothing runs, in ms: records of other processes may come late. */
const FOLLOWED = 60_000;

/**
 * Events: `part` when more of the first answer has come, `trace` when one has come whole, `missing` when nothing of the task is stored
 * yet, `failed` with `detail.error`, `skipped` with `detail.records`.
 */
export class TraceSource extends EventTarget {
  /** What has come. */
  trace = new Trace();
  isWhole = false;
  #id;
  #parts = 1;
  #abort = new AbortController();
  #isAsking = false;
  #isStale = false;
  #took = 0;
  /** @type {number | undefined} */
  #timer;
  /** @type {Stream | undefined} */
  #stream;
  #isOver = false;

  /** @param {string} id of the task */
  constructor(id) {
    super();
    this.#id = id;
    connection.addEventListener("back", this.#back);
    document.addEventListener("visibilitychange", this.#back);
    this.#ask();
  }

  close() {
    this.#isOver = true;
    connection.removeEventListener("back", this.#back);
    document.removeEventListener("visibilitychange", this.#back);
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#stream?.close();
  }

  /** Gets what did not fit into the answer. */
  more() {
    this.#parts += 1;
    this.#changed();
  }

  /** Is followed, since more may come. */
  get isLive() {
    return this.#stream !== undefined;
  }

  #back = () => {
    if (document.hidden) this.#follow(false);
    else this.#changed();
  };

  /** It has grown: asks anew, but not too often. */
  #changed() {
    this.#isStale = true;
    if (this.#isAsking || document.hidden) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), Math.max(ASKED_EACH, ASKED_AFTER * this.#took));
  }

  async #ask() {
    const began = performance.now();
    this.#isAsking = true;
    this.#isStale = false;
    const trace = new Trace();
    const isFirst = !this.isWhole;
    let seen = -Infinity;
    try {
      for (let part = 0; part < this.#parts; part += 1) {
        const cursor = trace.next;
        if (part > 0 && !cursor) break;
        const take = (/** @type {any[]} */ lines) => {
          trace.add(lines);
          if (isFirst) {
            this.trace = trace;
            this.dispatchEvent(new Event("part"));
          }
          if (performance.now() - seen < SEEN_EACH) return;
          return painted().then(() => {
            seen = performance.now();
          });
        };
        const asked = { format: "outline", depth: DEPTH, cursor };
        await getLines(taskPath(this.#id), asked, take, this.#abort.signal);
      }
      if (this.#isOver) return;
      trace.finish();
      this.trace = trace;
      this.isWhole = true;
      this.dispatchEvent(new Event("trace"));
    } catch (error) {
      if (this.#isOver || isAborted(error)) return;
      this.#refused(error);
    } finally {
      this.#isAsking = false;
      this.#took = performance.now() - began;
    }
    if (this.#isOver) return;
    this.#follow(this.#mayGrow());
    if (this.#isStale) this.#changed();
  }

  /** @param {any} error */
  #refused(error) {
    if (error.status === 404 && !this.isWhole) {
      this.dispatchEvent(new Event("missing"));
      this.#timer = setTimeout(() => this.#ask(), WAIT);
    } else if (error.status !== 0) {
      this.dispatchEvent(new CustomEvent("failed", { detail: { error } }));
      // It is no id, and never will be.
      if (error.status === 400) this.close();
    }
  }

  #mayGrow() {
    const { running, begin, last } = this.trace;
    return !document.hidden && (!this.isWhole || running > 0 || Date.now() - (begin + last) / 1e6 < FOLLOWED);
  }

  /** @param {boolean} wanted */
  #follow(wanted) {
    if (isView) {
      clearTimeout(this.#timer);
      if (wanted) this.#timer = setTimeout(() => this.#ask(), Math.max(POLLED_EACH, ASKED_AFTER * this.#took));
    } else if (!wanted) {
      this.#stream?.close();
      this.#stream = undefined;
    } else if (!this.#stream) {
      const from = this.isWhole ? this.trace.storeEnd : undefined;
      this.#stream = new Stream(
        "/api/v1/tail",
        { task: this.#id, from },
        {
          event: () => this.#changed(),
          skipped: (records) => {
            this.dispatchEvent(new CustomEvent("skipped", { detail: { records } }));
            this.#changed();
          },
        },
      );
    }
  }
}

/** Until the browser has shown what there is. A page that is not seen does not wait. */
function painted() {
  if (document.hidden) return Promise.resolve();
  return new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}
