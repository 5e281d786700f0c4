// What is asked: words, a condition, service, severity, time.

import { change } from "../../base/address.js";
import { get } from "../../base/api.js";
import { fill, h, say } from "../../base/dom.js";
import { visible } from "../../base/format.js";
import { CelInput } from "../../parts/cel-input.js";
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
  #service = h(
    "select",
    { "aria-label": "Service", onchange: () => change({ service: this.#service.value }) },
    h("option", { value: "" }, "All services"),
  );
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
    this.#askServices();
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
    const { q, filter, service, severity } = question();
    if (this.#words.value.trim() !== q) this.#words.value = q;
    this.cel.value = filter;
    this.#choose(service);
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

  /** @param {string} service */
  #choose(service) {
    const options = [...this.#service.options];
    if (!options.some(({ value }) => value === service))
      this.#service.append(h("option", { value: service }, visible(service)));
    this.#service.value = service;
  }

  async #askServices() {
    const answer = await get("/api/v1/stats", { by: "service", limit: 200, timeout: "5s" }).catch(() => null);
    if (!answer) return;
    const names = answer.items.map((/** @type {any} */ item) => item.service).filter(Boolean);
    const shown = this.#service.value;
    fill(
      this.#service,
      h("option", { value: "" }, "All services"),
      ...names.sort().map((/** @type {string} */ name) => h("option", { value: name }, visible(name))),
    );
    this.#choose(shown);
  }
}

customElements.define("dl-find-bar", FindBar);
