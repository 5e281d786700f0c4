// What is asked: words, a condition, service, severity, time.

import { change } from "../../base/address.js";
import { h, say } from "../../base/dom.js";
import { visible } from "../../base/format.js";
import { CelInput } from "../../parts/cel-input.js";
import { ServiceSelect } from "../../parts/service-select.js";
import { question } from "./question.js";

/** How long after the last key words are looked for, in ms. */
const DELAY = 300;

/** `<dl-find-bar>`. What is asked goes into the address. Event: `again` when the same is asked once more. */
export class FindBar extends HTMLElement {
  cel = new CelInput();
  /** Where the page puts its own. */
  tools = h("span", { class: "find-tools" });
  #error = h("p", { class: "input-error", role: "alert", hidden: true });
  /** @type {number | undefined} */
  #timer;
  #words = h("input", {
    type: "search",
    "aria-label": "Words",
    placeholder: 'Words, "a phrase", begin*',
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => change({ q: this.#words.value.trim() }, { replace: true }), DELAY);
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter") this.#now();
    },
  });
  #service = new ServiceSelect();
  #severity = h(
    "select",
    { "aria-label": "Severity", onchange: () => change({ severity: this.#severity.value }) },
    h("option", { value: "" }, "Any severity"),
    ...["debug", "info", "warn", "error", "fatal"].map((one) =>
      h("option", { value: one }, one === "fatal" ? "FATAL" : `${one.toUpperCase()} and worse`),
    ),
  );

  connectedCallback() {
    this.setAttribute("role", "search");
    this.cel.addEventListener("commit", () => change({ filter: this.cel.value.trim() }));
    this.tools.prepend(this.#service, this.#severity);
    this.append(this.#words, this.cel, this.tools, this.#error);
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
  }

  /** @override */
  focus() {
    this.#words.focus();
  }

  /** Shows what the address says. */
  addressChanged() {
    const { q, filter, severity } = question();
    if (this.#words.value.trim() !== q) this.#words.value = q;
    this.cel.value = filter;
    this.#service.addressChanged();
    this.#severity.value = severity.toLowerCase();
  }

  /**
   * Shows an error of the API at the input that it is about.
   *
   * @param {import("../../base/api.js").ApiError | null} error
   */
  fail(error) {
    this.cel.fail(error?.parameter === "filter" ? error.message : undefined);
    this.#words.setAttribute("aria-invalid", String(error?.parameter === "q"));
    this.#error.hidden = !error || error.parameter === "filter";
    say(this.#error, this.#error.hidden ? "" : visible(/** @type {Error} */ (error).message));
  }

  #now() {
    clearTimeout(this.#timer);
    if (this.#words.value.trim() === question().q) this.dispatchEvent(new CustomEvent("again"));
    else change({ q: this.#words.value.trim() });
  }
}

customElements.define("dl-find-bar", FindBar);
