// Levels of programs: what is set, by whom it is applied, and a form that sets more for a time.

import { ApiError, change } from "../../base/api.js";
import { fill, h } from "../../base/dom.js";
import { duration, fullTime, visible } from "../../base/format.js";
import { morph } from "../../base/morph.js";
import { section } from "./tables.js";

/** @typedef {import("./page.js").Levels} Levels */

const PATH = "/api/v1/levels";
/** How long levels may last, as the form offers it. */
const TIMES = ["10m", "1h", "8h", "1d"];

/** `<dl-levels>`. Event: `changed` when something was set or taken back. */
export class LevelsPanel extends HTMLElement {
  #list = h("div", { onclick: (/** @type {Event} */ event) => this.#takeBack(event) });
  #services = h("datalist", { id: "levels-services" });
  #service = h("input", { name: "service", required: true, list: "levels-services", autocomplete: "off" });
  #levels = h("input", { name: "levels", required: true, placeholder: "orders=debug", autocomplete: "off" });
  #time = h("select", { name: "for" }, ...TIMES.map((time) => h("option", { value: time }, time)));
  #said = h("p", { class: "levels-said", role: "status" });
  #isKnown = false;

  connectedCallback() {
    if (this.firstChild) return;
    const form = h(
      "form",
      { class: "levels-form", onsubmit: (/** @type {Event} */ event) => this.#set(event) },
      h("label", {}, "Service ", this.#service),
      h("label", {}, "records ", this.#levels),
      h("label", {}, "for ", this.#time),
      h("button", { type: "submit" }, "Set levels"),
      this.#services,
    );
    this.hidden = true;
    fill(this, this.#list, form, this.#said);
  }

  /** @param {Levels | null} levels `null`: nobody knows */
  show(levels) {
    this.hidden = !levels;
    if (!levels) return;
    const names = new Set(levels.processes.map((/** @type {any} */ one) => one.service));
    fill(this.#services, ...[...names].map((name) => h("option", { value: name })));
    const shown = h("div", {}, this.#table(levels));
    if (this.#isKnown) morph(this.#list, shown);
    else fill(this.#list, ...shown.childNodes);
    this.#isKnown = true;
  }

  /** @param {Levels} levels */
  #table(levels) {
    const none = "No levels are set: programs record what they were started with.";
    return section("Levels", none, levels.overrides, [
      { title: "levels of", cell: whose },
      { title: "levels", cell: (one) => h("span", { class: "mono" }, visible(one.levels)) },
      { title: "end in", isNumber: true, cell: ends },
      { title: "applied by", cell: applied },
      { title: "", cell: back },
    ]);
  }

  /** @param {Event} event */
  #takeBack({ target }) {
    const { query } = target instanceof HTMLElement ? target.dataset : {};
    if (query) this.#change("DELETE", JSON.parse(query), "Taken back.");
  }

  /** @param {Event} event */
  #set(event) {
    event.preventDefault();
    const query = { service: this.#service.value.trim(), levels: this.#levels.value.trim(), for: this.#time.value };
    this.#change("PUT", query, `Set for ${query.for}.`);
  }

  /**
   * @param {"PUT" | "DELETE"} method
   * @param {Record<string, string>} query
   * @param {string} done what is said then
   */
  async #change(method, query, done) {
    try {
      await change(method, PATH, query);
      this.#say(done, false);
      this.dispatchEvent(new Event("changed"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#say(error.message, true);
    }
  }

  /**
   * @param {string} text
   * @param {boolean} isBad
   */
  #say(text, isBad) {
    fill(this.#said, h("span", { class: isBad ? "bad" : "muted" }, visible(text)));
  }
}

/** @param {any} one */
function whose(one) {
  const by =
    one.by && h("span", { class: "muted", title: "The processor whose rule raised it" }, ` by ${visible(one.by)}`);
  return h("span", {}, named(one), by);
}

/** @param {any} one */
function named(one) {
  if (one.task) return h("a", { href: `/task/${one.task}`, class: "mono" }, `task ${visible(one.task)}`);
  const service = visible(one.service ?? "");
  return one.producer ? h("span", { title: `Producer ${one.producer}` }, `${service} (one process)`) : service;
}

/** @param {any} one */
function ends(one) {
  if (one.until_ns === null) return h("span", { class: "muted" }, "with the configuration");
  const left = Math.max(0, one.until_ns - Date.now() * 1e6);
  return h("time", { title: fullTime(one.until_ns) }, duration(left));
}

/**
 * Its listener is that of the list: what is shown changes under the hand.
 *
 * @param {any} one
 */
function back(one) {
  if (one.until_ns === null) return "";
  const { service, producer: process, task } = one;
  const query = JSON.stringify(task ? { task } : process ? { process } : { service });
  return h("button", { type: "button", class: "plain link", "data-query": query }, "Take back");
}

/** @param {any} one */
function applied(one) {
  const { applied, processes, without_filter: without } = one;
  const text = `${applied} of ${processes}`;
  return without > 0 ? `${text}, ${without} without a filter` : text;
}

customElements.define("dl-levels", LevelsPanel);
