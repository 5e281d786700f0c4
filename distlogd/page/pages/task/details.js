// All that is known of the selected task or record. The outline has one line of each; the rest is asked for.

import { getText, isAborted, taskPath } from "../../base/api.js";
import { taskHref } from "../../base/address.js";
import { fill, h } from "../../base/dom.js";
import { counted, duration, fullTime, time, visible } from "../../base/format.js";
import { outcomeSign, severityName, severitySign } from "../../base/outcome.js";
import { serviceChip } from "../../base/services.js";
import { copyButton } from "../../parts/copy-button.js";
import { errorDetail, field, linkDetail, recordDetail, section, table } from "../../parts/record-detail.js";
import { aroundHref } from "../../parts/record-key.js";
import { ownTime } from "./bars.js";
import { NONE } from "./model.js";

/** So many records of a task are listed. */
const LISTED = 100;
/** Who goes through the tree by keys asks for no more than what is looked at for so long, in ms. */
const PAUSE = 80;

/** @typedef {import("./model.js").Trace} Trace */

/** `<dl-task-details>`. Events: `chosen` with `detail.key` of a record that was clicked, `zoom`, `closed`. */
export class TaskDetails extends HTMLElement {
  #head = h("div", { class: "details-head" });
  #body = h("div", { class: "details-body record-detail", tabindex: 0, role: "group", "aria-label": "Details" });
  #shown = "";
  #abort = new AbortController();
  /** @type {number | undefined} */
  #timer;

  connectedCallback() {
    if (!this.firstChild) this.append(this.#head, this.#body);
  }

  disconnectedCallback() {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  /**
   * @param {Trace} trace
   * @param {string} key
   */
  show(trace, key) {
    const place = trace.placeOf(key);
    if (place === NONE) return;
    const task = trace.taskOf(place);
    const shown = `${key} ${trace.outcome[task]} ${trace.took[task]} ${trace.children[task]}`;
    if (shown === this.#shown) return;
    const isOther = !this.#shown.startsWith(`${key} `);
    this.#shown = shown;
    fill(this.#head, ...this.#heading(trace, place));
    if (isOther) {
      this.#body.scrollTop = 0;
      this.#body.setAttribute("aria-busy", "true");
    }
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#timer = setTimeout(() => this.#ask(trace, place, signal), PAUSE);
  }

  /**
   * @param {Trace} trace
   * @param {number} place
   */
  #heading(trace, place) {
    const close = h(
      "button",
      { class: "plain", type: "button", "aria-label": "Close the details", title: "Close (Esc)" },
      "✕",
    );
    close.addEventListener("click", () => this.dispatchEvent(new Event("closed")));
    const at = trace.at[place];
    const when = trace.begin && !Number.isNaN(at) ? trace.begin + at : null;
    const title = trace.isTask(place)
      ? [outcomeSign(trace.outcomeName(place)), h("h2", {}, visible(trace.name[place] || "–"))]
      : [
          severitySign(severityName(trace.severity[place])),
          h("h2", { class: "muted" }, h("time", { title: fullTime(when) }, time(when))),
        ];
    return [...title, serviceChip(trace.serviceName(place)), close];
  }

  /**
   * @param {Trace} trace
   * @param {number} place
   * @param {AbortSignal} signal
   */
  async #ask(trace, place, signal) {
    const task = trace.taskOf(place);
    try {
      const text = await getText(taskPath(idOf(trace, task)), { format: "json", depth: 1 }, signal);
      const [answer] = parse(text).tasks;
      if (signal.aborted) return;
      this.#body.removeAttribute("aria-busy");
      const records = answer.items.flatMap((/** @type {any} */ item) => item.record ?? []);
      if (trace.isTask(place)) fill(this.#body, ...this.#task(trace, place, answer));
      else if (records[trace.record[place]]) {
        const record = records[trace.record[place]];
        const around = h("a", { href: aroundHref(record) }, "What else happened then");
        fill(this.#body, h("p", { class: "details-around" }, around), recordDetail(record, { heading: false }));
      } else fill(this.#body, h("p", { class: "empty" }, "This record is not stored any more."));
    } catch (error) {
      if (isAborted(error)) return;
      this.#body.removeAttribute("aria-busy");
      // It is asked for anew when the tree is.
      this.#shown = "";
      fill(this.#body, h("p", { class: "error" }, /** @type {Error} */ (error).message));
    }
  }

  /**
   * @param {Trace} trace
   * @param {number} task
   * @param {any} answer
   */
  #task(trace, task, answer) {
    const id = idOf(trace, task);
    const { begin = {}, end = {} } = answer;
    const begun = answer.begin_ns || null;
    const { key, ...context } = { ...begin.context, ...begin.fields, ...end.context, ...end.fields };
    void key;
    const links = [...(begin.distlog?.links ?? []), ...(end.distlog?.links ?? [])];
    const took = trace.took[task];
    const seen = new Set();
    const distinct = links.filter(({ span_id }) => !seen.has(span_id) && seen.add(span_id));
    const zoom = h("button", { class: "copy", type: "button", title: "Show only its time (z)" }, "Zoom");
    zoom.addEventListener("click", () => this.dispatchEvent(new Event("zoom")));
    return [
      errorDetail(end),
      table("", [
        ["begin", begun ? fullTime(begun) : "unknown"],
        ["duration", Number.isNaN(took) ? (trace.isRunning(task) ? "still running" : "unknown") : duration(took)],
        ["its own work", Number.isNaN(took) || trace.children[task] === 0 ? "" : duration(ownTime(trace, task))],
        ["below", belowText(trace, task)],
      ]),
      table("Fields", Object.entries(context).map(field)),
      linkDetail(distinct),
      this.#records(trace, task),
      table("Where", [
        ["id", h("a", { class: "mono", href: taskHref(id), title: "Only this task" }, visible(id))],
        ["span id", h("span", { class: "mono" }, trace.span[task])],
        ["kind", answer.kind ?? ""],
        ["template", answer.template === answer.name ? "" : visible(answer.template ?? "")],
        ["code", begin.pathname ? visible(`${begin.pathname}:${begin.lineno ?? ""}`) : ""],
        ["target", visible(begin.name ?? "")],
        ["thread", visible(begin.threadName ?? "")],
        ["host", visible(answer.host ?? "")],
        ["process", begin.process ? String(begin.process) : ""],
      ]),
      table("Resource", Object.entries(begin.distlog?.resource ?? {}).map(field)),
      h(
        "p",
        { class: "detail-tools" },
        copyButton("Copy id", () => id),
        copyButton("Copy traceparent", () => traceparent(trace, task)),
        zoom,
      ),
    ].filter((child) => child !== null);
  }

  /**
   * @param {Trace} trace
   * @param {number} task
   */
  #records(trace, task) {
    const lines = [];
    let more = 0;
    for (let place = task + 1; place < trace.end[task]; place = trace.end[place]) {
      if (trace.isTask(place)) continue;
      if (lines.length === LISTED) {
        more += 1;
        continue;
      }
      const key = trace.key(place);
      const line = h(
        "button",
        { class: "plain details-record", type: "button" },
        severitySign(severityName(trace.severity[place])),
        h("span", { class: "cut" }, visible(trace.name[place])),
      );
      line.addEventListener("click", () => this.dispatchEvent(new CustomEvent("chosen", { detail: { key } })));
      lines.push(h("li", {}, line));
    }
    if (lines.length === 0) return null;
    if (more > 0) lines.push(h("li", { class: "muted" }, `and ${counted(more, "more record")}`));
    return section("Records", h("ul", { class: "detail-links" }, ...lines));
  }
}

/**
 * @param {Trace} trace
 * @param {number} task
 */
function belowText(trace, task) {
  let tasks = 0;
  const all = trace.end[task] - task - 1;
  for (let place = task + 1; place < trace.end[task]; place += 1) if (trace.isTask(place)) tasks += 1;
  const failed = trace.failures[task] - Number(trace.isFailed(task));
  const parts = [
    tasks > 0 && counted(tasks, "task"),
    all > tasks && counted(all - tasks, "record"),
    failed > 0 && `${failed} failed`,
  ];
  return parts.filter(Boolean).join(", ");
}

/**
 * @param {Trace} trace
 * @param {number} task
 */
export function idOf(trace, task) {
  return `${trace.id}/${trace.path[task] || `~${trace.span[task]}`}`;
}

/**
 * What another service is given to go on: W3C trace context.
 *
 * @param {Trace} trace
 * @param {number} task
 */
export function traceparent(trace, task) {
  return `00-${trace.id.replaceAll("-", "")}-${trace.span[task]}-01`;
}

/** Times are no more exact than JavaScript's numbers; they are shown in ms. */
const TIMES = new Set(["begin_ns", "time", "observed_time"]);

/**
 * JSON, in which whole numbers that are too long for JavaScript are texts: a field shows all digits.
 *
 * @param {string} text
 */
function parse(text) {
  const exact = (
    /** @type {string} */ key,
    /** @type {unknown} */ value,
    /** @type {{ source: string } | undefined} */ at,
  ) => (Number.isInteger(value) && !Number.isSafeInteger(value) && !TIMES.has(key) ? (at?.source ?? value) : value);
  return JSON.parse(text, /** @type {any} */ (exact));
}

customElements.define("dl-task-details", TaskDetails);
