// Asks anew when the store has grown: as often as the answers are quick, and only while somebody looks.

import { connection } from "../base/connection.js";
import { Stream } from "../base/stream.js";

/** Between two answers at least, in ms. */
const LEAST = 300;
/** So many times longer than an answer took it is not asked again, and for how many ms at most. */
const REST = 8;
const LONGEST = 8000;
/** What is as old as now moves on, in ms. */
const MOST = 15_000;

/** Tells that the store has grown, to all that listen: by one stream, which is closed while nobody looks. */
class Changes extends EventTarget {
  /** @type {Stream | undefined} */
  #stream;
  #listeners = 0;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => this.#follow());
  }

  /** @param {() => void} changed */
  add(changed) {
    this.addEventListener("change", changed);
    this.#listeners += 1;
    this.#follow();
  }

  /** @param {() => void} changed */
  remove(changed) {
    this.removeEventListener("change", changed);
    this.#listeners -= 1;
    this.#follow();
  }

  #follow() {
    const isWanted = this.#listeners > 0 && !document.hidden;
    if (isWanted === Boolean(this.#stream)) return;
    this.#stream?.close();
    const event = () => this.dispatchEvent(new Event("change"));
    this.#stream = isWanted ? new Stream("/api/v1/changes", {}, { event }) : undefined;
  }
}

const changes = new Changes();

export class Refresh {
  #ask;
  /** @type {AbortController | undefined} */
  #asking;
  /** @type {number | undefined} */
  #timer;
  #isDue = false;
  #restUntil = 0;
  #ticking;

  /** @param {(signal: AbortSignal) => Promise<void>} ask asks and shows; its errors are its own */
  constructor(ask) {
    this.#ask = ask;
    changes.add(this.due);
    this.#ticking = setInterval(this.due, MOST);
    connection.addEventListener("back", this.now);
    document.addEventListener("visibilitychange", this.#onVisible);
  }

  close() {
    changes.remove(this.due);
    clearInterval(this.#ticking);
    clearTimeout(this.#timer);
    this.#asking?.abort();
    connection.removeEventListener("back", this.now);
    document.removeEventListener("visibilitychange", this.#onVisible);
  }

  /** Asks at once; who was asked before need not answer. */
  now = async () => {
    this.#asking?.abort();
    clearTimeout(this.#timer);
    const asking = new AbortController();
    this.#asking = asking;
    this.#isDue = false;
    const began = performance.now();
    await this.#ask(asking.signal);
    if (this.#asking !== asking) return;
    this.#asking = undefined;
    this.#restUntil = performance.now() + Math.min(LONGEST, Math.max(LEAST, REST * (performance.now() - began)));
    if (this.#isDue) this.due();
  };

  /** Asks as soon as may be. */
  due = () => {
    this.#isDue = true;
    if (this.#asking || document.hidden) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.now, this.#restUntil - performance.now());
  };

  #onVisible = () => {
    if (this.#isDue) this.due();
  };
}
