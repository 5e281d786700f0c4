// The rows of a comparison: tasks that differ and those above them, their records, and folds of what is alike.

/**
 * @typedef {object} DiffTask
 * @property {string} id
 * @property {string} name
 * @property {string} template
 * @property {string} service
 * @property {number | null} begin_ns
 * @property {number} offset_ns
 * @property {number | null} duration_ns
 * @property {string} outcome
 * @property {string} error
 *
 * @typedef {object} RecordsDiff
 * @property {string} severity
 * @property {string} template
 * @property {number} a
 * @property {number} b
 *
 * @typedef {object} DiffNode
 * @property {number} depth
 * @property {string} template
 * @property {string} service
 * @property {DiffTask | null} a
 * @property {DiffTask | null} b
 * @property {number | null} difference_ns how much longer it took in the second tree
 * @property {RecordsDiff[]} records
 *
 * @typedef {object} TreeHead
 * @property {string} id
 * @property {number} tasks
 * @property {boolean} cut
 * @property {DiffTask | null} top
 *
 * @typedef {object} Diff
 * @property {TreeHead} a
 * @property {TreeHead} b
 * @property {{ offset_ns: number, node: number, kind: string, text: string } | null} first_difference
 * @property {DiffNode[]} nodes
 * @property {string | null} next
 *
 * @typedef {{ key: string, node: DiffNode, at: number }} NodeRow
 * @typedef {{ key: string, depth: number, records: RecordsDiff }} RecordsRow
 * @typedef {{ key: string, depth: number, alike: number[] }} AlikeRow
 * @typedef {NodeRow | RecordsRow | AlikeRow} Row
 */

/** A difference of time is notable from this part of the whole on. */
const NOTABLE = 20;

/**
 * How long the longer one of both trees took, in ns.
 *
 * @param {Diff} diff
 */
export function whole(diff) {
  return Math.max(1, diff.a.top?.duration_ns ?? 0, diff.b.top?.duration_ns ?? 0);
}

/**
 * Whether something of it differs other than the time that it took.
 *
 * @param {DiffNode} node
 */
export function differs({ a, b, records }) {
  if (!a || !b) return true;
  return a.outcome !== b.outcome || records.length > 0 || a.template !== b.template || a.service !== b.service;
}

/**
 * Whether the time that it took differs so much that people want to see it.
 *
 * @param {Diff} diff
 * @param {DiffNode} node
 */
export function isNotable(diff, { difference_ns }) {
  const own = Math.abs(difference_ns ?? 0);
  return own > 0 && own >= whole(diff) / NOTABLE;
}

/**
 * The innermost task to which most of the difference of time is due: its place in all nodes, or -1.
 *
 * @param {Diff} diff
 */
export function slowest(diff) {
  const all = Math.abs((diff.a.top?.duration_ns ?? 0) - (diff.b.top?.duration_ns ?? 0));
  let found = -1;
  diff.nodes.forEach((node, at) => {
    const own = Math.abs(node.difference_ns ?? 0);
    if (own > 0 && own >= all / 2 && (found < 0 || node.depth >= diff.nodes[found].depth)) found = at;
  });
  return found;
}

/**
 * @param {Diff} diff
 * @param {(at: number) => boolean} isOpen whether a task is shown although it is alike in both
 * @returns {Row[]}
 */
export function rowsOf(diff, isOpen) {
  const { nodes } = diff;
  const shown = new Array(nodes.length).fill(false);
  // The least deep one that is shown behind the place at hand.
  let needed = 0;
  for (let at = nodes.length - 1; at >= 0; at -= 1) {
    const node = nodes[at];
    if (differs(node) || isNotable(diff, node) || node.depth === 0 || node.depth < needed) {
      shown[at] = true;
      needed = node.depth;
    }
  }
  /** @type {Row[]} */
  const rows = [];
  /** @type {AlikeRow | null} */
  let alike = null;
  nodes.forEach((node, at) => {
    if (!shown[at] && !isOpen(at)) {
      if (!alike) rows.push((alike = { key: `alike ${at}`, depth: node.depth, alike: [] }));
      alike.alike.push(at);
      alike.depth = Math.min(alike.depth, node.depth);
      return;
    }
    alike = null;
    rows.push({ key: `node ${at}`, node, at });
    node.records.forEach((records, nth) => rows.push({ key: `records ${at} ${nth}`, depth: node.depth + 1, records }));
  });
  return rows;
}
