// The tree of a trace beside its time axis. Of all rows only those are in the document that are seen.

import { fill, h } from "../../base/dom.js";
import { Axis } from "./axis.js";
import { criticalPath } from "./critical-path.js";
import { NONE, Trace } from "./model.js";
import { Folding } from "./folding.js";
import { row } from "./row.js";
import { splitter } from "./splitter.js";

/** The key of the row that loads what is not here. */
const MORE = "more";
/** A tick of the axis has so much room, in pixels. */
const TICK_ROOM = 80;
const LABEL_ROOM = 40;
/** So long a new row is marked, in ms. */
const NEW = 2000;
/** How often running tasks grow, in ms. */
const GROW = 500;

/**
 * `<dl-task-tree>`. Events: `selected` with `detail.key` when somebody chose a row, `opened` when it is to be looked at, `unfold` and
 * `fold` when all is to be open or only what failed, `more` when the rest is wanted.
 */
export class TaskTree extends HTMLElement {
  folding = new Folding(new Trace());
  /** @type {RegExp | null} */
  wanted = null;
  axis = new Axis();
  #critical = /** @type {Map<number, import("./critical-path.js").Stretch[]>} */ (new Map());
  #criticalOf = /** @type {Trace | null} */ (null);
  #new = /** @type {Set<string>} */ (new Set());
  #version = 0;
  #beat = 0;
  /** @type {number | undefined} */
  #growing;
  #list = /** @type {import("../../parts/virtual-list.js").VirtualList} */ (
    h(/** @type {any} */ ("dl-virtual-list"), { role: "tree", "aria-label": "Tasks and records" })
  );
  #ticks = h("div", { class: "tree-axis axis-ticks", "aria-hidden": "true" });
  #lines = h("div", { class: "axis-lines", "aria-hidden": "true" });
  #unzoom = h(
    "button",
    { class: "plain", type: "button", hidden: true, title: "Show the time of all (z)", onclick: () => this.zoom("") },
    "Show all of the time",
  );
  #resized = new ResizeObserver(() => this.#showAxis());

  connectedCallback() {
    if (!this.firstChild) this.#build();
    this.#resized.observe(this);
    this.#growing = setInterval(() => this.#grow(), GROW);
  }

  disconnectedCallback() {
    this.#resized.disconnect();
    clearInterval(this.#growing);
  }

  #build() {
    this.#list.rowRole = "treeitem";
    this.#list.rowHeight = 26;
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    this.#list.addEventListener("click", (event) => this.#onClick(event), { capture: true });
    this.#list.addEventListener("dblclick", () => this.#toggle(this.selected));
    this.#list.addEventListener("active", (event) => this.#chosen(/** @type {CustomEvent} */ (event).detail.key));
    this.#list.addEventListener("open", (event) => {
      const { key } = /** @type {CustomEvent} */ (event).detail;
      this.dispatchEvent(key === MORE ? new Event("more") : new CustomEvent("opened", { detail: { key } }));
    });
    fill(
      this,
      h("div", { class: "tree-head" }, this.#tools(), this.#ticks, h("div", { class: "tree-took" })),
      h("div", { class: "tree-body" }, this.#lines, this.#list),
      splitter(this, { label: "Width of the names", name: "task-names", first: 54 }),
    );
  }

  #tools() {
    const told = (/** @type {string} */ name) => () => this.dispatchEvent(new Event(name));
    return h(
      "div",
      { class: "tree-name" },
      h("button", { class: "plain", type: "button", title: "Open all (e)", onclick: told("unfold") }, "Open all"),
      h(
        "button",
        { class: "plain", type: "button", title: "Fold all but what failed (c)", onclick: told("fold") },
        "Fold",
      ),
      this.#unzoom,
    );
  }

  /** The key of the selected row, or "". */
  get selected() {
    return this.#list.active;
  }

  /** Takes the keyboard. */
  takeFocus() {
    this.#list.focus({ preventScroll: true });
  }

  /**
   * Selects a place, and opens what it is folded in.
   *
   * @param {string} key
   * @param {{ centre?: boolean }} [how]
   */
  select(key, { centre = true } = {}) {
    const place = this.trace.placeOf(key);
    if (place !== NONE && this.folding.openTo(place)) this.update();
    this.#list.activate(key, { quiet: true, centre });
  }

  get trace() {
    return this.folding.trace;
  }

  /**
   * Marks rows as new for a moment.
   *
   * @param {string[]} keys
   */
  markNew(keys) {
    if (keys.length === 0) return;
    for (const key of keys) this.#new.add(key);
    setTimeout(() => keys.forEach((key) => this.#new.delete(key)), NEW);
  }

  /** Shows what has changed: the trace, what is open, what is searched for. */
  update() {
    this.#version += 1;
    this.#showAxis();
    this.#show();
  }

  #show() {
    const { folding, wanted } = this;
    const { trace, seen } = folding;
    const version = this.#version;
    const rest = trace.next ? 1 : 0;
    this.#list.show({
      count: seen.length + rest,
      key: (index) => (index < seen.length ? trace.key(seen[index]) : MORE),
      stamp: (index) => `${version}${index < seen.length && trace.isRunning(seen[index]) ? ` ${this.#beat}` : ""}`,
      indexOf: (key) => {
        if (key === MORE) return rest ? seen.length : -1;
        const place = trace.placeOf(key);
        const index = place === NONE ? -1 : rowIn(seen, place);
        return index >= 0 && seen[index] === place ? index : -1;
      },
      row: (index) => {
        if (index >= seen.length)
          return { children: [h("div", { class: "tree-more" }, "More was not loaded: Enter loads it")] };
        const place = seen[index];
        return row(trace, place, {
          canFold: folding.canFold(place),
          isOpen: folding.isOpen(place),
          wanted,
          critical: this.#critical.get(place),
          isNew: this.#new.has(trace.key(place)),
          now: this.#now(),
        });
      },
    });
  }

  /** Of running tasks the bars and durations grow. */
  #grow() {
    if (this.trace.running === 0 || document.hidden) return;
    this.#beat += 1;
    this.#showAxis();
    this.#show();
  }

  /** In ns from the begin of the trace. */
  #now() {
    const { running, begin, last } = this.trace;
    return running > 0 && begin > 0 ? Math.max(last, Date.now() * 1e6 - begin) : last;
  }

  #showAxis() {
    const { trace, axis } = this;
    const now = this.#now();
    axis.follow(now);
    this.style.setProperty("--axis-from", String(axis.from / 1e6));
    this.style.setProperty("--axis-span", String(axis.span / 1e6));
    this.style.setProperty("--axis-now", String(now / 1e6));
    this.style.setProperty("--scrollbar", `${this.#list.offsetWidth - this.#list.clientWidth}px`);
    if (this.#criticalOf !== trace && trace.isFinished) {
      this.#criticalOf = trace;
      this.#critical = criticalPath(trace);
    }
    this.#unzoom.hidden = !axis.isZoomed;
    const width = this.#ticks.clientWidth;
    const ticks = width > 0 ? axis.ticks(width / TICK_ROOM) : [];
    const place = (/** @type {HTMLElement} */ element, /** @type {number} */ at) => {
      element.style.setProperty("--at", String(at / 1e6));
      return element;
    };
    const fits = (/** @type {number} */ at) => ((axis.to - at) / axis.span) * width > LABEL_ROOM;
    const labels = ticks.filter(({ at }) => fits(at));
    fill(this.#ticks, ...labels.map(({ at, label }) => place(h("span", { class: "axis-label" }, label), at)));
    fill(this.#lines, ...ticks.map(({ at }) => place(h("i", { class: "axis-line" }), at)));
  }

  /**
   * Shows only the time of a task; of what is shown already all.
   *
   * @param {string} key
   */
  zoom(key) {
    const place = this.trace.placeOf(key);
    const task = place === NONE ? NONE : this.trace.taskOf(place);
    const isShown = this.axis.isZoomed && task !== NONE && this.axis.from === this.trace.at[task];
    if (task === NONE || task === 0 || isShown || Number.isNaN(this.trace.at[task])) this.axis.reset();
    else this.axis.zoom(this.trace.at[task], this.trace.endOf(task));
    this.update();
  }

  /** @param {string} key */
  #chosen(key) {
    if (key !== MORE) this.dispatchEvent(new CustomEvent("selected", { detail: { key } }));
  }

  /** @param {string} key */
  #toggle(key) {
    const place = this.trace.placeOf(key);
    if (place === NONE || !this.folding.canFold(place)) return;
    this.#fold(place, !this.folding.isOpen(place));
  }

  /**
   * @param {number} place
   * @param {boolean} open
   */
  #fold(place, open) {
    this.folding.set(place, open);
    const active = this.trace.placeOf(this.selected);
    this.update();
    if (!open && active > place && active < this.trace.end[place]) this.#list.activate(this.trace.key(place));
  }

  /** @param {Event} event */
  #onClick(event) {
    const target = event.target instanceof Element ? event.target.closest(".fold") : null;
    const key = /** @type {HTMLElement | null} */ (target?.closest(".virtual-row"))?.dataset.key;
    if (!key || target?.classList.contains("none")) return;
    event.stopPropagation();
    this.#toggle(key);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { folding, trace } = this;
    const place = trace.placeOf(this.selected);
    if (place === NONE) return;
    const { key } = event;
    if (key === " ") this.#toggle(this.selected);
    else if (key === "ArrowRight" && folding.canFold(place) && !folding.isOpen(place)) this.#fold(place, true);
    else if (key === "ArrowRight" && folding.canFold(place)) this.#list.activate(trace.key(place + 1));
    else if (key === "ArrowLeft" && folding.canFold(place) && folding.isOpen(place)) this.#fold(place, false);
    else if (key === "ArrowLeft" && trace.parent[place] !== NONE) this.#list.activate(trace.key(trace.parent[place]));
    else if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    event.preventDefault();
  }
}

/**
 * The last one that is not behind a place.
 *
 * @param {Int32Array} seen
 * @param {number} place
 */
function rowIn(seen, place) {
  let low = 0;
  let high = seen.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seen[middle] <= place) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

customElements.define("dl-task-tree", TaskTree);
