// Server-sent events that go on by themselves: behind the last event where the connection broke.

import { address } from "./api.js";
import { connection } from "./connection.js";

/** A stream that the daemon refuses, since too many are followed or nobody is signed in, is asked for again after so long, in ms. */
const REFUSED = 10_000;

/**
 * @typedef {object} Listeners
 * @property {(data: any, id: number) => void} event
 * @property {(records: number) => void} [skipped] so many came too fast, or were removed before they were read
 */

/** A stream that is followed until it is closed. */
export class Stream {
  #path;
  #parameters;
  #listeners;
  /** @type {EventSource | undefined} */
  #source;
  /** @type {number | undefined} */
  #last;
  /** @type {number | undefined} */
  #retry;
  #back = () => this.#open();

  /**
   * @param {string} path
   * @param {import("./api.js").Parameters} parameters `from` is where it begins; behind the last event where it goes on
   * @param {Listeners} listeners
   */
  constructor(path, parameters, listeners) {
    this.#path = path;
    this.#parameters = parameters;
    this.#listeners = listeners;
    connection.addEventListener("back", this.#back);
    this.#open();
  }

  close() {
    connection.removeEventListener("back", this.#back);
    clearTimeout(this.#retry);
    this.#source?.close();
  }

  #open() {
    clearTimeout(this.#retry);
    this.#source?.close();
    const from = this.#last === undefined ? this.#parameters.from : this.#last + 1;
    const source = new EventSource(address(this.#path, { ...this.#parameters, from }));
    source.onmessage = (event) => {
      this.#last = Number(event.lastEventId);
      this.#listeners.event(JSON.parse(event.data), this.#last);
    };
    source.addEventListener("skipped", (event) => this.#listeners.skipped?.(Number(event.data)));
    source.onopen = () => connection.answered();
    source.onerror = () => {
      const isRefused = source.readyState === EventSource.CLOSED;
      source.close();
      // The browser would wait for seconds; the daemon is asked each second whether it is back.
      if (isRefused) {
        this.#retry = setTimeout(() => this.#open(), REFUSED);
        connection.checkSignedIn();
      } else connection.lost();
    };
    this.#source = source;
  }
}
