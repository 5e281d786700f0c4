// All records of a trace in the order of time, with the task that each belongs to.

import { h } from "../../base/dom.js";
import { duration, fullTime, time } from "../../base/format.js";
import { severityName, severitySign } from "../../base/outcome.js";
import { serviceChip } from "../../base/services.js";
import { NONE, Trace } from "./model.js";
import { marked } from "./row.js";

/** `<dl-task-log>`. Events as those of the tree: `selected` and `opened` with `detail.key`. */
export class TaskLog extends HTMLElement {
  /** @type {RegExp | null} */
  wanted = null;
  #trace = new Trace();
  /** Records in order of time. */
  #places = new Int32Array(0);
  #version = 0;
  #list = /** @type {import("../../parts/virtual-list.js").VirtualList} */ (
    h(/** @type {any} */ ("dl-virtual-list"), { role: "grid", "aria-label": "Records" })
  );

  connectedCallback() {
    if (this.firstChild) return;
    this.#list.rowHeight = 26;
    for (const [name, told] of [
      ["active", "selected"],
      ["open", "opened"],
    ]) {
      this.#list.addEventListener(name, (event) => {
        const { key } = /** @type {CustomEvent} */ (event).detail;
        this.dispatchEvent(new CustomEvent(told, { detail: { key } }));
      });
    }
    this.append(this.#list);
  }

  /** Takes the keyboard. */
  takeFocus() {
    this.#list.focus({ preventScroll: true });
  }

  get count() {
    return this.#places.length;
  }

  /**
   * @param {string} key
   * @param {{ centre?: boolean }} [how]
   */
  select(key, { centre = true } = {}) {
    this.#list.activate(key, { quiet: true, centre });
  }

  /** @param {Trace} trace */
  update(trace) {
    this.#version += 1;
    this.#trace = trace;
    const places = [];
    for (let place = 0; place < trace.count; place += 1) if (!trace.isTask(place)) places.push(place);
    this.#places = Int32Array.from(places.sort((a, b) => (trace.at[a] || 0) - (trace.at[b] || 0) || a - b));
    this.#show();
  }

  #show() {
    const trace = this.#trace;
    const places = this.#places;
    const version = String(this.#version);
    /** @type {Map<number, number> | undefined} */
    let rows;
    this.#list.show({
      count: places.length,
      key: (index) => trace.key(places[index]),
      stamp: () => version,
      indexOf: (key) => {
        const place = trace.placeOf(key);
        rows ??= new Map(Array.from(places, (at, index) => [at, index]));
        return place === NONE ? -1 : (rows.get(place) ?? -1);
      },
      row: (index) => this.#row(places[index], index),
    });
  }

  /**
   * @param {number} place
   * @param {number} index
   */
  #row(place, index) {
    const trace = this.#trace;
    const { wanted } = this;
    const at = trace.at[place];
    const when = trace.begin && !Number.isNaN(at) ? trace.begin + at : null;
    const parent = trace.parent[place];
    const cell = (/** @type {string} */ name, /** @type {import("../../base/dom.js").Child[]} */ ...children) =>
      h("div", { class: `log-${name}`, role: "gridcell" }, ...children);
    return {
      children: [
        cell("time", h("time", { title: fullTime(when) }, time(when))),
        cell("offset number", Number.isNaN(at) ? "–" : `+${duration(Math.max(0, at))}`),
        cell("service", serviceChip(trace.serviceName(place))),
        cell("severity", severitySign(severityName(trace.severity[place]))),
        cell(
          "message",
          h("span", { class: "tree-message" }, ...marked(trace.name[place], wanted)),
          trace.error[place] !== "" && h("span", { class: "tree-error" }, ...marked(trace.error[place], wanted)),
          trace.fields[place] !== "" && h("span", { class: "tree-fields" }, ...marked(trace.fields[place], wanted)),
        ),
        cell("task", parent === NONE ? "" : trace.name[parent]),
      ],
      attributes: { class: "virtual-row log-row", "aria-rowindex": index + 1 },
    };
  }
}

customElements.define("dl-task-log", TaskLog);
