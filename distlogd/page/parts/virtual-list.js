// A list of any length, of which only the rows are in the document that can be seen. All rows are equally high.

import { fill, h, set } from "../base/dom.js";

/** Rows above and below those that are seen, so that scrolling shows no gap. */
const OVERSCAN = 12;

/**
 * What a list shows.
 *
 * @typedef {object} Rows
 * @property {number} count
 * @property {(index: number) => string} key of a row, the same while other rows come and go
 * @property {(index: number) => string} [stamp] a row is drawn anew only where key or stamp has changed
 * @property {(index: number) => { children: import("../base/dom.js").Child[], attributes?: import("../base/dom.js").Attributes }} row
 * @property {(key: string) => number} indexOf where a row is now, or -1
 */

/** @type {Rows} */
const NONE = { count: 0, key: () => "", row: () => ({ children: [] }), indexOf: () => -1 };

let lists = 0;

/**
 * `<dl-virtual-list>`. Its role and label are set by who makes it; `rowRole` is that of its rows.
 *
 * Keys move the active row. Events: `active` when it changes (`detail.key`), `open` when it is clicked or Enter is pressed, `near-end` when
 * the last rows come into sight.
 */
export class VirtualList extends HTMLElement {
  /** In pixels. */
  rowHeight = 28;
  rowRole = "row";
  /** Rows at the top count, too: a header that stays in sight, in pixels. */
  headerHeight = 0;
  #rows = NONE;
  #space = h("div", { class: "virtual-space", role: "presentation" });
  /** @type {Map<string, HTMLElement>} */
  #shown = new Map();
  #active = "";
  #id = `list-${(lists += 1)}`;
  #drawing = 0;
  #resized = new ResizeObserver(() => this.#draw());

  connectedCallback() {
    this.classList.add("virtual-list");
    if (!this.hasAttribute("tabindex")) this.tabIndex = 0;
    if (!this.#space.isConnected) this.append(this.#space);
    this.addEventListener("scroll", this.#onScroll, { passive: true });
    this.addEventListener("keydown", this.#onKey);
    this.addEventListener("click", this.#onClick);
    this.#resized.observe(this);
    this.#draw();
  }

  disconnectedCallback() {
    this.#resized.disconnect();
    this.removeEventListener("scroll", this.#onScroll);
    this.removeEventListener("keydown", this.#onKey);
    this.removeEventListener("click", this.#onClick);
  }

  /**
   * Shows other rows. What is seen stays where it is, whatever came above it; at the top new rows come into sight.
   *
   * @param {Rows} rows
   */
  show(rows) {
    const at = Math.floor(this.scrollTop / this.rowHeight);
    const kept = at > 0 && at < this.#rows.count ? this.#rows.key(at) : "";
    this.#rows = rows;
    this.#space.style.height = `${rows.count * this.rowHeight}px`;
    const now = kept ? rows.indexOf(kept) : -1;
    if (now >= 0 && now !== at) this.scrollTo(0, this.scrollTop + (now - at) * this.rowHeight);
    this.#draw();
  }

  /** The key of the active row, or "". */
  get active() {
    return this.#active;
  }

  /**
   * Makes a row the active one, and brings it into sight.
   *
   * @param {string} key
   * @param {{ quiet?: boolean, centre?: boolean }} [how] `quiet`: no event
   */
  activate(key, { quiet = false, centre = false } = {}) {
    const changed = key !== this.#active;
    this.#active = key;
    const index = this.#rows.indexOf(key);
    if (index >= 0) this.reveal(index, centre);
    this.#draw();
    if (changed && !quiet) this.dispatchEvent(new CustomEvent("active", { detail: { key } }));
  }

  /**
   * Scrolls as far as is needed.
   *
   * @param {number} index
   * @param {boolean} [centre]
   */
  reveal(index, centre = false) {
    const top = index * this.rowHeight;
    const height = this.clientHeight - this.headerHeight;
    const isAbove = top < this.scrollTop;
    const isBelow = top + this.rowHeight > this.scrollTop + height;
    if (!isAbove && !isBelow) return;
    const beside = isAbove ? top : top + this.rowHeight - height;
    this.scrollTo(0, centre ? Math.max(0, top - height / 2) : beside);
  }

  /** The rows that can be seen: the first, and the one behind the last. */
  get sight() {
    const first = Math.floor(this.scrollTop / this.rowHeight);
    const last = Math.ceil((this.scrollTop + this.clientHeight) / this.rowHeight);
    return [Math.max(0, first), Math.min(this.#rows.count, last)];
  }

  #onScroll = () => {
    if (this.#drawing) return;
    this.#drawing = requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#draw();
    });
  };

  #draw() {
    if (!this.isConnected) return;
    const rows = this.#rows;
    const [first, last] = this.sight;
    const from = Math.max(0, first - OVERSCAN);
    const to = Math.min(rows.count, last + OVERSCAN);
    /** @type {Map<string, HTMLElement>} */
    const shown = new Map();
    /** @type {[number, string, string][]} */
    const missing = [];
    for (let index = from; index < to; index += 1) {
      const key = rows.key(index);
      const stamp = rows.stamp?.(index) ?? "";
      const known = this.#shown.get(key);
      if (!known) {
        missing.push([index, key, stamp]);
        continue;
      }
      this.#shown.delete(key);
      shown.set(key, known);
      this.#place(known, index, key, stamp);
    }
    const spare = [...this.#shown.values()];
    for (const [index, key, stamp] of missing) {
      let row = spare.pop();
      if (!row) {
        row = h("div", { class: "virtual-row" });
        this.#space.append(row);
      }
      row.dataset.stamp = "";
      shown.set(key, row);
      this.#place(row, index, key, stamp);
    }
    for (const row of spare) row.remove();
    this.#shown = shown;
    const active = shown.get(this.#active);
    if (active) this.setAttribute("aria-activedescendant", active.id);
    else this.removeAttribute("aria-activedescendant");
    if (last >= rows.count - OVERSCAN && rows.count > 0) this.dispatchEvent(new Event("near-end"));
  }

  /**
   * @param {HTMLElement} row
   * @param {number} index
   * @param {string} key
   * @param {string} stamp
   */
  #place(row, index, key, stamp) {
    const isActive = key === this.#active;
    // Of another day than today the day is shown, too.
    const drawn = `${new Date().toDateString()} ${index} ${isActive} ${key} ${stamp}`;
    if (row.dataset.stamp === drawn && this.#rows.stamp) return;
    const { children, attributes = {} } = this.#rows.row(index);
    row.className = "virtual-row";
    row.id = `${this.#id}-${index}`;
    row.style.transform = `translateY(${index * this.rowHeight}px)`;
    row.style.height = `${this.rowHeight}px`;
    row.dataset.key = key;
    row.setAttribute("role", this.rowRole);
    row.setAttribute("aria-selected", String(isActive));
    set(row, attributes);
    row.classList.toggle("active", isActive);
    const controls = () => [...row.querySelectorAll("a, button")];
    const focused = controls().indexOf(/** @type {Element} */ (document.activeElement));
    fill(row, ...children);
    if (focused >= 0) /** @type {HTMLElement | undefined} */ (controls()[focused])?.focus({ preventScroll: true });
    row.dataset.stamp = drawn;
  }

  /** @param {Event} event */
  #onClick = (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const row = /** @type {HTMLElement | null} */ (target?.closest(".virtual-row") ?? null);
    if (!row?.dataset.key || target?.closest("a, button, input")) return;
    this.activate(row.dataset.key);
    this.dispatchEvent(new CustomEvent("open", { detail: { key: row.dataset.key } }));
  };

  /** @param {KeyboardEvent} event */
  #onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this) return;
    const { count } = this.#rows;
    if (count === 0) return;
    const page = Math.max(1, Math.floor((this.clientHeight - this.headerHeight) / this.rowHeight) - 1);
    const at = this.#active ? this.#rows.indexOf(this.#active) : -1;
    /** @type {Record<string, number>} */
    const moves = {
      ArrowDown: at + 1,
      j: at + 1,
      ArrowUp: at < 0 ? 0 : at - 1,
      k: at < 0 ? 0 : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: count - 1,
    };
    if (event.key in moves) {
      const to = Math.min(count - 1, Math.max(0, moves[event.key]));
      this.activate(this.#rows.key(to));
    } else if (event.key === "Enter" && at >= 0) {
      this.dispatchEvent(new CustomEvent("open", { detail: { key: this.#active } }));
    } else {
      return;
    }
    event.preventDefault();
  };
}

customElements.define("dl-virtual-list", VirtualList);
