// The problems that are known. They stay where they are while they go on; new ones come on top.

import { PAGE, PagedList } from "../../parts/paged-list.js";

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

/** @extends {PagedList<Problem>} */
export class Problems extends PagedList {
  /** Whether there are more than can be told. */
  truncated = false;

  /** @param {import("../../base/api.js").Parameters} parameters as /api/v1/problems takes them */
  constructor(parameters) {
    super("/api/v1/problems", parameters, keyOf);
  }

  /** @param {AbortSignal} signal */
  async refresh(signal) {
    const page = await this.ask({ limit: PAGE }, signal);
    const asked = new Map(page.items.map((problem) => [keyOf(problem), problem]));
    const added = page.items.filter((problem) => !this.has(problem));
    const known = this.items.flatMap((problem) => {
      const now = asked.get(keyOf(problem));
      // What is not among the newest may be further down; without a next page it is gone.
      return now ? [now] : page.next === null ? [] : [problem];
    });
    if (this.items.length === 0 || page.next === null) this.next = page.next;
    this.complete = page.complete;
    this.truncated = Boolean(page.truncated);
    this.keep([...added, ...known]);
  }
}
