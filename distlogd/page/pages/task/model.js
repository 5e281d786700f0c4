// A trace as flat lists: one place for each task and each record, in the order of the tree. So a tree of 100 000 tasks is read in a moment,
// and what is below a task is the places from it to `end`.

import { Places } from "./places.js";

/** @typedef {import("./outline-lines.js").Head} Head */
/** @typedef {import("./outline-lines.js").Line} Line */

/** What stands where nobody knows. */
export const UNKNOWN = NaN;
export const NONE = -1;

/** The outcomes, by number. */
const OUTCOMES = ["unknown", "ok", "success", "failed", "cancelled", "lost", "running", "ended"];
const FAILED = OUTCOMES.indexOf("failed");
const LOST = OUTCOMES.indexOf("lost");
const RUNNING = OUTCOMES.indexOf("running");

/** A trace, or the part of it below a task. */
export class Trace extends Places {
  tasks = 0;
  records = 0;
  failed = 0;
  running = 0;
  /** Begin of the trace in ns since the epoch; 0 where it is not known. Times of places count from it. */
  begin = 0;
  /** The number in the store of the record that comes next. */
  storeEnd = /** @type {number | undefined} */ (undefined);
  id = "";
  /** What is not shown to who asks, in words. */
  leftOut = "";
  /** Latest time that is known, in ns from the begin. */
  last = 0;
  /** Where the rest goes on, if it is not here. */
  next = /** @type {string | null} */ (null);
  /** Services by number, and how many tasks each has. */
  services = /** @type {string[]} */ ([]);
  serviceTasks = /** @type {number[]} */ ([]);

  /** Tasks below that are too deep for the answer; 0 for a record that says more than its line. */
  cut = new Map();
  /** @type {string[]} names of tasks, messages of records */
  name = [];
  /** @type {string[]} */
  fields = [];
  /** @type {string[]} */
  error = [];
  /** @type {string[]} span ids of tasks */
  span = [];
  /** @type {string[]} paths of tasks */
  path = [];
  isFinished = false;
  /** How many tasks and records there will be, as the first line says. */
  expected = 0;
  roots = 0;
  /** The last time at and below a place. Right when all has come. */
  #until = new Float64Array(0);
  /** @type {string[]} keys of tasks */
  #key = [];
  /** @type {Map<string, number>} */
  #places = new Map();
  /** @type {number[]} the tasks that the next line can be below */
  #open = [];
  /** @type {Map<string, number>} */
  #serviceNumbers = new Map();

  /** @param {Head} head */
  begins({ trace_id, begin_ns, end, left_out }) {
    this.id = trace_id;
    this.begin = begin_ns;
    this.storeEnd = end;
    this.leftOut = left_out ?? "";
  }

  /**
   * Takes the next lines of the answer.
   *
   * @param {Line[]} lines
   */
  add(lines) {
    for (const line of lines) {
      if ("next" in line) this.next = line.next;
      else if ("trace_id" in line) this.begins(line);
      else if ("record" in line) this.#addRecord(line);
      else if (line.continued) this.#goOn(line);
      else this.#addTask(line);
    }
    for (const place of this.#open) this.end[place] = this.count;
  }

  /** Says that all has come: what a place says of those below it is counted. */
  finish() {
    this.isFinished = true;
    this.#close(0);
    this.failures.fill(0, 0, this.count);
    this.#until = this.at.slice(0, this.count);
    for (let place = this.count - 1; place >= 0; place -= 1) {
      if (this.isFailed(place)) this.failures[place] += 1;
      const own = this.severity[place];
      if (this.worst[place] < own) this.worst[place] = own;
      const parent = this.parent[place];
      if (parent === NONE) continue;
      const until = this.endOf(place);
      if (until > this.#until[parent] || Number.isNaN(this.#until[parent])) this.#until[parent] = until;
      this.failures[parent] += this.failures[place];
      if (this.worst[parent] < this.worst[place]) this.worst[parent] = this.worst[place];
    }
  }

  /** @param {number} place */
  isTask(place) {
    return this.record[place] === NONE;
  }

  /** @param {number} place */
  isFailed(place) {
    return this.outcome[place] === FAILED || this.outcome[place] === LOST;
  }

  /** @param {number} place */
  isRunning(place) {
    return this.outcome[place] === RUNNING;
  }

  /** @param {number} place */
  outcomeName(place) {
    return OUTCOMES[this.outcome[place]];
  }

  /** @param {number} place */
  serviceName(place) {
    return this.services[this.service[place]];
  }

  /**
   * The task of a record, or the task itself.
   *
   * @param {number} place
   */
  taskOf(place) {
    return this.isTask(place) ? place : this.parent[place];
  }

  /**
   * When a task has ended or is last heard of: where it is not known, the last time of what is below it.
   *
   * @param {number} place
   */
  endOf(place) {
    const end = this.at[place] + this.took[place];
    return Number.isNaN(end) ? this.#until[place] : end;
  }

  /**
   * The name by which a place is known while the tree grows: the span id of a task, with the record's number behind it for a record.
   *
   * @param {number} place
   */
  key(place) {
    if (place >= this.count) return "";
    if (this.isTask(place)) return this.#key[place];
    return `${this.#key[this.parent[place]]}:${this.number[place]}`;
  }

  /**
   * @param {string} key
   * @returns {number} or `NONE`
   */
  placeOf(key) {
    const [task, record] = key.split(":");
    const place = this.#places.get(task);
    if (place === undefined) return NONE;
    if (record === undefined) return place;
    const wanted = Number(record);
    for (let below = place + 1; below < this.end[place]; below = this.end[below]) {
      if (!this.isTask(below) && this.number[below] === wanted) return below;
    }
    return NONE;
  }

  /**
   * Whether a place of a later answer is not here.
   *
   * @param {Trace} later
   * @param {number} place
   */
  lacks(later, place) {
    if (later.isTask(place)) return !this.#places.has(later.key(place));
    return this.storeEnd !== undefined && later.number[place] >= this.storeEnd;
  }

  /** @param {number} place */
  setSize(place) {
    const parent = this.parent[place];
    return parent === NONE ? this.roots : this.children[parent];
  }

  /** @param {import("./outline-lines.js").TaskLine} line */
  #addTask(line) {
    const place = this.#place(line.depth);
    this.tasks += 1;
    this.record[place] = NONE;
    this.at[place] = line.at_ns ?? UNKNOWN;
    this.took[place] = line.duration_ns ?? UNKNOWN;
    const outcome = OUTCOMES.indexOf(line.outcome ?? "");
    this.outcome[place] = outcome < 0 ? 0 : outcome;
    this.severity[place] = line.severity ?? 0;
    this.service[place] = this.#serviceNumber(line.service ?? "");
    this.serviceTasks[this.service[place]] += 1;
    this.name[place] = line.name ?? "";
    this.fields[place] = line.fields ?? "";
    this.error[place] = line.error ?? "";
    this.span[place] = line.span_id;
    this.path[place] = line.path ?? "";
    if (line.cut) this.cut.set(place, Number(line.cut));
    if (this.isFailed(place)) this.failed += 1;
    if (this.isRunning(place)) this.running += 1;
    if (line.depth === 0) this.expected += 1 + (line.tasks ?? 0) + (line.records ?? 0);
    this.#heard(this.at[place], this.took[place]);
    let key = line.span_id;
    for (let copy = 2; this.#places.has(key); copy += 1) key = `${line.span_id}.${copy}`;
    this.#key[place] = key;
    this.#places.set(key, place);
    this.number[place] = 0;
    this.#open.push(place);
  }

  /** @param {import("./outline-lines.js").RecordLine} line */
  #addRecord(line) {
    const place = this.#place(line.depth);
    this.records += 1;
    this.at[place] = line.at_ns ?? UNKNOWN;
    this.took[place] = 0;
    this.outcome[place] = 0;
    this.severity[place] = line.severity ?? 0;
    if (line.cut) this.cut.set(place, 0);
    const parent = this.parent[place];
    this.record[place] = parent === NONE ? this.records - 1 : this.number[parent]++;
    this.number[place] = line.number ?? this.record[place];
    const isOwn = line.service === undefined && parent !== NONE;
    this.service[place] = isOwn ? this.service[parent] : this.#serviceNumber(line.service ?? "");
    this.name[place] = line.record;
    this.fields[place] = line.fields ?? "";
    this.error[place] = line.error ?? "";
    this.end[place] = place + 1;
    this.#heard(this.at[place], 0);
  }

  /**
   * A task that was begun in the part before: what follows is below it.
   *
   * @param {import("./outline-lines.js").TaskLine} line
   */
  #goOn(line) {
    const place = this.#places.get(line.span_id);
    if (place === undefined) return this.#addTask(line);
    this.#close(line.depth);
    this.#open.push(place);
  }

  /** @param {number} depth */
  #place(depth) {
    this.#close(depth);
    if (this.count === this.depth.length) this.grow();
    const place = this.count;
    this.count += 1;
    const parent = this.#open.at(-1) ?? NONE;
    this.depth[place] = depth;
    this.parent[place] = parent;
    this.end[place] = this.count;
    this.children[place] = 0;
    this.position[place] = parent === NONE ? this.roots++ : this.children[parent]++;
    return place;
  }

  /** @param {number} depth tasks at it and deeper get no more below them */
  #close(depth) {
    while (this.#open.length > depth) {
      this.end[/** @type {number} */ (this.#open.pop())] = this.count;
    }
  }

  /**
   * @param {number} at
   * @param {number} took
   */
  #heard(at, took) {
    const end = at + (took || 0);
    if (end > this.last) this.last = end;
  }

  /** @param {string} service */
  #serviceNumber(service) {
    let number = this.#serviceNumbers.get(service);
    if (number === undefined) {
      number = this.services.push(service) - 1;
      this.serviceTasks.push(0);
      this.#serviceNumbers.set(service, number);
    }
    return number;
  }
}
