// Find: records by words and conditions, over time, as a list that goes on into the past or, live, grows on top.

import { change, parameters } from "../../base/address.js";
import { ApiError, isAborted } from "../../base/api.js";
import { connection } from "../../base/connection.js";
import { fill, h } from "../../base/dom.js";
import { bind } from "../../base/keys.js";
import { isView } from "../../base/viewed.js";
import { readBars, SEVERITY_KINDS } from "../../parts/bars.js";
import { Histogram } from "../../parts/histogram.js";
import { keyOf } from "../../parts/record-key.js";
import { changeRange, TimeRange } from "../../parts/time-range.js";
import { FindBar } from "./bar.js";
import { columnMenu } from "./column-menu.js";
import { chosen, keep } from "./columns.js";
import { nothingFound } from "./empty.js";
import { RecordList } from "./list.js";
import { Live } from "./live.js";
import { finder } from "./marks.js";
import { RecordPanel } from "./panel.js";
import { asCondition, isLive, question, refined } from "./question.js";
import { lookUp, Results } from "./results.js";
import { said } from "./said.js";

/** The least time between two histograms while one follows, in ms. */
const BARS_EVERY = 2000;
/** So long no key moves the active record before its details are shown, in ms. */
const RESTS = 100;
/** How far around a record it is looked at first, in seconds. */
const REACH = 5;

class FindPage extends HTMLElement {
  #bar = new FindBar();
  #range = new TimeRange();
  #histogram = new Histogram();
  #results = new Results();
  #list = new RecordList();
  #panel = new RecordPanel();
  #line = h("p", { class: "find-line", role: "status" });
  #empty = h("div", { class: "find-nothing", hidden: true });
  #live = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.#toggleLive() }, "Live");
  /** @type {Live | null} */
  #following = null;
  /** @type {import("../../parts/bars.js").Bars | null} */
  #bars = null;
  /** When the next histogram may be asked, in ms. */
  #barsFrom = 0;
  #asked = new AbortController();
  /** What was asked the last time, and whether it was answered. */
  #question = "";
  #isAnswered = false;
  /** @type {number | undefined} */
  #walking;
  /** @type {import("./results.js").ApiRecord | undefined} the record whose details are shown */
  #record;
  #unbind = () => {};
  #again = () => this.#ask();
  #back = () => {
    if (isLive() || !this.#isAnswered) this.#ask();
    else if (this.#results.error) this.#results.more();
  };
  /** Nothing is followed while nobody looks. */
  #visible = () => {
    if (!isLive()) return;
    if (!document.hidden) this.#ask();
    else this.#following?.close();
  };

  connectedCallback() {
    this.#live.disabled = isView;
    if (isView) this.#live.title = "A view of a database cannot follow records as they come: ask again for what is new";
    this.#histogram.setAttribute("aria-label", "Records over time, by severity");
    on(this.#histogram, "range", (range) => {
      change({ live: "" }, { quiet: true, replace: true });
      changeRange(range);
    });
    const keys = (/** @type {string} */ map) => this.#results.keys(map);
    const choose = (/** @type {string[]} */ names) => change({ columns: keep(names) }, { replace: true });
    const columns = columnMenu(() => chosen(parameters()), keys, choose);
    this.#bar.cel.known = { keys, scope: () => ({ from: question().from, to: question().to }) };
    this.#bar.tools.append(this.#range, this.#live, columns);
    this.#bar.addEventListener("again", this.#again);
    this.#results.addEventListener("change", () => this.#show());
    this.#listen();
    this.#panel.hidden = true;
    fill(
      this,
      h("h1", { class: "sr-only" }, "Find"),
      this.#bar,
      this.#histogram,
      this.#line,
      h("div", { class: "find-body" }, h("div", { class: "find-list" }, this.#list, this.#empty), this.#panel),
    );
    connection.addEventListener("back", this.#back);
    document.addEventListener("visibilitychange", this.#visible);
    this.#unbind = bind([
      { keys: "/", about: "Words", run: () => this.#bar.focus() },
      { keys: "c", about: "Condition", run: () => this.#bar.cel.focus() },
      { keys: "l", about: "Follow new records, or not", run: () => this.#toggleLive() },
      { keys: "ArrowDown", about: "To the records; Enter opens one", run: () => this.#list.focus() },
      { keys: "Escape", about: "Close the record", run: () => this.#close() },
    ]);
    this.addressChanged();
  }

  disconnectedCallback() {
    this.#unbind();
    connection.removeEventListener("back", this.#back);
    document.removeEventListener("visibilitychange", this.#visible);
    clearTimeout(this.#walking);
    this.#asked.abort();
    this.#results.stop();
    this.#following?.close();
  }

  #listen() {
    this.#list.addEventListener("near-end", () => {
      if (this.#results.complete && !this.#results.error) this.#results.more();
    });
    on(this.#list, "open", ({ key }) => change({ record: key }, { replace: true }));
    // Who walks with the keys sees details where they are already open.
    on(this.#list, "active", ({ key }) => {
      clearTimeout(this.#walking);
      if (!this.#record) return;
      // Browsers take no more than some addresses a second.
      this.#walking = setTimeout(() => change({ record: key }, { replace: true }), RESTS);
    });
    on(this.#panel, "close", () => this.#close());
    on(this.#panel, "open", (record) => {
      this.#record = record;
      change({ record: keyOf(record) }, { replace: true });
    });
    on(this.#panel, "around", ({ around, reach }) =>
      change({ around, reach: reach === REACH ? "" : reach }, { replace: true }),
    );
    on(this.#panel, "refine", ({ name, value, isWanted }) =>
      change({ filter: refined(question().filter, name, value, isWanted) }),
    );
  }

  addressChanged() {
    this.#bar.addressChanged();
    this.#range.addressChanged();
    this.#live.setAttribute("aria-pressed", String(isLive()));
    // Who follows sees what comes, of any time.
    this.#range.toggleAttribute("inert", isLive());
    const asked = JSON.stringify([question(), isLive()]);
    if (asked !== this.#question) {
      this.#question = asked;
      this.#bars = null;
      this.#ask();
    } else {
      this.#show();
      this.#showRecord();
    }
  }

  async #ask() {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    this.#following?.close();
    this.#following = null;
    const asked = question();
    this.#isAnswered = false;
    try {
      const end = isLive() ? await Live.end(signal) : 0;
      this.#askBars(signal);
      await this.#results.ask({ ...asked });
      if (signal.aborted) return;
      this.#fail(this.#results.error);
      this.#isAnswered = !this.#results.error;
      if (isLive() && this.#isAnswered && !document.hidden) {
        this.#following = new Live((records) => {
          this.#results.add(records);
          if (performance.now() > this.#barsFrom) this.#askBars(signal);
        });
        this.#following.follow(asCondition(asked), end);
      }
    } catch (error) {
      if (!isAborted(error)) this.#fail(/** @type {Error} */ (error));
    }
    if (signal.aborted) return;
    this.#show();
    this.#showRecord();
  }

  /**
   * Shows an error where it belongs; that the daemon is gone is said by the frame.
   *
   * @param {Error | null} error
   */
  #fail(error) {
    const wrong = error instanceof ApiError && error.status !== 0 ? error : null;
    this.#bar.fail(wrong);
    if (wrong?.parameter === "from" || wrong?.parameter === "to") this.#range.refuse(wrong.parameter, wrong.message);
  }

  /** @param {AbortSignal} signal */
  async #askBars(signal) {
    this.#barsFrom = Infinity;
    const began = performance.now();
    try {
      const asked = { by: "severity", kinds: SEVERITY_KINDS, parameters: { ...question() } };
      this.#bars = await readBars(asked, this.#bars, signal);
      this.#histogram.show(this.#bars);
      this.#show();
    } catch {
      // What is wrong with the question is said by the records.
    }
    if (signal.aborted) return;
    const now = performance.now();
    this.#barsFrom = now + Math.max(BARS_EVERY, 8 * (now - began));
  }

  #show() {
    const { all, isAsking, error } = this.#results;
    this.#list.records(this.#results, chosen(parameters()), finder(question().q));
    const isEmpty = all.length === 0 && !isAsking;
    if (!isEmpty) fill(this.#empty);
    else if (this.#empty.hidden || error) fill(this.#empty, this.#nothing(error));
    this.#empty.hidden = !isEmpty;
    fill(this.#line, ...said(this.#results, this.#bars, this.#following));
  }

  /** @param {Error | null} error */
  #nothing(error) {
    if (error instanceof ApiError && error.parameter) return h("p", { class: "empty" }, "Correct what is asked above.");
    if (error) return h("p", { class: "error" }, error.message);
    if (isLive()) return h("p", { class: "empty" }, "Nothing like this yet. It appears here as soon as it comes.");
    return nothingFound(question(), this.#asked.signal);
  }

  /** Shows the record that the address names. */
  async #showRecord() {
    const all = parameters();
    const key = all.get("record") ?? "";
    this.#list.activate(key, { quiet: true });
    const known = this.#record && keyOf(this.#record) === key ? this.#record : this.#results.find(key);
    const found = known ?? (await lookUp(key, this.#asked.signal).catch(() => undefined));
    if ((parameters().get("record") ?? "") !== key || !this.isConnected) return;
    this.#record = found;
    this.#panel.hidden = !found;
    if (found) this.#panel.show(found, all.get("around") ?? "", Number(all.get("reach")) || REACH);
  }

  #close() {
    change({ record: "", around: "", reach: "" }, { replace: true });
    this.#list.focus();
  }

  #toggleLive() {
    if (isView) return;
    change({ live: !isLive() });
  }
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {(detail: any) => void} run
 */
function on(element, name, run) {
  element.addEventListener(name, (event) => run(/** @type {CustomEvent} */ (event).detail));
}

customElements.define("dl-find-page", FindPage);
