// The record that was chosen: all it holds, a way to its task, and what else happened around it.

import { taskHref } from "../../base/address.js";
import { fill, h } from "../../base/dom.js";
import { fullTime } from "../../base/format.js";
import { severitySign } from "../../base/outcome.js";
import { serviceChip } from "../../base/services.js";
import { recordDetail, timeOf } from "../../parts/record-detail.js";
import { Around, REACHES, surroundings } from "./around.js";

/** @typedef {import("../../parts/record-detail.js").ApiRecord} ApiRecord */

/**
 * `<dl-record-panel>`. Events: `close`; `open` with another record; `refine` with `{ name, value, isWanted }`; `around` with
 * `{ around, reach }`.
 */
export class RecordPanel extends HTMLElement {
  #around = new Around();
  /** @type {ApiRecord | undefined} */
  #record;

  connectedCallback() {
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", "The chosen record");
    this.#around.addEventListener("open", (event) => {
      const { detail } = /** @type {CustomEvent} */ (event);
      this.#tell("open", detail);
    });
  }

  /**
   * @param {ApiRecord} record
   * @param {string} around which of its surroundings is shown; "": the record itself
   * @param {number} reach how far, in seconds
   */
  show(record, around, reach) {
    const controls = () => [...this.querySelectorAll(".panel-head :is(button, select, a)")];
    const focused = controls().indexOf(/** @type {Element} */ (document.activeElement));
    const all = surroundings(record);
    const chosen = all[around];
    const isOther = record !== this.#record;
    this.#record = record;
    const tab = (/** @type {string} */ name, /** @type {string} */ title) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(name === (chosen ? around : "")),
          onclick: () => this.#tell("around", { around: name, reach }),
        },
        title,
      );
    const head = h(
      "header",
      { class: "panel-head" },
      h(
        "p",
        { class: "panel-title" },
        severitySign(record.levelname),
        serviceChip(record.distlog?.service ?? ""),
        h("time", { class: "muted cut" }, fullTime(timeOf(record))),
        h("button", { type: "button", class: "plain", "aria-label": "Close", onclick: () => this.#tell("close") }, "✕"),
      ),
      h(
        "div",
        { class: "panel-tabs", role: "group", "aria-label": "The record, or what happened around it" },
        tab("", "Record"),
        ...Object.entries(all).map(([name, { title }]) => tab(name, title)),
        chosen && this.#reaches(around, reach),
        taskLink(record),
      ),
    );
    if (chosen) {
      if (this.#around.parentElement !== this) fill(this, head, this.#around);
      else this.replaceChild(head, /** @type {Element} */ (this.firstElementChild));
      this.#around.ask(record, chosen, reach);
    } else {
      const detail = h("div", { class: "panel-detail", tabindex: 0, role: "group", "aria-label": "All it holds" });
      fill(detail, recordDetail(record, { heading: false, refine: (name, value) => this.#refine(name, value) }));
      fill(this, head, detail);
    }
    if (isOther) this.querySelector(".panel-detail")?.scrollTo(0, 0);
    if (focused >= 0) /** @type {HTMLElement | undefined} */ (controls()[focused])?.focus();
  }

  /**
   * @param {string} around
   * @param {number} reach
   */
  #reaches(around, reach) {
    const select = h(
      "select",
      {
        "aria-label": "How far around it",
        onchange: () => this.#tell("around", { around, reach: Number(select.value) }),
      },
      ...REACHES.map((one) =>
        h("option", { value: one, selected: one === reach }, one < 60 ? `± ${one} s` : `± ${one / 60} min`),
      ),
    );
    return select;
  }

  /**
   * @param {string} name
   * @param {unknown} value
   */
  #refine(name, value) {
    if (!["string", "number", "boolean"].includes(typeof value) || String(value).length > 500) return null;
    const button = (/** @type {boolean} */ isWanted, /** @type {string} */ sign, /** @type {string} */ about) =>
      h(
        "button",
        {
          type: "button",
          class: "plain",
          title: about,
          "aria-label": `${about}: ${name}`,
          onclick: () => this.#tell("refine", { name, value, isWanted }),
        },
        sign,
      );
    return h("span", { class: "refine" }, button(true, "only", "Only these"), button(false, "not", "Not these"));
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** @param {ApiRecord} record */
function taskLink(record) {
  const key = String(record.context?.key ?? "");
  const [trace] = key.slice(key.indexOf("@") + 1).split("/");
  const span = record.distlog?.span_id;
  if (!trace || !record.distlog?.trace_id) return null;
  const href = taskHref(trace) + (span ? `?span=${encodeURIComponent(span)}` : "");
  return h("a", { class: "panel-task", href }, "Open its task");
}

customElements.define("dl-record-panel", RecordPanel);
