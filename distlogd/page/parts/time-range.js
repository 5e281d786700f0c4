// Which span of time is shown: `from` and `to` of the address.

import { change, parameters } from "../base/address.js";
import { fill, h, say } from "../base/dom.js";
import { fullTime, rfc3339, shortTime, zone } from "../base/format.js";
import { bind } from "../base/keys.js";
import { durationOf, readTime, timeOf } from "../base/range.js";

const LATEST = ["15m", "1h", "6h", "1d", "7d"];

let ranges = 0;

/** What the address says, for people. */
function rangeText() {
  const now = parameters();
  const [from, to] = [now.get("from"), now.get("to")];
  if (!from && !to) return "All time";
  if (from && !to && durationOf(from) !== undefined) return `Last ${from}`;
  const [first, last] = [timeOf(from), timeOf(to)];
  if (first === undefined && from) return from;
  if (first === undefined) return `Until ${last === undefined ? to : shortTime(last)}`;
  return `${shortTime(first)} – ${last === undefined ? "now" : shortTime(last)}`;
}

/** @param {string | null} text of the address, as one types it */
function typed(text) {
  const at = timeOf(text);
  if (!text || at === undefined || text === "now" || durationOf(text) !== undefined) return text ?? "";
  const date = new Date(at / 1e6);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const ms = date.getMilliseconds() ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "";
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}${ms}`;
}

/**
 * Puts a span of time into the address: both in ns since the epoch.
 *
 * @param {{ from: number, to: number }} range
 */
export function changeRange({ from, to }) {
  change({ from: rfc3339(from), to: rfc3339(to) });
}

/** `<dl-time-range>`. The page is told by its address; it calls `addressChanged`. */
export class TimeRange extends HTMLElement {
  #id = `time-range-${(ranges += 1)}`;
  #button = h("button", { class: "time-range-button", type: "button", popovertarget: this.#id });
  #from = this.#input("from");
  #to = this.#input("to");
  #fault = h("p", { class: "time-range-fault", id: `${this.#id}-fault`, role: "alert" });
  #latest = h("div", { class: "time-range-latest", role: "group", "aria-label": "Latest" });
  #box = h(
    "div",
    {
      class: "time-range-box",
      id: this.#id,
      popover: "auto",
      role: "dialog",
      "aria-label": "Time",
      ontoggle: () => this.#toggled(),
    },
    this.#latest,
    h(
      "form",
      { class: "time-range-form", onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      h("label", {}, h("span", {}, "From"), this.#from),
      h("label", {}, h("span", {}, "To"), this.#to),
      this.#fault,
      h("p", { class: "muted" }, `20m · 14:05 · yesterday 9:30 · 27 Nov 14:05 · 2026-11-27 14:05:30, in ${zone}`),
      h("button", { type: "submit" }, "Show"),
    ),
  );
  #unbind = () => {};

  connectedCallback() {
    this.classList.add("time-range");
    fill(this, this.#button, this.#box);
    this.#unbind = bind([{ keys: "t", about: "Choose the time", run: () => this.#box.showPopover() }]);
    this.addressChanged();
  }

  disconnectedCallback() {
    this.#unbind();
  }

  /** Shows what the address says. */
  addressChanged() {
    const now = parameters();
    const [from, to] = [now.get("from"), now.get("to")];
    say(this.#button, rangeText());
    this.#button.title =
      from || to ? `${fullTime(timeOf(from))} – ${to ? fullTime(timeOf(to)) : "now"}` : "Choose the time (t)";
    this.#button.classList.toggle("set", Boolean(from || to));
    const latest = [...LATEST, ""].map((length) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String((from ?? "") === length && !to),
          onclick: () => this.#choose(length, ""),
        },
        length || "All",
      ),
    );
    fill(this.#latest, ...latest);
    this.#from.value = typed(from);
    this.#to.value = typed(to);
  }

  /**
   * Says what the API found wrong.
   *
   * @param {"from" | "to"} name
   * @param {string} detail
   */
  refuse(name, detail) {
    this.#box.showPopover();
    this.#blame(name === "from" ? this.#from : this.#to, detail);
  }

  /** @param {string} name */
  #input(name) {
    return h("input", { name, autocomplete: "off", spellcheck: "false", "aria-describedby": `${this.#id}-fault` });
  }

  #toggled() {
    if (!this.#box.matches(":popover-open")) return;
    const { left, bottom } = this.#button.getBoundingClientRect();
    this.#box.style.top = `${bottom + 4}px`;
    this.#box.style.left = `${Math.max(8, Math.min(left, innerWidth - this.#box.offsetWidth - 8))}px`;
    const chosen = this.#latest.querySelector("[aria-pressed=true]");
    (chosen instanceof HTMLElement ? chosen : this.#from).focus();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const read = [this.#from, this.#to].map((input) => {
      const text = input.value.trim() ? readTime(input.value) : "";
      if (text === undefined) this.#blame(input, `“${input.value.trim()}” is no time. Type it as one of these:`);
      return text;
    });
    const [from, to] = read;
    if (from === undefined || to === undefined) return;
    const [first, last] = [timeOf(from), timeOf(to || "now")];
    if (first !== undefined && last !== undefined && first >= last) {
      this.#blame(this.#from, "This is not before the end.");
      return;
    }
    this.#choose(from, to);
  }

  /**
   * @param {HTMLInputElement} input
   * @param {string} why
   */
  #blame(input, why) {
    input.setAttribute("aria-invalid", "true");
    say(this.#fault, why);
    input.focus();
  }

  /**
   * @param {string} from
   * @param {string} to
   */
  #choose(from, to) {
    for (const input of [this.#from, this.#to]) input.removeAttribute("aria-invalid");
    say(this.#fault, "");
    this.#box.hidePopover();
    change({ from, to: to === "now" && durationOf(from) !== undefined ? "" : to });
  }
}

customElements.define("dl-time-range", TimeRange);
