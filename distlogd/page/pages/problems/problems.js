// The problems that are known. They stay where they are while they go on; new ones come on top.

import { get } from "../../base/api.js";

/** Problems of a page. */
const PAGE = 100;

/**
 * @typedef {object} Problem
 * @property {string} service
 * @property {string} template
 * @property {string} target
 * @property {string} place
 * @property {string} kind
 * @property {string} error
 * @property {number} count
 * @property {number} first_seen_ns
 * @property {number} last_seen_ns
 * @property {string[]} ids the newest first
 * @property {string} message
 * @property {{ from_ns: number, every_ns: number, counts: number[] }} [times]
 */

/**
 * What tells problems from each other.
 *
 * @param {Problem} problem
 */
export function keyOf({ service, template, target, place, kind, error }) {
  return JSON.stringify([service, template, target, place, kind, error]);
}

export class Problems {
  /** @type {Problem[]} */
  items = [];
  /** Whether there was time for all records. */
  complete = true;
  /** Whether there are more than can be told. */
  truncated = false;
  /** @type {import("../../base/api.js").Parameters} */
  #parameters;
  /** @type {string | null} */
  #next = null;
  /** @type {Map<string, number>} */
  #places = new Map();
  #isAsking = false;

  /** @param {import("../../base/api.js").Parameters} parameters as /api/v1/problems takes them */
  constructor(parameters) {
    this.#parameters = parameters;
  }

  get hasMore() {
    return this.#next !== null;
  }

  /** @param {string} key */
  indexOf(key) {
    return this.#places.get(key) ?? -1;
  }

  /** @param {AbortSignal} signal */
  async refresh(signal) {
    const page = await get("/api/v1/problems", { ...this.#parameters, limit: PAGE }, signal);
    const asked = new Map(page.items.map((/** @type {Problem} */ problem) => [keyOf(problem), problem]));
    const added = page.items.filter((/** @type {Problem} */ problem) => !this.#places.has(keyOf(problem)));
    const known = this.items.flatMap((problem) => {
      const now = asked.get(keyOf(problem));
      // What is not among the newest may be further down; without a next page it is gone.
      return now ? [now] : page.next === null ? [] : [problem];
    });
    if (this.items.length === 0 || page.next === null) this.#next = page.next;
    this.complete = page.complete;
    this.truncated = Boolean(page.truncated);
    this.#set([...added, ...known]);
  }

  /**
   * Asks for those that were seen before; gives whether there were some.
   *
   * @param {AbortSignal} signal
   */
  async older(signal) {
    if (this.#isAsking || this.#next === null) return false;
    this.#isAsking = true;
    try {
      const page = await get("/api/v1/problems", { ...this.#parameters, limit: PAGE, cursor: this.#next }, signal);
      this.#next = page.next;
      const older = page.items.filter((/** @type {Problem} */ problem) => !this.#places.has(keyOf(problem)));
      this.#set([...this.items, ...older]);
      return true;
    } finally {
      this.#isAsking = false;
    }
  }

  /** @param {Problem[]} items */
  #set(items) {
    this.items = items;
    this.#places = new Map(items.map((problem, index) => [keyOf(problem), index]));
  }
}
