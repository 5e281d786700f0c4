// The tasks that are known: the newest, which are asked for again and again, and older ones as far as somebody scrolled.

import { PAGE, PagedList } from "../../parts/paged-list.js";

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

/** @extends {PagedList<Task>} */
export class Tasks extends PagedList {
  /** Whether so many came at once that they are not shown: between them and what one reads others are missing. */
  isHeld = false;

  /** @param {import("../../base/api.js").Parameters} parameters as /api/v1/tasks takes them */
  constructor(parameters) {
    super("/api/v1/tasks", parameters, traceOf);
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
    const page = await this.ask({ limit }, signal);
    const newest = page.items;
    const added = newest.filter((task) => !this.has(task)).map(traceOf);
    const fresh = new Set(newest.map(traceOf));
    const last = newest.at(-1)?.begin_ns ?? 0;
    const older = this.items.filter((task) => !fresh.has(traceOf(task)) && (task.begin_ns ?? 0) <= last);
    // Without one in common there may be others in between.
    const isWhole = added.length < newest.length || this.items.length === 0 || page.next === null;
    this.isHeld = !isAtTop() && (!isWhole || this.items.length > MOST_KEPT);
    if (this.isHeld) return added;
    if (page.next === null || !isWhole || (isAtTop() && newest.length + older.length > MAX_KEPT)) {
      this.keep(newest);
      this.next = page.next;
    } else {
      if (older.length === 0) this.next = page.next;
      this.keep([...newest, ...older]);
    }
    this.complete = page.complete;
    return added;
  }
}
