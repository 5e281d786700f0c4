// Which tasks of a trace are open, and so which places are seen.

import { NONE, Trace } from "./model.js";

/** A tree of so many places is open at first; of a larger one so many are seen. */
const OPENED = 300;
/** Of so many failed paths all are opened, of more only the deepest one. */
const FAILED_PATHS = 20;

export class Folding {
  /** The places that are seen, in order. */
  seen = new Int32Array(0);
  /** @type {Trace} */
  #trace;
  #isOpen = new Uint8Array(0);
  /** @type {Map<string, boolean>} what somebody opened and folded, by key */
  #chosen = new Map();

  /** @param {Trace} trace */
  constructor(trace) {
    this.#trace = trace;
  }

  get trace() {
    return this.#trace;
  }

  /**
   * Shows a trace that has grown, or was asked for anew: what is open stays so.
   *
   * @param {Trace} trace
   */
  update(trace) {
    const before = this.#trace;
    const wasOpen = this.#isOpen;
    const isSmall = Math.max(trace.expected, trace.count) <= OPENED;
    const isOpen = new Uint8Array(trace.count);
    if (trace === before) isOpen.set(wasOpen.subarray(0, Math.min(wasOpen.length, trace.count)));
    for (let place = trace === before ? wasOpen.length : 0; place < trace.count; place += 1) {
      if (!trace.isTask(place)) continue;
      const key = trace.key(place);
      const old = trace === before ? NONE : before.placeOf(key);
      const isNew = old === NONE || before.end[old] === old + 1;
      if (isNew) isOpen[place] = this.#chosen.get(key) === false ? 0 : Number(isSmall || trace.depth[place] === 0);
      else isOpen[place] = wasOpen[old];
    }
    this.#trace = trace;
    this.#isOpen = isOpen;
    this.#see();
  }

  /** Opens what is worth to be seen first, when all has come. */
  openFirst() {
    const trace = this.#trace;
    if (trace.count > OPENED) {
      this.#isOpen.fill(0);
      this.#openLevels();
      this.#openFailed();
      for (const [key, open] of this.#chosen) {
        const place = trace.placeOf(key);
        if (place !== NONE) this.#isOpen[place] = Number(open);
      }
    }
    this.#see();
  }

  /** @param {number} place */
  canFold(place) {
    return this.#trace.isTask(place) && this.#trace.end[place] > place + 1;
  }

  /** @param {number} place */
  isOpen(place) {
    return this.#isOpen[place] === 1;
  }

  /**
   * @param {number} place
   * @param {boolean} open
   */
  set(place, open) {
    this.#isOpen[place] = Number(open);
    this.#chosen.set(this.#trace.key(place), open);
    this.#see();
  }

  /** @param {number} [below] only what is below it, and it */
  openAll(below) {
    const [from, to] = below === undefined ? [0, this.#trace.count] : [below, this.#trace.end[below]];
    this.#isOpen.fill(1, from, to);
    this.#see();
  }

  /** Folds all but the paths to what failed. */
  foldToFailed() {
    this.#chosen.clear();
    this.#isOpen.fill(0);
    this.#openFailed();
    if (this.#trace.failed === 0) this.#openRoots();
    this.#see();
  }

  /**
   * Opens all above a place; says whether anything had to be.
   *
   * @param {number} place
   */
  openTo(place) {
    let any = false;
    for (let at = this.#trace.parent[place]; at !== NONE; at = this.#trace.parent[at]) {
      any ||= !this.#isOpen[at];
      this.#isOpen[at] = 1;
    }
    if (any) this.#see();
    return any;
  }

  #see() {
    const trace = this.#trace;
    const seen = new Int32Array(trace.count);
    let count = 0;
    for (let place = 0; place < trace.count;) {
      seen[count] = place;
      count += 1;
      place = this.#isOpen[place] || !trace.isTask(place) ? place + 1 : trace.end[place];
    }
    this.seen = seen.subarray(0, count);
  }

  #openRoots() {
    for (let place = 0; place < this.#trace.count; place = this.#trace.end[place]) this.#isOpen[place] = 1;
  }

  /** Opens level by level from the top, while few enough are seen. */
  #openLevels() {
    const trace = this.#trace;
    /** @type {number[]} */
    let level = [];
    for (let place = 0; place < trace.count; place = trace.end[place]) level.push(place);
    let seen = level.length;
    while (level.length > 0) {
      let more = 0;
      for (const place of level) more += trace.children[place];
      if (trace.depth[level[0]] > 0 && seen + more > OPENED) return;
      seen += more;
      /** @type {number[]} */
      const below = [];
      for (const place of level) {
        this.#isOpen[place] = 1;
        if (seen > OPENED) continue;
        for (let at = place + 1; at < trace.end[place]; at = trace.end[at]) if (trace.isTask(at)) below.push(at);
      }
      level = below;
    }
  }

  #openFailed() {
    const trace = this.#trace;
    /** @type {number[]} */
    let leaves = [];
    for (let place = 0; place < trace.count && leaves.length <= FAILED_PATHS; place += 1) {
      if (trace.isFailed(place) && trace.failures[place] === 1) leaves.push(place);
    }
    if (leaves.length > FAILED_PATHS) leaves = [deepestFailure(trace)];
    for (const leaf of leaves) {
      for (let at = leaf; at !== NONE; at = trace.parent[at]) this.#isOpen[at] = 1;
    }
  }
}

/**
 * The failed task that stands deepest; of several the first one. `NONE` where none failed.
 *
 * @param {Trace} trace
 */
export function deepestFailure(trace) {
  let deepest = NONE;
  for (let place = 0; place < trace.count; place += 1) {
    if (trace.isFailed(place) && (deepest === NONE || trace.depth[place] > trace.depth[deepest])) deepest = place;
  }
  return deepest;
}
