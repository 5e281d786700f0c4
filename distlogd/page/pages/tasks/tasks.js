// The tasks that are known: the newest, which are asked for again and again, and older ones as far as somebody scrolled.

import { get } from "../../base/api.js";

/** Tasks of a page. */
const PAGE = 100;
/** The newest that are kept up to date, however far down one looks. */
const MAX_FRESH = 500;
/** While one looks at the newest, no more than these are kept. */
const MAX_KEPT = 2000;
/** While one looks at older ones, new ones are counted and not kept beyond this. */
const MOST_KEPT = 20_000;

/**
 * @typedef {object} Task
 * @property {string} id
 * @property {string} name
 * @property {string} service
 * @property {number | null} begin_ns
 * @property {string} outcome
 * @property {number | null} duration_ns
 * @property {number} failed
 */

/**
 * The trace of a task: a task has another id once its root has come.
 *
 * @param {Task} task
 */
export function traceOf(task) {
  return task.id.split("/", 1)[0];
}

export class Tasks {
  /** @type {Task[]} The newest first. */
  items = [];
  /** Whether there was time for all records. */
  complete = true;
  /** Whether so many came at once that they are not shown: between them and what one reads others are missing. */
  isHeld = false;
  /** @type {import("../../base/api.js").Parameters} */
  #parameters;
  /** @type {string | null} */
  #next = null;
  /** @type {Map<string, number>} */
  #places = new Map();
  #isAsking = false;

  /** @param {import("../../base/api.js").Parameters} parameters as /api/v1/tasks takes them */
  constructor(parameters) {
    this.#parameters = parameters;
  }

  /** Whether there are older ones. */
  get hasMore() {
    return this.#next !== null;
  }

  /** @param {string} trace */
  indexOf(trace) {
    return this.#places.get(trace) ?? -1;
  }

  /**
   * Asks for the newest. Gives the traces that are new.
   *
   * @param {number} inSight so many from the top are looked at
   * @param {() => boolean} isAtTop whether one looks at the newest
   * @param {AbortSignal} signal
   */
  async refresh(inSight, isAtTop, signal) {
    const limit = Math.min(MAX_FRESH, Math.max(PAGE, Math.ceil(inSight / PAGE) * PAGE));
    const page = await get("/api/v1/tasks", { ...this.#parameters, limit }, signal);
    /** @type {Task[]} */
    const newest = page.items;
    const added = newest.map(traceOf).filter((trace) => !this.#places.has(trace));
    const fresh = new Set(newest.map(traceOf));
    const last = newest.at(-1)?.begin_ns ?? 0;
    const older = this.items.filter((task) => !fresh.has(traceOf(task)) && (task.begin_ns ?? 0) <= last);
    // Without one in common there may be others in between.
    const isWhole = added.length < newest.length || this.items.length === 0 || page.next === null;
    this.isHeld = !isAtTop() && (!isWhole || this.items.length > MOST_KEPT);
    if (this.isHeld) return added;
    if (page.next === null || !isWhole || (isAtTop() && newest.length + older.length > MAX_KEPT)) {
      this.#set(newest);
      this.#next = page.next;
    } else {
      if (older.length === 0) this.#next = page.next;
      this.#set([...newest, ...older]);
    }
    this.complete = page.complete;
    return added;
  }

  /**
   * Asks for older ones; gives whether there were some.
   *
   * @param {AbortSignal} signal
   */
  async older(signal) {
    if (this.#isAsking || this.#next === null) return false;
    this.#isAsking = true;
    try {
      const page = await get("/api/v1/tasks", { ...this.#parameters, limit: PAGE, cursor: this.#next }, signal);
      this.#next = page.next;
      this.#set([...this.items, ...page.items.filter((/** @type {Task} */ task) => !this.#places.has(traceOf(task)))]);
      return true;
    } finally {
      this.#isAsking = false;
    }
  }

  /** @param {Task[]} items */
  #set(items) {
    this.items = items;
    this.#places = new Map(items.map((task, index) => [traceOf(task), index]));
  }
}
