// The list of problems: how often and when, what and where, and ways to its trees.

import { ApiError, isAborted } from "../../base/api.js";
import { navigate, selectedHref } from "../../base/address.js";
import { h, say } from "../../base/dom.js";
import { ago, count, fullTime, visible } from "../../base/format.js";
import { serviceChip } from "../../base/services.js";
import { sparkline } from "../../parts/sparkline.js";
import { VirtualList } from "../../parts/virtual-list.js";
import { compareWithGood } from "../../parts/good-one.js";
import { keyOf } from "./problems.js";

/** @typedef {import("./problems.js").Problem} Problem */

/** From this width on a problem has two lines. */
const WIDE = matchMedia("(min-width: 900px)");
const COLUMNS = ["When", "Count", "Problem", "Seen", "Trees"];

/** @param {string} text as the error of a problem has it */
function withoutNumbers(text) {
  return text.replace(/\d+/g, "#");
}

/** `<dl-problem-list>` */
export class ProblemList extends VirtualList {
  /** Problems that began later than this are new, in ns. */
  newSince = Infinity;
  /** @type {import("./problems.js").Problems | undefined} */
  #problems;
  /** @type {Map<string, string>} what was said of a problem */
  #said = new Map();
  /** @type {number | undefined} */
  #ticking;
  #leaving = new AbortController();

  /** @override */
  connectedCallback() {
    this.setAttribute("role", "grid");
    this.setAttribute("aria-label", "Problems");
    this.classList.add("problem-list");
    if (!this.querySelector(".problem-head")) {
      const names = COLUMNS.map((name) =>
        h("div", { role: "columnheader", class: `problem-${name.toLowerCase()}` }, name),
      );
      this.prepend(h("div", { class: "problem-head", role: "row" }, ...names));
    }
    super.connectedCallback();
    this.#leaving = new AbortController();
    WIDE.addEventListener("change", this.#onWidth);
    this.#ticking = setInterval(this.#tick, 1000);
    this.#onWidth();
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    WIDE.removeEventListener("change", this.#onWidth);
    clearInterval(this.#ticking);
    this.#leaving.abort();
  }

  /** @param {import("./problems.js").Problems} problems */
  showProblems(problems) {
    this.#problems = problems;
    const { items } = problems;
    // All on one axis, so that one sees what came together.
    const from = Math.min(...items.map(({ first_seen_ns }) => first_seen_ns));
    const to = Math.max(...items.map(({ last_seen_ns }) => last_seen_ns));
    this.setAttribute("aria-rowcount", String(problems.hasMore ? -1 : items.length + 1));
    this.show({
      count: items.length,
      key: (index) => keyOf(items[index]),
      indexOf: (key) => problems.indexOf(key),
      stamp: (index) => [WIDE.matches, items[index].count, items[index].last_seen_ns, from, to].join(" "),
      row: (index) => ({ children: this.#cells(items[index], from, to), attributes: { "aria-rowindex": index + 2 } }),
    });
  }

  /**
   * @param {string} key of a problem
   * @returns {string | undefined} the address of its newest tree
   */
  newestTree(key) {
    const id = this.#problems?.items[this.#problems.indexOf(key)]?.ids[0];
    return id && selectedHref(id);
  }

  /** Compares the active problem with a good task. */
  compareActive() {
    const rows = [...this.querySelectorAll("[data-key]")];
    const row = rows.find((row) => /** @type {HTMLElement} */ (row).dataset.key === this.active);
    /** @type {HTMLElement | null | undefined} */ (row?.querySelector(".problem-compare"))?.click();
  }

  #onWidth = () => {
    this.rowHeight = WIDE.matches ? 60 : 124;
    this.headerHeight = WIDE.matches ? 28 : 0;
    if (this.#problems) this.showProblems(this.#problems);
  };

  #tick = () => {
    for (const seen of this.querySelectorAll("[data-seen]"))
      say(seen, ago(Number(/** @type {HTMLElement} */ (seen).dataset.seen)));
  };

  /**
   * @param {Problem} problem
   * @param {number} from
   * @param {number} to
   */
  #cells(problem, from, to) {
    const { service, template, target, place, kind, error, first_seen_ns, last_seen_ns, ids, message, times } = problem;
    const text = visible(message || error || template);
    const isNew = first_seen_ns > this.newSince;
    const facts = [
      template !== message && template,
      kind !== "failed" && kind,
      place || target,
      ![message, template, withoutNumbers(message)].includes(error) && error,
    ];
    const cell = (/** @type {string} */ name, /** @type {import("../../base/dom.js").Child[]} */ ...children) =>
      h("div", { role: "gridcell", class: `problem-${name}` }, ...children);
    const title = ids.length
      ? h("a", { class: "problem-link cut", href: selectedHref(ids[0]), tabindex: -1, title: text }, text)
      : h("span", { class: "problem-link cut", title: text }, text);
    return [
      cell("when", times && sparkline(times, from, to)),
      cell("count", count(problem.count)),
      cell(
        "problem",
        h("div", { class: "problem-title" }, title, isNew && h("span", { class: "problem-new" }, "new")),
        h(
          "div",
          { class: "problem-facts cut" },
          serviceChip(service),
          ...facts.map((fact) => fact && h("span", { title: visible(fact) }, visible(fact))),
        ),
      ),
      cell(
        "seen",
        h("span", { "data-seen": last_seen_ns, title: `last seen ${fullTime(last_seen_ns)}` }, ago(last_seen_ns)),
        h(
          "span",
          { class: "muted", title: `first seen ${fullTime(first_seen_ns)}` },
          "first ",
          h("span", { "data-seen": first_seen_ns }, ago(first_seen_ns)),
        ),
      ),
      cell("trees", ids.length > 0 && this.#ways(keyOf(problem), ids)),
    ];
  }

  /**
   * @param {string} key of the problem
   * @param {string} why
   */
  #tell(key, why) {
    this.#said.set(key, why);
    // Its row may have been drawn anew since.
    for (const row of this.querySelectorAll("[data-key]")) {
      const place = row.querySelector(".problem-why");
      if (place && /** @type {HTMLElement} */ (row).dataset.key === key) say(place, why);
    }
  }

  /**
   * @param {string} key of the problem
   * @param {string[]} ids
   */
  #ways(key, ids) {
    const why = h("span", { class: "problem-why", role: "status" }, this.#said.get(key) ?? "");
    const others = ids
      .slice(1)
      .map((id, at) =>
        h("a", { href: selectedHref(id), "aria-label": `Tree ${at + 2} of it`, title: "An older tree of it" }, at + 2),
      );
    const compare = async () => {
      try {
        const found = await compareWithGood(ids[0], this.#leaving.signal);
        if (found.href) navigate(found.href);
        else this.#tell(key, found.why ?? "");
      } catch (fault) {
        if (isAborted(fault)) return;
        if (!(fault instanceof ApiError)) throw fault;
        this.#tell(key, fault.message);
      }
    };
    const about = "Compares its newest tree with the newest good one of the same name";
    return h(
      "div",
      { class: "problem-ways" },
      h("span", {}, h("a", { href: selectedHref(ids[0]) }, "newest tree"), ...others.flatMap((other) => [" ", other])),
      why,
      h(
        "button",
        { type: "button", class: "plain problem-compare", title: about, onclick: compare },
        "compare with a good one",
      ),
    );
  }
}

customElements.define("dl-problem-list", ProblemList);
