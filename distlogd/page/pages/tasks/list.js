// The list of tasks: rows that are links, columns, the ages of those that run.

import { taskHref } from "../../base/address.js";
import { h, say } from "../../base/dom.js";
import { count, duration, fullTime, time, visible } from "../../base/format.js";
import { isFailure, outcomeSign } from "../../base/outcome.js";
import { serviceChip } from "../../base/services.js";
import { VirtualList } from "../../parts/virtual-list.js";
import { traceOf } from "./tasks.js";

/** From this width on a task has one line. */
const WIDE = matchMedia("(min-width: 700px)");
const COLUMNS = ["Outcome", "Begin", "Name", "Service", "Duration"];
const SECOND = 1_000_000_000;

/** @param {number} begin in ns */
function age(begin) {
  return duration(Math.max(0, Math.floor((Date.now() * 1e6 - begin) / SECOND) * SECOND));
}

/** `<dl-task-list>`: a list that shows tasks. */
export class TaskList extends VirtualList {
  /** @type {import("./tasks.js").Tasks | undefined} */
  #tasks;
  /** @type {number | undefined} */
  #ticking;

  /** @override */
  connectedCallback() {
    this.setAttribute("role", "grid");
    this.setAttribute("aria-label", "Tasks");
    this.classList.add("task-list");
    if (!this.querySelector(".task-head")) {
      const names = COLUMNS.map((name) =>
        h("div", { role: "columnheader", class: `task-${name.toLowerCase()}` }, name),
      );
      this.prepend(h("div", { class: "task-head", role: "row" }, ...names));
    }
    super.connectedCallback();
    this.addEventListener("scroll", this.#measure, { passive: true });
    WIDE.addEventListener("change", this.#onWidth);
    this.#ticking = setInterval(this.#tick, 1000);
    this.#onWidth();
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    this.removeEventListener("scroll", this.#measure);
    WIDE.removeEventListener("change", this.#onWidth);
    clearInterval(this.#ticking);
  }

  /** @param {import("./tasks.js").Tasks} tasks */
  showTasks(tasks) {
    this.#tasks = tasks;
    const { items } = tasks;
    this.setAttribute("aria-rowcount", String(tasks.hasMore ? -1 : items.length + 1));
    this.show({
      count: items.length,
      key: (index) => traceOf(items[index]),
      indexOf: (trace) => tasks.indexOf(trace),
      stamp: (index) => {
        const { id, name, outcome, duration_ns, begin_ns, failed } = items[index];
        return [WIDE.matches, id, name, outcome, duration_ns, begin_ns, failed].join(" ");
      },
      row: (index) => ({ children: cells(items[index]), attributes: { "aria-rowindex": index + 2 } }),
    });
    this.#measure();
  }

  /** Bars are as long as the longest in sight makes them. */
  #measure = () => {
    const [first, last] = this.sight;
    const taken = (this.#tasks?.items ?? []).slice(first, last).map((task) => task.duration_ns ?? 0);
    this.style.setProperty("--longest", String(Math.max(1, ...taken)));
  };

  #onWidth = () => {
    this.rowHeight = WIDE.matches ? 30 : 50;
    this.headerHeight = WIDE.matches ? 28 : 0;
    if (this.#tasks) this.showTasks(this.#tasks);
  };

  #tick = () => {
    for (const running of this.querySelectorAll("[data-begin]"))
      say(running, age(Number(/** @type {HTMLElement} */ (running).dataset.begin)));
  };
}

/** @param {import("./tasks.js").Task} task */
function cells(task) {
  const failed = task.failed - (isFailure(task.outcome) ? 1 : 0);
  const name = task.name || (task.outcome === "unknown" ? "only records so far" : "without a name");
  const link = h(
    "a",
    { class: `task-link cut${task.name ? "" : " muted"}`, href: taskHref(task.id), tabindex: -1, title: visible(name) },
    visible(name),
  );
  return [
    h("div", { role: "gridcell", class: "task-outcome" }, outcomeSign(task.outcome)),
    h("div", { role: "gridcell", class: "task-begin", title: fullTime(task.begin_ns) }, time(task.begin_ns)),
    h(
      "div",
      { role: "gridcell", class: "task-name" },
      link,
      failed > 0 && h("span", { class: "task-failed" }, `${count(failed)} failed below`),
    ),
    h("div", { role: "gridcell", class: "task-service" }, serviceChip(task.service)),
    took(task),
  ];
}

/** @param {import("./tasks.js").Task} task */
function took({ outcome, begin_ns, duration_ns }) {
  const bar = h("span", { class: "task-bar" });
  bar.style.setProperty("--took", String(duration_ns ?? 0));
  const running = outcome === "running" && begin_ns;
  const text = running
    ? h("span", { class: "task-age", "data-begin": begin_ns, title: "It runs; so long until now" }, age(begin_ns))
    : h("span", {}, duration(duration_ns));
  return h("div", { role: "gridcell", class: "task-duration number" }, bar, text);
}

customElements.define("dl-task-list", TaskList);
