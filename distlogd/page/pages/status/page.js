// Status: how the daemon does. What is wrong stands first; then ways in, who sends, destinations, and the store.

import { ApiError, get, isAborted } from "../../base/api.js";
import { connection } from "../../base/connection.js";
import { fill, h } from "../../base/dom.js";
import { counted, duration, fullTime, visible } from "../../base/format.js";
import { morph } from "../../base/morph.js";
import { isView } from "../../base/viewed.js";
import { LevelsPanel } from "./levels.js";
import { deletions, storeFacts, viewFacts } from "./store.js";
import { intake, processors, producers, receivers, reports, trees } from "./tables.js";
import { troubles } from "./troubles.js";

/** How often it is asked, in ms. */
const EVERY = 2000;
/** Producers that are listed at first, and when all are wanted. */
const FEW = 20;
const ALL = 1000;

/**
 * @typedef {Record<string, any>} Status as `/api/v1/status` has it
 * @typedef {Record<string, any>} Levels as `/api/v1/levels` has it
 */

class StatusPage extends HTMLElement {
  #body = h("div", { class: "status-body" });
  #levels = new LevelsPanel();
  /** @type {Status | null} */
  #before = null;
  #listed = FEW;
  #asked = new AbortController();
  /** @type {number | undefined} */
  #timer;
  #now = () => this.#ask();

  connectedCallback() {
    fill(this, this.#body, this.#levels);
    this.#levels.addEventListener("changed", this.#now);
    document.addEventListener("visibilitychange", this.#now);
    connection.addEventListener("back", this.#now);
    this.#ask();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.#now);
    connection.removeEventListener("back", this.#now);
    clearTimeout(this.#timer);
    this.#asked.abort();
  }

  addressChanged() {}

  async #ask() {
    clearTimeout(this.#timer);
    this.#asked.abort();
    if (document.hidden) return;
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    try {
      const [status, levels] = await Promise.all([
        get("/api/v1/status", { producers: this.#listed }, signal),
        this.#askLevels(signal),
      ]);
      this.#show(status, levels);
      this.#before = status;
    } catch (error) {
      if (isAborted(error) || signal.aborted) return;
      if (!this.#before)
        fill(this.#body, h("p", { class: "error", role: "alert" }, /** @type {Error} */ (error).message));
    }
    this.#timer = setTimeout(this.#now, EVERY);
  }

  /**
   * What programs record. `null`: it is not known, as of a view of a database.
   *
   * @param {AbortSignal} signal
   * @returns {Promise<Levels | null>}
   */
  async #askLevels(signal) {
    if (isView) return null;
    try {
      return await get("/api/v1/levels", {}, signal);
    } catch (error) {
      if (isAborted(error) || !(error instanceof ApiError) || error.status === 0) throw error;
      return null;
    }
  }

  /**
   * @param {Status} status
   * @param {Levels | null} levels
   */
  #show(status, levels) {
    const { version, host, process_id, uptime_ns, time_ns, more_producers, view } = status;
    const all = h(
      "button",
      { type: "button", class: "plain link", onclick: () => this.#all() },
      `${counted(more_producers, "more producer")}: show all`,
    );
    const shown = h(
      "div",
      { class: "status-body" },
      h("h1", { class: "sr-only" }, "Status"),
      summary(troubles(status)),
      h(
        "p",
        { class: "muted status-who" },
        `distlogd ${visible(version)} on ${visible(host)}, process ${process_id}, up `,
        h("time", { title: `since ${fullTime(time_ns - uptime_ns)}` }, duration(uptime_ns)),
      ),
      reports(status),
      ...(view
        ? [viewFacts(status)]
        : [
            receivers(status, this.#before),
            intake(status),
            producers(status, this.#before, levels),
            more_producers > 0 && h("p", { class: "status-more" }, all),
            processors(status, this.#before),
            trees(status),
            storeFacts(status),
            deletions(status),
          ]),
    );
    if (this.#before) morph(this.#body, shown);
    else fill(this.#body, ...shown.childNodes);
    this.#levels.show(levels);
  }

  #all() {
    this.#listed = ALL;
    this.#ask();
  }
}

/** @param {import("./troubles.js").Trouble[]} all */
function summary(all) {
  const items = all.map(({ isBad, text }) => h("li", { class: isBad ? "bad" : "note" }, visible(text)));
  return h(
    "div",
    { class: "status-summary", role: "status" },
    all.length === 0 ? h("p", { class: "well" }, "All is well.") : h("ul", {}, ...items),
  );
}

customElements.define("dl-status-page", StatusPage);
