// One line: what failed since one last looked at the problems.

import { get } from "../../base/api.js";
import { selectedHref } from "../../base/address.js";
import { fill, h } from "../../base/dom.js";
import { ago, count, counted, fullTime, rfc3339, visible } from "../../base/format.js";
import { lookAtProblems, lookedAtProblems } from "../../parts/looked.js";

/** So many are named. */
const NAMED = 2;

/** `<dl-new-problems>`: empty while there are none. */
export class NewProblems extends HTMLElement {
  connectedCallback() {
    this.classList.add("new-problems");
    this.setAttribute("role", "status");
  }

  /** @param {AbortSignal} signal */
  async refresh(signal) {
    const looked = lookedAtProblems();
    const asked = { from: looked ? rfc3339(looked * 1e6) : "", limit: 100 };
    const { items, next } = await get("/api/v1/problems", asked, signal);
    const key = JSON.stringify(items.map((/** @type {any} */ item) => [item.template, item.count]));
    if (key === this.dataset.key) return;
    this.dataset.key = key;
    if (!items.length) {
      fill(this);
      return;
    }
    const links = items.slice(0, NAMED).map((/** @type {any} */ problem) => {
      const { message, template, service, last_seen_ns, ids } = problem;
      const href = ids.length ? selectedHref(ids[0]) : "/problems";
      const title = `${visible(service)}, ${ago(last_seen_ns)}: ${fullTime(last_seen_ns)}`;
      const text = visible(message || template);
      return h("a", { class: "cut", href, title }, text, problem.count > 1 && ` ×${count(problem.count)}`);
    });
    const since = looked ? "since you last looked" : "so far";
    const number = counted(items.length, "problem").replace(/(?<=\d)/, next ? "+" : "");
    fill(
      this,
      h("span", { class: "new-problems-count" }, `${number} ${since}:`),
      ...links,
      items.length > NAMED && h("a", { href: "/problems", class: "more" }, `${count(items.length - NAMED)} more`),
      h("button", { class: "plain", "aria-label": "Dismiss", title: "Dismiss", onclick: () => this.#dismiss() }, "×"),
    );
  }

  #dismiss() {
    lookAtProblems();
    delete this.dataset.key;
    fill(this);
  }
}

customElements.define("dl-new-problems", NewProblems);
