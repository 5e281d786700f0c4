// Tasks: the newest ones as they come, how they ended over time, and what failed since one last looked.

import { ApiError, isAborted } from "../../base/api.js";
import { change, navigate, taskHref } from "../../base/address.js";
import { fill, h, say } from "../../base/dom.js";
import { count } from "../../base/format.js";
import { bind } from "../../base/keys.js";
import { durationOf } from "../../base/range.js";
import { OUTCOME_KINDS, readBars } from "../../parts/bars.js";
import { Histogram } from "../../parts/histogram.js";
import { Refresh } from "../../parts/refresh.js";
import { changeRange } from "../../parts/time-range.js";
import { TaskFilters, outcomes, showsAll, taskParameters } from "./filters.js";
import { TaskList } from "./list.js";
import { NewProblems } from "./new-problems.js";
import { Tasks } from "./tasks.js";
import { Welcome } from "./welcome.js";

/** @param {string} outcome as the address has it */
function valuesOf(outcome) {
  return outcome === "ok" ? ["ok", "success"] : [outcome];
}

class TasksPage extends HTMLElement {
  #problems = new NewProblems();
  #filters = new TaskFilters();
  #histogram = new Histogram();
  #list = new TaskList();
  #fault = h("p", { class: "fault", role: "alert" });
  /** @type {Record<string, string>} */
  #faults = {};
  #fresh = h("button", { class: "fresh", type: "button", hidden: true, onclick: () => this.#toTop() });
  #none = h("p", { class: "empty", hidden: true });
  #body = h("div", { class: "list-body" }, this.#list, this.#none, this.#fresh, this.#fault);
  #tasks = new Tasks({});
  /** What is asked for, as text: to tell whether it has changed. */
  #asked = "";
  #newer = 0;
  /** @type {import("../../parts/bars.js").Bars | null} */
  #bars = null;
  /** @type {Refresh[]} */
  #refreshed = [];
  #leaving = new AbortController();
  #unbind = () => {};

  connectedCallback() {
    this.classList.add("tasks-page");
    this.#histogram.setAttribute("aria-label", "Tasks over time");
    fill(
      this,
      h("div", { class: "tasks-top" }, h("h1", {}, "Tasks"), this.#problems),
      this.#filters,
      this.#histogram,
      this.#body,
    );
    this.#histogram.addEventListener("range", (event) => changeRange(/** @type {CustomEvent} */ (event).detail));
    this.#list.addEventListener("near-end", () => this.#saying("older", this.#older()));
    this.#list.addEventListener("scroll", () => this.#list.scrollTop === 0 && this.#setNewer(0), { passive: true });
    this.#list.addEventListener("open", (event) => {
      const task = this.#tasks.items[this.#tasks.indexOf(/** @type {CustomEvent} */ (event).detail.key)];
      if (task) navigate(taskHref(task.id));
    });
    this.#leaving = new AbortController();
    this.#unbind = bind([
      { keys: "ArrowDown", about: "Into the list; there ↓ ↑ and the keys of pages move", run: () => this.#intoList() },
      { keys: "j", about: "The task below", run: () => this.#intoList() },
      { keys: "k", about: "The task above" },
      { keys: "Enter", about: "Open the task" },
      { keys: ".", about: "Up to the newest", run: () => this.#toTop() },
    ]);
    this.#refreshed = [
      new Refresh((signal) => this.#saying("tasks", this.#askTasks(signal))),
      new Refresh((signal) => this.#saying("bars", this.#askBars(signal))),
      new Refresh((signal) => this.#saying("problems", this.#problems.refresh(signal))),
    ];
    this.addressChanged();
  }

  disconnectedCallback() {
    for (const one of this.#refreshed) one.close();
    this.#leaving.abort();
    this.#unbind();
  }

  addressChanged() {
    this.#filters.addressChanged();
    const parameters = taskParameters();
    const asked = JSON.stringify(parameters);
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#tasks = new Tasks(parameters);
    this.#bars = null;
    this.#setNewer(0);
    this.#list.scrollTop = 0;
    this.#faults = {};
    this.#body.setAttribute("aria-busy", "true");
    say(this.#fault, "");
    for (const one of this.#refreshed) one.now();
  }

  /**
   * Says what is wrong with an answer, until there is a better one.
   *
   * @param {"tasks" | "older" | "bars" | "problems"} what
   * @param {Promise<unknown>} answer
   */
  async #saying(what, answer) {
    try {
      await answer;
      delete this.#faults[what];
    } catch (error) {
      if (isAborted(error)) return;
      if (!(error instanceof ApiError)) throw error;
      // That the daemon is gone is said above.
      if (error.status === 0) return;
      const isSaid = Object.values(this.#faults).includes(error.message);
      this.#faults[what] = error.message;
      if (!isSaid) this.#filters.refuse(error.parameter, error.message);
    }
    if (what === "tasks") this.#body.removeAttribute("aria-busy");
    const { tasks, older, bars, problems } = this.#faults;
    say(this.#fault, tasks ?? older ?? bars ?? problems ?? "");
  }

  /** @param {AbortSignal} signal */
  async #askTasks(signal) {
    const tasks = this.#tasks;
    const list = this.#list;
    const added = await tasks.refresh(list.sight[1], () => list.scrollTop === 0, signal);
    if (tasks !== this.#tasks) return;
    const isAtTop = list.scrollTop === 0;
    this.#show();
    const [first] = list.sight;
    const above = added.filter((trace) => tasks.indexOf(trace) < first).length;
    if (tasks.isHeld) this.#setNewer(added.length);
    else if (!isAtTop) this.#setNewer(this.#newer + above);
  }

  /** @param {AbortSignal} signal */
  async #askBars(signal) {
    const { from, to, service, q, name, min_duration } = taskParameters();
    const least = durationOf(String(min_duration ?? ""));
    // Those that run have no end to be counted.
    const ended = outcomes().filter((outcome) => outcome !== "running");
    const conditions = [
      'kind == "end" && root',
      least && `duration >= duration("${least}ms")`,
      ended.length &&
        `outcome in [${ended
          .flatMap(valuesOf)
          .map((value) => `"${value}"`)
          .join(", ")}]`,
    ];
    const parameters = { from, to, service, filter: conditions.filter(Boolean).join(" && ") };
    const bars = await readBars({ by: "outcome", kinds: OUTCOME_KINDS, parameters }, this.#bars, signal);
    if (signal.aborted) return;
    this.#bars = bars;
    const isWider = q || name || ended.length < outcomes().length;
    this.#histogram.note = isWider ? "all that ended" : "";
    this.#histogram.show(bars);
  }

  async #older() {
    const tasks = this.#tasks;
    const isMore = await tasks.older(this.#leaving.signal);
    if (isMore && tasks === this.#tasks) this.#show();
  }

  #show() {
    const { items, complete } = this.#tasks;
    this.#list.showTasks(this.#tasks);
    const isEmpty = items.length === 0;
    const isWelcome = isEmpty && complete && showsAll();
    this.classList.toggle("is-welcome", isWelcome);
    if (isWelcome && !this.querySelector("dl-welcome")) this.append(new Welcome());
    if (!isWelcome) this.querySelector("dl-welcome")?.remove();
    this.#none.hidden = !isEmpty || isWelcome;
    if (!this.#none.hidden) {
      const all = h("button", { type: "button", onclick: () => this.#showAll() }, "Show all");
      const why = complete ? "No task is like this. " : "None was found in the time that was given. ";
      fill(this.#none, why, all);
    }
  }

  #showAll() {
    change({ q: "", name: "", service: "", outcome: "", min_duration: "", from: "", to: "" });
  }

  #intoList() {
    this.#list.focus();
    const [first] = this.#list.sight;
    const active = this.#list.active || this.#tasks.items[first]?.id.split("/", 1)[0];
    if (active) this.#list.activate(active);
  }

  #toTop() {
    this.#list.scrollTo(0, 0);
    this.#setNewer(0);
    if (this.#tasks.isHeld) this.#refreshed[0].now();
  }

  /** @param {number} newer so many came above what is seen */
  #setNewer(newer) {
    this.#newer = newer;
    this.#fresh.hidden = newer === 0;
    if (newer) say(this.#fresh, `${count(newer)}${this.#tasks.isHeld ? "+" : ""} new`);
  }
}

customElements.define("dl-tasks-page", TasksPage);
