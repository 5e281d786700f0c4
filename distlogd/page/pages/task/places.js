// What is known of each place of a trace, as lists that grow together.

/** Places that there is room for at first. */
const ROOM = 1024;

export class Places {
  /** How many places are taken. */
  count = 0;
  depth = new Uint16Array(ROOM);
  parent = new Int32Array(ROOM);
  /** The place behind the last one below. */
  end = new Int32Array(ROOM);
  /** Which one it is below its parent, from 0; and how many there are below it. */
  position = new Int32Array(ROOM);
  children = new Int32Array(ROOM);
  /** Which one it is of the records of its task; `NONE` for tasks. */
  record = new Int32Array(ROOM);
  /** Of a record its number in the store, which stays; of a task how many records it has itself. */
  number = new Float64Array(ROOM);
  at = new Float64Array(ROOM);
  took = new Float64Array(ROOM);
  outcome = new Uint8Array(ROOM);
  severity = new Uint8Array(ROOM);
  service = new Uint16Array(ROOM);
  /** Failed tasks at and below a place, and the worst severity. Right when all has come. */
  failures = new Int32Array(ROOM);
  worst = new Uint8Array(ROOM);

  /** Makes room for twice as many. */
  grow() {
    const room = this.depth.length * 2;
    this.depth = larger(this.depth, new Uint16Array(room));
    this.parent = larger(this.parent, new Int32Array(room));
    this.end = larger(this.end, new Int32Array(room));
    this.position = larger(this.position, new Int32Array(room));
    this.children = larger(this.children, new Int32Array(room));
    this.record = larger(this.record, new Int32Array(room));
    this.number = larger(this.number, new Float64Array(room));
    this.at = larger(this.at, new Float64Array(room));
    this.took = larger(this.took, new Float64Array(room));
    this.outcome = larger(this.outcome, new Uint8Array(room));
    this.severity = larger(this.severity, new Uint8Array(room));
    this.service = larger(this.service, new Uint16Array(room));
    this.failures = larger(this.failures, new Int32Array(room));
    this.worst = larger(this.worst, new Uint8Array(room));
  }
}

/**
 * @template {{ set(from: ArrayLike<number>): void } & ArrayLike<number>} List
 * @param {List} old
 * @param {List} fresh
 */
function larger(old, fresh) {
  fresh.set(old);
  return fresh;
}
