// What stands above a tree: how the whole went, its services, and what can be done with it.

import { ApiError, address, change, getText, isAborted, taskPath } from "../../base/api.js";
import { taskHref } from "../../base/address.js";
import { fill, h, say } from "../../base/dom.js";
import { count, counted, duration, fullTime, time, visible } from "../../base/format.js";
import { outcomeClass, outcomeSign } from "../../base/outcome.js";
import { serviceClass } from "../../base/services.js";
import { isView } from "../../base/viewed.js";
import { copyButton } from "../../parts/copy-button.js";
import { newestGood } from "../../parts/good-one.js";
import { idOf, traceparent } from "./details.js";

/** So many services are named. */
const SERVICES = 8;

/** `<dl-task-head>`. Event: `failure` when the next failed task is wanted. */
export class TaskHead extends HTMLElement {
  #title = h("div", { class: "head-title" });
  #facts = h("div", { class: "head-facts" });
  #compare = h("a", { hidden: true }, "Compare with a good one");
  #raise = h("button", { type: "button", hidden: true, onclick: () => this.#raiseTask() }, "Log at debug");
  #raised = "";
  #tools = h("div", { class: "head-tools", role: "group", "aria-label": "Copy and compare" });
  /** What was compared with: asked for once for a name. */
  #compared = "";
  #abort = new AbortController();

  connectedCallback() {
    if (!this.firstChild) this.append(this.#title, this.#facts, this.#tools);
  }

  disconnectedCallback() {
    this.#abort.abort();
  }

  /**
   * @param {import("./model.js").Trace} trace
   * @param {string} id as the address has it
   */
  show(trace, id) {
    if (trace.count === 0) return;
    const outcome = trace.outcomeName(0);
    const name = trace.name[0] || "–";
    const begun = trace.begin && !Number.isNaN(trace.at[0]) ? trace.begin + trace.at[0] : null;
    const took = Number.isNaN(trace.took[0]) ? null : trace.took[0];
    document.title = `${name} · distlog`;
    fill(
      this.#title,
      outcomeSign(outcome),
      h("h1", { class: "cut", title: visible(name) }, visible(name)),
      h("span", { class: `outcome-word outcome-${outcomeClass(outcome)}` }, outcome),
      h("span", { class: "head-took", title: "duration" }, took === null ? "" : duration(took)),
      h("time", { class: "muted", title: fullTime(begun) }, time(begun)),
    );
    const leftOut = trace.leftOut && h("span", { class: "muted" }, visible(trace.leftOut));
    fill(this.#facts, ...this.#counts(trace, id), ...services(trace), leftOut);
    if (!this.#tools.firstChild) this.#showTools(id);
    // Its room is kept until it is known with what it compares.
    if (trace.failed > 0 && !this.#compare.isConnected) this.#tools.prepend(this.#compare);
    this.#tools.dataset.traceparent = traceparent(trace, 0);
    this.#showRaise(trace, id);
    if (trace.isFinished) this.#findGood(trace);
  }

  /** Says that there is nothing yet. */
  clear() {
    for (const part of [this.#title, this.#facts, this.#tools]) fill(part);
    this.#compare.hidden = true;
    this.#compared = "";
    this.#raised = "";
  }

  /**
   * @param {import("./model.js").Trace} trace
   * @param {string} id
   */
  #counts(trace, id) {
    const next = () => this.dispatchEvent(new Event("failure"));
    const isPart = id !== trace.id && trace.roots === 1 && id.includes("/");
    return [
      h("span", {}, counted(trace.tasks, "task")),
      h("span", {}, counted(trace.records, "record")),
      trace.failed > 0 &&
        h(
          "button",
          { class: "head-failed", type: "button", title: "To the next one (f)", onclick: next },
          `${count(trace.failed)} failed`,
        ),
      trace.running > 0 && h("span", { class: "outcome-running" }, `${count(trace.running)} running`),
      isPart && h("a", { href: taskHref(trace.id) }, "Whole trace"),
    ];
  }

  /** @param {string} id */
  #showTools(id) {
    const text = () => getText(taskPath(id), { format: "text" });
    const json = () => getText(taskPath(id), { format: "json" });
    fill(
      this.#tools,
      h("span", { class: "muted" }, "Copy"),
      copyButton("Text", text, { title: "Copy the tree as text" }),
      copyButton("JSON", json, { title: "Copy the tree as JSON" }),
      copyButton("traceparent", () => this.#tools.dataset.traceparent ?? "", { title: "Copy the W3C trace context" }),
      copyButton("Id", () => id, { title: "Copy the id of the task" }),
      this.#raise,
    );
  }

  /**
   * What still runs can log more: programs with a filter for levels then record all up to DEBUG of it.
   *
   * @param {import("./model.js").Trace} trace
   * @param {string} id
   */
  #showRaise(trace, id) {
    this.#raise.hidden = isView || trace.running === 0;
    if (this.#raised === id) return;
    this.#raised = id;
    this.#raise.dataset.task = id;
    this.#raise.disabled = false;
    this.#raise.title = "Programs that have a filter for levels record all of this task up to DEBUG, for 10 minutes";
    say(this.#raise, "Log at debug");
  }

  async #raiseTask() {
    this.#raise.disabled = true;
    try {
      const set = await change("PUT", "/api/v1/levels", { task: this.#raise.dataset.task, levels: "debug" });
      say(
        this.#raise,
        `Logs at debug for 10 min, in ${counted(set.processes - set.without_filter, "process", "processes")}`,
      );
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#raise.disabled = false;
      say(this.#raise, error.message);
    }
  }

  /**
   * Offers a comparison of what went wrong with the newest one of the same name that went well.
   *
   * @param {import("./model.js").Trace} trace
   */
  async #findGood(trace) {
    const name = trace.name[0];
    if (!name || trace.failed === 0 || this.#compared === name) return;
    this.#compared = name;
    try {
      const good = await newestGood(name, trace.serviceName(0), this.#abort.signal);
      this.#compare.hidden = !good;
      if (good) this.#compare.href = address("/diff", { a: idOf(trace, 0), b: good });
    } catch (error) {
      // A comparison is offered where there is one; that none is known is no fault of the tree.
      if (!isAborted(error)) this.#compare.hidden = true;
    }
  }
}

/** @param {import("./model.js").Trace} trace */
function services(trace) {
  const known = trace.services
    .map((service, number) => ({ service, tasks: trace.serviceTasks[number] }))
    .filter(({ service, tasks }) => service && tasks);
  known.sort((a, b) => b.tasks - a.tasks);
  const chips = known
    .slice(0, SERVICES)
    .map(({ service, tasks }) =>
      h("span", { class: `service ${serviceClass(service)}`, title: counted(tasks, "task") }, visible(service)),
    );
  const more = known.length - chips.length;
  return more > 0 ? [...chips, h("span", { class: "muted" }, `and ${more} more`)] : chips;
}

customElements.define("dl-task-head", TaskHead);
