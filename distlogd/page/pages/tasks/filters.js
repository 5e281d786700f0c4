// What the list of tasks is filtered by: all of it is in the address.

import { change, parameters } from "../../base/address.js";
import { fill, h } from "../../base/dom.js";
import { bind } from "../../base/keys.js";
import { FILTERED, outcomeSign } from "../../base/outcome.js";
import { ServiceSelect } from "../../parts/service-select.js";
import { TimeRange } from "../../parts/time-range.js";

/** After the last key the address changes, in ms. */
const PAUSE = 250;
/** The names of the address. */
const NAMES = ["q", "name", "service", "outcome", "min_duration", "from", "to"];

/** What the address says, as /api/v1/tasks takes it. */
export function taskParameters() {
  const now = parameters();
  /** @type {import("../../base/api.js").Parameters} */
  const asked = Object.fromEntries(NAMES.filter((name) => name !== "outcome").map((name) => [name, now.get(name)]));
  for (const outcome of outcomes()) asked[outcome] = true;
  return asked;
}

/** Whether the list is not filtered. */
export function showsAll() {
  const now = parameters();
  return !NAMES.some((name) => now.get(name));
}

/** The outcomes of the address. */
export function outcomes() {
  const now = (parameters().get("outcome") ?? "").split(",");
  return FILTERED.filter((outcome) => now.includes(outcome));
}

/** `<dl-task-filters>` */
export class TaskFilters extends HTMLElement {
  #range = new TimeRange();
  #q = this.#input("q", "Words in its records", "search");
  #name = this.#input("name", "Part of the name", "search");
  #least = this.#input("min_duration", "At least 500ms", "text");
  #service = new ServiceSelect();
  #outcomes = h("div", { class: "filter-outcomes", role: "group", "aria-label": "Outcome" });
  #more = h(
    "button",
    { class: "filters-more", type: "button", "aria-expanded": "false", onclick: () => this.#toggle() },
    "Filters",
  );
  /** @type {number | undefined} */
  #typing;
  /** @type {HTMLInputElement | undefined} what is typed into, and not in the address yet */
  #typed;
  #unbind = () => {};

  connectedCallback() {
    this.classList.add("filters");
    const rest = h("div", { class: "filters-rest" }, this.#name, this.#service, this.#outcomes, this.#least);
    fill(this, this.#q, this.#more, rest, this.#range);
    this.#unbind = bind([{ keys: "/", about: "Search", run: () => this.#q.focus() }]);
    this.addressChanged();
  }

  disconnectedCallback() {
    this.#unbind();
    clearTimeout(this.#typing);
  }

  /** Shows what the address says. */
  addressChanged() {
    const now = parameters();
    for (const input of [this.#q, this.#name, this.#least]) {
      input.removeAttribute("aria-invalid");
      if (input !== this.#typed) input.value = now.get(input.name) ?? "";
    }
    this.#range.addressChanged();
    this.#service.addressChanged();
    const chosen = outcomes();
    const buttons = FILTERED.map((outcome) => {
      const isChosen = chosen.includes(outcome);
      const others = isChosen ? chosen.filter((one) => one !== outcome) : [...chosen, outcome];
      const onclick = () => change({ outcome: others.join(",") });
      return h("button", { type: "button", "aria-pressed": String(isChosen), onclick }, outcomeSign(outcome), outcome);
    });
    const focused = [...this.#outcomes.children].indexOf(/** @type {Element} */ (document.activeElement));
    fill(this.#outcomes, ...buttons);
    if (focused >= 0) buttons[focused].focus();
    const hidden = ["name", "service", "outcome", "min_duration"].filter((name) => now.get(name)).length;
    this.#more.textContent = hidden ? `Filters (${hidden})` : "Filters";
  }

  /**
   * Marks what the API found wrong.
   *
   * @param {string | undefined} parameter
   * @param {string} detail
   */
  refuse(parameter, detail) {
    if (parameter === "from" || parameter === "to") this.#range.refuse(parameter, detail);
    const input = [this.#q, this.#name, this.#least].find((input) => input.name === parameter);
    input?.setAttribute("aria-invalid", "true");
  }

  #toggle() {
    const isOpen = this.classList.toggle("open");
    this.#more.setAttribute("aria-expanded", String(isOpen));
  }

  /**
   * @param {string} name
   * @param {string} label
   * @param {string} type
   */
  #input(name, label, type) {
    const input = h("input", {
      name,
      type,
      placeholder: label,
      "aria-label": label,
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => {
        clearTimeout(this.#typing);
        this.#typed = input;
        this.#typing = setTimeout(put, PAUSE);
      },
      onchange: () => put(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && input.blur(),
    });
    const put = () => {
      clearTimeout(this.#typing);
      this.#typed = undefined;
      change({ [name]: input.value.trim() }, { replace: true });
    };
    return input;
  }
}

customElements.define("dl-task-filters", TaskFilters);
