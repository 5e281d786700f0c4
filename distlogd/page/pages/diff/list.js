// Two trees side by side, row by row; one below the other where it is narrow.

import { selectedHref, taskHref } from "../../base/address.js";
import { fill, h } from "../../base/dom.js";
import { count, counted, duration, fullTime, time, visible } from "../../base/format.js";
import { outcomeSign, severitySign } from "../../base/outcome.js";
import { serviceChip, serviceClass } from "../../base/services.js";
import { VirtualList } from "../../parts/virtual-list.js";
import { differs, isNotable, rowsOf, whole } from "./rows.js";

/** From this width on the trees stand side by side. */
const WIDE = matchMedia("(min-width: 900px)");
/** Deeper ones are indented no further, in levels. */
const MAX_INDENT = 14;

/**
 * @typedef {import("./rows.js").Diff} Diff
 * @typedef {import("./rows.js").DiffNode} DiffNode
 * @typedef {import("./rows.js").DiffTask} DiffTask
 * @typedef {import("./rows.js").Row} Row
 */

/** `<dl-diff-list>` */
export class DiffList extends VirtualList {
  /** @type {Diff | undefined} */
  #diff;
  /** @type {Row[]} */
  #rows = [];
  /** @type {Map<string, number>} */
  #places = new Map();
  /** @type {Set<number>} */
  #opened = new Set();
  /** Whether what is alike is shown, too. */
  #full = false;
  #head = h("div", { class: "diff-head", role: "row" });

  /** @override */
  connectedCallback() {
    this.setAttribute("role", "grid");
    this.setAttribute("aria-label", "Both trees");
    this.classList.add("diff-list");
    if (!this.#head.isConnected) this.prepend(this.#head);
    super.connectedCallback();
    WIDE.addEventListener("change", this.#onWidth);
    this.addEventListener("open", this.#onOpen);
    this.#onWidth();
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    WIDE.removeEventListener("change", this.#onWidth);
    this.removeEventListener("open", this.#onOpen);
  }

  /**
   * @param {Diff} diff
   * @param {boolean} full whether what is alike is shown, too
   */
  showDiff(diff, full) {
    if (diff !== this.#diff) this.#opened.clear();
    this.#diff = diff;
    this.#full = full;
    fill(
      this.#head,
      head("a", diff.a),
      h("div", { role: "columnheader", class: "diff-delta", title: "How much longer it took in b" }, "b − a"),
      head("b", diff.b),
    );
    this.#draw();
  }

  /**
   * Brings a task into sight and makes it the active one.
   *
   * @param {number} at its place in all nodes
   */
  reach(at) {
    this.activate(`node ${at}`, { centre: true });
  }

  /**
   * Goes to the next task that differs.
   *
   * @param {1 | -1} step
   */
  step(step) {
    let at = this.#places.get(this.active) ?? (step > 0 ? -1 : this.#rows.length);
    for (at += step; at >= 0 && at < this.#rows.length; at += step) {
      const row = this.#rows[at];
      if (!("node" in row) || !(differs(row.node) || this.#isNotable(row.node))) continue;
      this.activate(row.key, { centre: true });
      return;
    }
  }

  #draw() {
    const diff = this.#diff;
    if (!diff) return;
    const rows = rowsOf(diff, (at) => this.#full || this.#opened.has(at));
    this.#rows = rows;
    this.#places = new Map(rows.map(({ key }, index) => [key, index]));
    const first = diff.first_difference?.node;
    this.setAttribute("aria-rowcount", String(rows.length + 1));
    this.show({
      count: rows.length,
      key: (index) => rows[index].key,
      indexOf: (key) => this.#places.get(key) ?? -1,
      stamp: () => `${WIDE.matches}`,
      row: (index) => {
        const row = rows[index];
        return {
          children: this.#cells(row),
          attributes: {
            "aria-rowindex": index + 2,
            "data-kind": this.#kind(row),
            "data-first": "at" in row && row.at === first,
          },
        };
      },
    });
  }

  #onWidth = () => {
    this.rowHeight = WIDE.matches ? 30 : 52;
    this.headerHeight = WIDE.matches ? 50 : 92;
    this.#draw();
  };

  /** @param {Event} event */
  #onOpen = (event) => {
    const { key } = /** @type {CustomEvent} */ (event).detail;
    const row = this.#rows[this.#places.get(key) ?? -1];
    if (!row) return;
    if ("alike" in row) {
      for (const at of row.alike) this.#opened.add(at);
      this.#draw();
      this.activate(`node ${row.alike[0]}`);
    } else if ("node" in row) {
      const link = [...this.querySelectorAll(".virtual-row.active .diff-name")].at(-1);
      if (link instanceof HTMLElement) link.click();
    }
  };

  /** @param {DiffNode} node */
  #isNotable(node) {
    return Boolean(this.#diff) && isNotable(/** @type {Diff} */ (this.#diff), node);
  }

  /** @param {Row} row */
  #kind(row) {
    if ("alike" in row) return "alike";
    if ("records" in row) return "records";
    const { a, b } = row.node;
    if (!a) return "only-b";
    if (!b) return "only-a";
    return differs(row.node) ? "differs" : this.#isNotable(row.node) ? "time" : "same";
  }

  /** @param {Row} row */
  #cells(row) {
    if ("alike" in row) {
      const text = `… ${counted(row.alike.length, "task")} alike`;
      const cell = h("div", { role: "gridcell", class: "diff-alike", title: "Click or Enter shows them" }, text);
      indent(cell, row.depth);
      return [cell];
    }
    if ("records" in row) {
      const { a, b, severity, template } = row.records;
      const side = (/** @type {"a" | "b"} */ name, /** @type {number} */ number) => {
        const text = h("span", { class: "cut", title: visible(template) }, visible(template));
        const cell = h("div", { role: "gridcell", class: `diff-${name} diff-record` });
        fill(cell, severitySign(severity), text, h("span", { class: "number" }, `${count(number)}×`));
        cell.classList.toggle("none", number === 0);
        indent(cell, row.depth);
        return cell;
      };
      return [side("a", a), h("div", { role: "gridcell", class: "diff-delta" }), side("b", b)];
    }
    const { node } = row;
    const isFirst = row.at === this.#diff?.first_difference?.node;
    const [a, b] = [this.#side("a", node, isFirst && node.a !== null), this.#side("b", node, isFirst && !node.a)];
    return [a, this.#delta(node), b];
  }

  /**
   * @param {"a" | "b"} name
   * @param {DiffNode} node
   * @param {boolean} isFirst whether it is marked as the first difference
   */
  #side(name, node, isFirst) {
    const task = node[name];
    const cell = h("div", { role: "gridcell", class: `diff-${name} diff-task` });
    indent(cell, node.depth);
    if (!task) {
      fill(cell, h("span", { class: "muted" }, `not in ${name}`));
      cell.classList.add("none");
      return cell;
    }
    const title = visible(task.name || "without a name");
    const other = (name === "a" ? node.b : node.a)?.duration_ns ?? 0;
    fill(
      cell,
      outcomeSign(task.outcome),
      h("span", { class: `diff-dot ${serviceClass(task.service)}`, title: visible(task.service) }),
      h("a", { class: "diff-name cut", href: selectedHref(task.id), tabindex: -1, title }, title),
      isFirst && h("span", { class: "diff-first" }, "first difference"),
      h("span", { class: "diff-error cut", title: visible(task.error) }, visible(task.error)),
      this.#bar(task, this.#isNotable(node) ? other : Infinity),
      h("span", { class: "number" }, duration(task.duration_ns)),
    );
    return cell;
  }

  /**
   * When it ran within its tree, and how long; what it took longer than the other one stands out.
   *
   * @param {DiffTask} task
   * @param {number} other how long the other one took
   */
  #bar({ offset_ns, duration_ns }, other) {
    const all = whole(/** @type {Diff} */ (this.#diff));
    const took = duration_ns ?? 0;
    const part = (/** @type {number} */ ns) => `${Math.min(100, (ns / all) * 100)}%`;
    const bar = h("span", { class: "diff-took" });
    const more = h("span", { class: "diff-more" });
    bar.style.left = part(offset_ns);
    bar.style.width = part(Math.min(took, other));
    more.style.left = part(offset_ns + other);
    more.style.width = part(Math.max(0, took - other));
    return h("span", { class: "diff-bar", "aria-hidden": true }, bar, took > other && more);
  }

  /** @param {DiffNode} node */
  #delta(node) {
    const { difference_ns, a, b } = node;
    const cell = h("div", { role: "gridcell", class: "diff-delta" });
    if (!difference_ns || !a || !b) return cell;
    const ratio = (b.duration_ns ?? 0) / (a.duration_ns || 1);
    const sign = difference_ns > 0 ? "+" : "−";
    const times = ratio >= 1 ? `×${factor(ratio)}` : `÷${factor(1 / ratio)}`;
    fill(
      cell,
      h("span", {}, `${sign}${duration(Math.abs(difference_ns))}`),
      h("span", { class: "diff-ratio" }, a.duration_ns && b.duration_ns ? times : ""),
    );
    if (this.#isNotable(node)) cell.classList.add(difference_ns > 0 ? "longer" : "shorter");
    return cell;
  }
}

/** @param {number} ratio */
function factor(ratio) {
  return ratio < 10 ? ratio.toFixed(1) : count(Math.round(ratio));
}

/**
 * @param {HTMLElement} cell
 * @param {number} depth
 */
function indent(cell, depth) {
  cell.style.setProperty("--depth", String(Math.min(MAX_INDENT, depth)));
}

/**
 * @param {"a" | "b"} name
 * @param {import("./rows.js").TreeHead} tree
 */
function head(name, { id, top, tasks, cut }) {
  const title = visible(top?.name || id);
  const about = [counted(tasks, "task"), cut && "the rest is not compared"].filter(Boolean).join(", ");
  return h(
    "div",
    { role: "columnheader", class: `diff-${name} diff-tree` },
    h(
      "div",
      {},
      h("b", { class: "diff-letter" }, name),
      top && outcomeSign(top.outcome),
      h("a", { class: "cut", href: taskHref(id), title: id }, title),
      h("span", { class: "number" }, duration(top?.duration_ns)),
    ),
    h(
      "div",
      { class: "muted" },
      top && serviceChip(top.service),
      h("span", { title: fullTime(top?.begin_ns) }, time(top?.begin_ns)),
      h("span", { class: "cut" }, about),
    ),
  );
}

customElements.define("dl-diff-list", DiffList);
