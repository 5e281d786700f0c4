// An input for a condition in CEL, that offers names and values while one types, and shows where the daemon finds a mistake.

import { isAborted } from "../base/api.js";
import { fill, h } from "../base/dom.js";
import { visible } from "../base/format.js";
import { completions } from "./cel-completion.js";

let inputs = 0;

/** `<dl-cel-input>`. Event: `commit` when the condition is to be asked. */
export class CelInput extends HTMLElement {
  /** @type {import("./cel-completion.js").Known} what values and keys are offered */
  known = { keys: () => [], scope: () => ({}) };
  #id = `cel-${(inputs += 1)}`;
  #list = h("ul", {
    class: "completions",
    id: `${this.#id}-list`,
    role: "listbox",
    "aria-label": "Completions",
    hidden: true,
  });
  #error = h("p", { class: "input-error", id: `${this.#id}-error`, role: "alert", hidden: true });
  #input = h("input", {
    class: "mono",
    type: "text",
    role: "combobox",
    "aria-label": "Condition (CEL)",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": `${this.#id}-list`,
    "aria-describedby": `${this.#id}-error`,
    placeholder: "Condition: severity >= WARN && fields.code == 51",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    oninput: () => this.#offer(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    onblur: () => this.#close(),
    onchange: () => this.#commit(),
  });
  /** @type {import("./cel-completion.js").Completion[]} */
  #offered = [];
  #chosen = -1;
  #asked = new AbortController();
  #committed = "";

  connectedCallback() {
    if (!this.#input.isConnected) this.append(this.#input, this.#list, this.#error);
  }

  get value() {
    return this.#input.value;
  }

  set value(value) {
    this.#committed = value;
    if (this.#input.value !== value) this.#input.value = value;
  }

  /** @override */
  focus() {
    this.#input.focus();
  }

  /**
   * Shows what is wrong with the condition, or nothing.
   *
   * @param {string} [detail] of the daemon: it names line and column
   */
  fail(detail) {
    this.#input.setAttribute("aria-invalid", String(!!detail));
    this.#error.hidden = !detail;
    if (!detail) return;
    const [, line, column, why] = /line (\d+), column (\d+): (.*)/s.exec(detail) ?? [];
    if (!why) {
      fill(this.#error, visible(detail));
      return;
    }
    const lines = this.value.split("\n");
    const at = Math.min(lines.slice(0, Number(line) - 1).join("\n").length + Number(column) - 1, this.value.length);
    const word = /^(\w+|\W)?/.exec(this.value.slice(at))?.[0] || " ";
    fill(
      this.#error,
      h("span", {}, visible(why)),
      h(
        "button",
        { class: "plain mono cut", type: "button", title: "Go to the mistake", onclick: () => this.#goTo(at) },
        visible(this.value.slice(Math.max(0, at - 24), at)),
        h("mark", {}, visible(word)),
        visible(this.value.slice(at + word.length, at + word.length + 16)),
      ),
    );
  }

  /** @param {number} at */
  #goTo(at) {
    this.#input.focus();
    this.#input.setSelectionRange(at, at);
  }

  #commit() {
    if (this.value === this.#committed) return;
    this.#committed = this.value;
    this.dispatchEvent(new CustomEvent("commit"));
  }

  async #offer() {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    const before = this.value.slice(0, this.#input.selectionStart ?? this.value.length);
    try {
      const all = await completions(before, this.known, signal);
      if (signal.aborted || document.activeElement !== this.#input) return;
      this.#offered = all.slice(0, 50);
    } catch (error) {
      // A condition that is not ready yet has no completions.
      if (isAborted(error)) return;
      this.#offered = [];
    }
    this.#chosen = -1;
    this.#draw();
  }

  #close() {
    this.#asked.abort();
    this.#offered = [];
    this.#chosen = -1;
    this.#draw();
  }

  #draw() {
    const isOpen = this.#offered.length > 0;
    this.#list.hidden = !isOpen;
    this.#input.setAttribute("aria-expanded", String(isOpen));
    fill(
      this.#list,
      ...this.#offered.map((one, index) =>
        h(
          "li",
          {
            role: "option",
            id: `${this.#id}-${index}`,
            "aria-selected": String(index === this.#chosen),
            onmousedown: (/** @type {Event} */ event) => {
              event.preventDefault();
              this.#accept(one);
            },
          },
          h("span", { class: "mono cut" }, visible(one.label)),
          h("span", { class: "muted cut" }, one.about),
        ),
      ),
    );
    if (this.#chosen < 0) {
      this.#input.removeAttribute("aria-activedescendant");
    } else {
      this.#input.setAttribute("aria-activedescendant", `${this.#id}-${this.#chosen}`);
      this.#list.children[this.#chosen].scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {import("./cel-completion.js").Completion} completion */
  #accept({ text, from, goesOn }) {
    const end = this.#input.selectionStart ?? this.value.length;
    this.#input.setRangeText(text, from, end, "end");
    if (goesOn) this.#offer();
    else this.#close();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { length } = this.#offered;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && length > 0) {
      this.#chosen = this.#chosen < 0 && step < 0 ? length - 1 : (this.#chosen + step + length) % length;
      this.#draw();
    } else if (event.key === "ArrowDown" || (event.key === " " && event.ctrlKey)) {
      this.#offer();
    } else if ((event.key === "Enter" || event.key === "Tab") && this.#chosen >= 0) {
      this.#accept(this.#offered[this.#chosen]);
    } else if (event.key === "Enter") {
      this.#close();
      this.#commit();
    } else if (event.key === "Escape" && length > 0) {
      this.#close();
      event.stopPropagation();
    } else {
      return;
    }
    event.preventDefault();
  }
}

customElements.define("dl-cel-input", CelInput);
