// What is known of a list that the API tells page by page.

import { get } from "../base/api.js";

/** Items of a page. */
export const PAGE = 100;

/** @template Item */
export class PagedList {
  /** @type {Item[]} The first of the list first. */
  items = [];
  /** Whether there was time for all records. */
  complete = true;
  /** @protected @type {string | null} The cursor of the page behind the last item. */
  next = null;
  #path;
  #parameters;
  #keyOf;
  /** @type {Map<string, number>} */
  #places = new Map();
  #isAsking = false;

  /**
   * @param {string} path of the API
   * @param {import("../base/api.js").Parameters} parameters as that takes them
   * @param {(item: Item) => string} keyOf what tells items from each other
   */
  constructor(path, parameters, keyOf) {
    this.#path = path;
    this.#parameters = parameters;
    this.#keyOf = keyOf;
  }

  /** Whether there are more. */
  get hasMore() {
    return this.next !== null;
  }

  /** @param {string} key */
  indexOf(key) {
    return this.#places.get(key) ?? -1;
  }

  /**
   * Asks for those behind the last one; gives whether there were some.
   *
   * @param {AbortSignal} signal
   */
  async older(signal) {
    if (this.#isAsking || this.next === null) return false;
    this.#isAsking = true;
    try {
      const page = await this.ask({ limit: PAGE, cursor: this.next }, signal);
      this.next = page.next;
      this.keep([...this.items, ...page.items.filter((item) => !this.has(item))]);
      return true;
    } finally {
      this.#isAsking = false;
    }
  }

  /**
   * Asks for a page.
   *
   * @protected
   * @param {import("../base/api.js").Parameters} more parameters
   * @param {AbortSignal} signal
   * @returns {Promise<{ items: Item[], next: string | null, complete: boolean, truncated?: boolean }>}
   */
  ask(more, signal) {
    return get(this.#path, { ...this.#parameters, ...more }, signal);
  }

  /**
   * Whether it is known.
   *
   * @protected
   * @param {Item} item
   */
  has(item) {
    return this.#places.has(this.#keyOf(item));
  }

  /**
   * From now on these are known.
   *
   * @protected
   * @param {Item[]} items
   */
  keep(items) {
    this.items = items;
    this.#places = new Map(items.map((item, index) => [this.#keyOf(item), index]));
  }
}
