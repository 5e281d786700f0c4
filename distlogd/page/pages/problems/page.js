// Problems: what fails, grouped, the last seen on top.

import { ApiError, isAborted } from "../../base/api.js";
import { change, navigate, parameters } from "../../base/address.js";
import { fill, h, say } from "../../base/dom.js";
import { bind } from "../../base/keys.js";
import { lookAtProblems, lookedAtProblems } from "../../parts/looked.js";
import { Refresh } from "../../parts/refresh.js";
import { ServiceSelect } from "../../parts/service-select.js";
import { TimeRange } from "../../parts/time-range.js";
import { ProblemList } from "./list.js";
import { Problems } from "./problems.js";

/** What the address says, as /api/v1/problems takes it. */
function asked() {
  const now = parameters();
  return { service: now.get("service"), from: now.get("from"), to: now.get("to") };
}

class ProblemsPage extends HTMLElement {
  #service = new ServiceSelect();
  #range = new TimeRange();
  #list = new ProblemList();
  #said = h("span", { class: "muted" });
  #none = h("p", { class: "empty", hidden: true });
  #fault = h("p", { class: "fault", role: "alert" });
  #problems = new Problems({});
  #asked = "";
  /** @type {Refresh | undefined} */
  #refresh;
  #leaving = new AbortController();
  #unbind = () => {};

  connectedCallback() {
    this.classList.add("problems-page");
    fill(
      this,
      h("div", { class: "problems-top" }, h("h1", {}, "Problems"), this.#said, this.#service, this.#range),
      h("div", { class: "list-body" }, this.#list, this.#none, this.#fault),
    );
    const looked = lookedAtProblems();
    this.#list.newSince = looked ? looked * 1e6 : Infinity;
    this.#list.addEventListener("near-end", () => this.#saying(this.#older()));
    this.#list.addEventListener("open", (event) => {
      const href = this.#list.newestTree(/** @type {CustomEvent} */ (event).detail.key);
      if (href) navigate(href);
    });
    this.#leaving = new AbortController();
    this.#unbind = bind([
      { keys: "ArrowDown", about: "Into the list; there ↓ ↑ and the keys of pages move", run: () => this.#intoList() },
      { keys: "j", about: "The problem below", run: () => this.#intoList() },
      { keys: "k", about: "The problem above" },
      { keys: "Enter", about: "Open its newest tree" },
      { keys: "c", about: "Compare it with a good one", run: () => this.#list.compareActive() },
    ]);
    this.#refresh = new Refresh((signal) => this.#saying(this.#ask(signal)));
    this.addressChanged();
  }

  disconnectedCallback() {
    this.#refresh?.close();
    this.#leaving.abort();
    this.#unbind();
  }

  addressChanged() {
    this.#service.addressChanged();
    this.#range.addressChanged();
    const now = JSON.stringify(asked());
    if (now === this.#asked) return;
    this.#asked = now;
    this.#problems = new Problems(asked());
    say(this.#fault, "");
    this.#list.scrollTop = 0;
    this.#refresh?.now();
  }

  /** @param {AbortSignal} signal */
  async #ask(signal) {
    const problems = this.#problems;
    await problems.refresh(signal);
    if (problems !== this.#problems) return;
    say(this.#fault, "");
    this.#show();
    lookAtProblems();
  }

  async #older() {
    const problems = this.#problems;
    if ((await problems.older(this.#leaving.signal)) && problems === this.#problems) this.#show();
  }

  /** @param {Promise<unknown>} answer */
  async #saying(answer) {
    try {
      await answer;
    } catch (error) {
      if (isAborted(error)) return;
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 0 || this.#fault.textContent === error.message) return;
      say(this.#fault, error.message);
      if (error.parameter === "from" || error.parameter === "to") this.#range.refuse(error.parameter, error.message);
    }
  }

  #show() {
    const { items, complete, truncated } = this.#problems;
    this.#list.showProblems(this.#problems);
    this.#none.hidden = items.length > 0;
    const isFiltered = Object.values(asked()).some(Boolean);
    const all = h("button", { type: "button", onclick: () => change({ service: "", from: "", to: "" }) }, "Show all");
    fill(
      this.#none,
      complete ? "Nothing has failed. " : "None was found in the time that was given. ",
      isFiltered && all,
    );
    say(this.#said, truncated ? "There are more than can be told: choose a shorter time or a service." : "");
  }

  #intoList() {
    this.#list.focus();
    const first = this.#list.querySelector("[aria-rowindex='2']");
    const key = this.#list.active || (first instanceof HTMLElement && first.dataset.key);
    if (key) this.#list.activate(key);
  }
}

customElements.define("dl-problems-page", ProblemsPage);
