// The field that searches within a trace.

import { h, say } from "../../base/dom.js";
import { count } from "../../base/format.js";

/** While somebody types, it is searched when nothing more came for so long, in ms. */
const PAUSE = 60;

/** `<dl-task-search>`. Events: `search` with `detail.words`, `step` with `detail.step` 1 or -1, `left` when it is left with Escape. */
export class TaskSearch extends HTMLElement {
  #input = h("input", {
    type: "search",
    "aria-label": "Search in this trace",
    placeholder: "Search in this trace (/)",
    autocomplete: "off",
    spellcheck: "false",
  });
  #count = h("span", { class: "search-count muted", role: "status" });
  /** @type {number | undefined} */
  #timer;

  connectedCallback() {
    if (this.firstChild) return;
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#search(), PAUSE);
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        // What was typed last may wait still.
        this.#search();
        this.#step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        if (this.#input.value) this.#input.value = "";
        else this.dispatchEvent(new Event("left"));
        this.#search();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const button = (/** @type {string} */ sign, /** @type {string} */ label, /** @type {1 | -1} */ step) =>
      h(
        "button",
        { class: "plain", type: "button", "aria-label": label, title: label, onclick: () => this.#step(step) },
        sign,
      );
    this.append(this.#input, this.#count, button("↑", "Match before (N)", -1), button("↓", "Next match (n)", 1));
  }

  get words() {
    return this.#input.value;
  }

  set words(words) {
    if (this.#input.value !== words) this.#input.value = words;
  }

  /** Takes the keyboard. */
  takeFocus() {
    this.#input.focus();
    this.#input.select();
  }

  /**
   * @param {number} at which match is shown, from 0; less: none
   * @param {number} all
   */
  says(at, all) {
    if (!this.words.trim()) say(this.#count, "");
    else if (all === 0) say(this.#count, "nothing");
    else say(this.#count, at < 0 ? `${count(all)}` : `${count(at + 1)} of ${count(all)}`);
  }

  #search() {
    clearTimeout(this.#timer);
    this.dispatchEvent(new CustomEvent("search", { detail: { words: this.words } }));
  }

  /** @param {1 | -1} step */
  #step(step) {
    this.dispatchEvent(new CustomEvent("step", { detail: { step } }));
  }
}

customElements.define("dl-task-search", TaskSearch);
