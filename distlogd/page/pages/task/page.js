// The page of a task: its tree on a time axis or its records in order of time, the details of what is selected, and a search. All of it is
// in the address.

import { change, parameters, taskIn } from "../../base/address.js";
import { fill, h, say } from "../../base/dom.js";
import { count } from "../../base/format.js";
import { bind } from "../../base/keys.js";
import "../../parts/virtual-list.js";
import { TaskDetails } from "./details.js";
import { deepestFailure } from "./folding.js";
import { TaskHead } from "./head.js";
import { TaskLog } from "./log.js";
import { NONE, Trace } from "./model.js";
import { TaskSearch } from "./search-box.js";
import { matches, nextMatch, pattern } from "./search.js";
import { TraceSource } from "./source.js";
import { TaskTree } from "./tree.js";

/** What is read within so many ms is shown when it is whole. */
const MOMENT = 200;

/** So long no key moves the selection before the address has it, in ms. */
const RESTS = 100;

class TaskPage extends HTMLElement {
  #id = "";
  /** @type {TraceSource | undefined} */
  #source;
  #view = "tree";
  /** The key of what is selected, and whether somebody chose it. */
  #selected = "";
  #isChosen = false;
  /** @type {RegExp | null} */
  #wanted = null;
  #found = /** @type {number[]} */ ([]);
  #drawing = 0;
  /** @type {number | undefined} */
  #walking;
  #chosenAt = -Infinity;
  #skipped = 0;

  #head = new TaskHead();
  #tree = new TaskTree();
  #log = new TaskLog();
  #details = new TaskDetails();
  #search = new TaskSearch();
  #note = h("span", { class: "task-note", role: "status" });
  #message = h("div", { class: "empty", hidden: true });
  #treeButton = this.#viewButton("Tree", "");
  #logButton = this.#viewButton("Log", "log");
  #unbind = () => {};

  constructor() {
    super();
    for (const view of [this.#tree, this.#log]) {
      view.addEventListener("selected", (event) => this.#choose(/** @type {CustomEvent} */ (event).detail.key));
      view.addEventListener("opened", () => this.#showDetails(true));
    }
    this.#tree.addEventListener("unfold", () => this.#fold((folding) => folding.openAll()));
    this.#tree.addEventListener("fold", () => this.#fold((folding) => folding.foldToFailed()));
    this.#tree.addEventListener("more", () => this.#source?.more());
    this.#head.addEventListener("failure", () => this.#nextFailure());
    this.#details.addEventListener("closed", () => this.#showDetails(false));
    this.#details.addEventListener("zoom", () => this.#tree.zoom(this.#selected));
    this.#details.addEventListener("chosen", (event) => this.#goTo(/** @type {CustomEvent} */ (event).detail.key));
    this.#search.addEventListener("search", (event) => {
      change({ q: /** @type {CustomEvent} */ (event).detail.words }, { replace: true, quiet: true });
      this.#searches();
    });
    this.#search.addEventListener("step", (event) => this.#step(/** @type {CustomEvent} */ (event).detail.step));
    this.#search.addEventListener("left", () => this.#shownView().takeFocus());
  }

  connectedCallback() {
    if (!this.firstChild) {
      const views = h(
        "div",
        { class: "task-views", role: "group", "aria-label": "View" },
        this.#treeButton,
        this.#logButton,
      );
      fill(
        this,
        this.#head,
        h("div", { class: "task-tools" }, views, this.#search, this.#note),
        h("div", { class: "task-body" }, this.#message, this.#tree, this.#log, this.#details),
      );
    }
    this.#unbind = bind([
      { keys: "/", about: "Search in this trace", run: () => this.#search.takeFocus() },
      { keys: "n", about: "Next match", run: () => this.#step(1) },
      { keys: "N", about: "Match before", run: () => this.#step(-1) },
      { keys: "ArrowLeft", about: "Fold the task, or go to the one above" },
      { keys: "ArrowRight", about: "Open the task, or go into it" },
      { keys: "e", about: "Open all", run: () => this.#fold((folding) => folding.openAll()) },
      { keys: "*", about: "Open all", run: () => this.#fold((folding) => folding.openAll()) },
      { keys: "c", about: "Fold all but what failed", run: () => this.#fold((folding) => folding.foldToFailed()) },
      { keys: "f", about: "Next failed task", run: () => this.#nextFailure() },
      { keys: "z", about: "Show only the time of the task, or all again", run: () => this.#tree.zoom(this.#selected) },
      { keys: "v", about: "Tree or log", run: () => change({ view: this.#view === "log" ? "" : "log" }) },
      { keys: "Enter", about: "Show the details" },
      { keys: "Escape", about: "Close the details", run: () => this.#showDetails(false) },
    ]);
    this.addressChanged();
  }

  disconnectedCallback() {
    this.#unbind();
    clearTimeout(this.#walking);
    this.#source?.close();
    this.#source = undefined;
    this.#id = "";
  }

  addressChanged() {
    const id = taskIn(location.pathname) ?? "";
    const { span, record, view, q } = Object.fromEntries(parameters());
    this.#view = view === "log" ? "log" : "tree";
    this.#tree.hidden = this.#view !== "tree";
    this.#log.hidden = this.#view !== "log";
    this.#treeButton.setAttribute("aria-pressed", String(this.#view === "tree"));
    this.#logButton.setAttribute("aria-pressed", String(this.#view === "log"));
    this.#search.words = q ?? "";
    this.#isChosen = Boolean(span);
    if (span) this.#selected = record ? `${span}:${record}` : span;
    if (id !== this.#id) this.#load(id);
    else if (this.#source?.isWhole) {
      this.#showViews();
      this.#searches({ move: false });
      this.#showSelected();
    }
  }

  /** @param {string} id */
  #load(id) {
    this.#id = id;
    clearTimeout(this.#walking);
    this.#source?.close();
    this.#skipped = 0;
    if (!this.#isChosen) this.#selected = "";
    this.#head.clear();
    this.#showDetails(false);
    this.#found = [];
    this.#tree.folding.update(new Trace());
    this.#tree.axis.reset();
    this.#tree.update();
    this.#log.update(this.#tree.trace);
    this.#say("");
    this.toggleAttribute("data-loading", true);
    const source = new TraceSource(id);
    const began = performance.now();
    this.#source = source;
    source.addEventListener("part", () => {
      // What is read in a moment is shown when it is whole.
      if (performance.now() - began < MOMENT) return;
      // Pieces come faster than anybody sees them.
      this.#drawing ||= requestAnimationFrame(() => {
        this.#drawing = 0;
        if (source === this.#source && !source.isWhole) this.#showPart(source.trace);
      });
    });
    source.addEventListener("trace", () => this.#showTrace(source.trace));
    source.addEventListener("missing", () =>
      this.#say("Nothing of this task is stored yet. It is shown when its first record comes."),
    );
    source.addEventListener("failed", (event) =>
      this.#say(/** @type {CustomEvent} */ (event).detail.error.message, true),
    );
    source.addEventListener("skipped", (event) => {
      this.#skipped += /** @type {CustomEvent} */ (event).detail.records;
      this.#showNote();
    });
  }

  /** @param {Trace} trace what has come of it */
  #showPart(trace) {
    if (trace.count === 0) return;
    this.#say("");
    this.toggleAttribute("data-loading", false);
    this.#tree.folding.update(trace);
    this.#tree.update();
    this.#head.show(trace, this.#id);
    say(this.#note, trace.expected > trace.count ? `${count(trace.count)} of ${count(trace.expected)} read` : "");
  }

  /** @param {Trace} trace */
  #showTrace(trace) {
    const before = this.#tree.trace;
    this.toggleAttribute("data-loading", false);
    const isFirst = !before.isFinished || before === trace;
    this.#say(trace.count === 0 ? "Nothing of this task is stored." : "");
    this.#tree.folding.update(trace);
    if (isFirst) this.#tree.folding.openFirst();
    else this.#markNew(before, trace);
    this.#head.show(trace, this.#id);
    this.#showViews();
    this.#searches({ move: false });
    this.#showNote();
    if (!this.#isChosen) {
      // The cause is mostly where it failed first, which is deepest.
      const failure = deepestFailure(trace);
      if (failure !== NONE) this.#selected = trace.key(failure);
    }
    if (isFirst) this.#showSelected();
    else if (!this.#details.hidden) this.#details.show(trace, this.#selected);
    const isFree = document.activeElement === document.body || document.activeElement === this.parentElement;
    if (isFirst && isFree) this.#shownView().takeFocus();
  }

  #showViews() {
    if (this.#view === "log") {
      this.#log.wanted = this.#wanted;
      this.#log.update(this.#tree.trace);
    } else {
      this.#tree.wanted = this.#wanted;
      this.#tree.update();
    }
  }

  #shownView() {
    return this.#view === "log" ? this.#log : this.#tree;
  }

  /**
   * @param {Trace} before
   * @param {Trace} trace
   */
  #markNew(before, trace) {
    const fresh = [];
    for (let place = 0; place < trace.count && fresh.length < 1000; place += 1) {
      if (before.lacks(trace, place)) fresh.push(trace.key(place));
    }
    this.#tree.markNew(fresh);
  }

  #showNote() {
    const skipped = this.#skipped > 0 ? `${count(this.#skipped)} skipped: they came faster than they were read` : "";
    const live = this.#tree.trace.running > 0 ? "Live" : "";
    say(this.#note, [live, skipped].filter(Boolean).join(" · "));
    this.#note.classList.toggle("live", live !== "");
  }

  /**
   * @param {string} message
   * @param {boolean} [isError]
   */
  #say(message, isError = false) {
    this.#message.hidden = message === "";
    if (message) this.toggleAttribute("data-loading", false);
    this.#message.className = isError ? "error" : "empty";
    say(this.#message, message);
  }

  /** @param {string} key of a row that somebody chose */
  #choose(key) {
    this.#selected = key;
    this.#isChosen = true;
    const [span, record] = key.split(":");
    clearTimeout(this.#walking);
    const put = () => change({ span, record }, { replace: true, quiet: true });
    // Of a key that is held down browsers take no more than some addresses a second.
    if (performance.now() - this.#chosenAt > RESTS) put();
    else this.#walking = setTimeout(put, RESTS);
    this.#chosenAt = performance.now();
    this.#showDetails(true);
    this.#tellMatch();
  }

  /** @param {string} key of a row that is to be chosen and seen */
  #goTo(key) {
    this.#shownView().select(key);
    this.#choose(key);
  }

  /** Brings what is selected into sight. */
  #showSelected() {
    if (!this.#selected) return;
    // On a small screen the details would hide the tree that nobody has seen yet.
    if (this.#isChosen || !matchMedia("(max-width: 699px)").matches) this.#showDetails(true, { centre: true });
    this.#shownView().select(this.#selected);
    this.#tellMatch();
  }

  /**
   * @param {boolean} shown
   * @param {{ centre?: boolean }} [how] where the row of them is scrolled to
   */
  #showDetails(shown, { centre = false } = {}) {
    const isShown = shown && this.#tree.trace.placeOf(this.#selected) !== NONE;
    const wasHidden = this.#details.hidden;
    if (!isShown && this.#details.contains(document.activeElement)) this.#shownView().takeFocus();
    this.#details.hidden = !isShown;
    if (!isShown) return;
    this.#details.show(this.#tree.trace, this.#selected);
    // They take room: what is selected stays in sight.
    if (wasHidden) this.#shownView().select(this.#selected, { centre });
  }

  /** @param {(folding: import("./folding.js").Folding) => void} how */
  #fold(how) {
    if (this.#view !== "tree") return;
    how(this.#tree.folding);
    this.#tree.update();
    if (this.#selected) this.#tree.select(this.#selected);
  }

  #nextFailure() {
    const trace = this.#tree.trace;
    if (trace.failed === 0) return;
    const from = trace.placeOf(this.#selected);
    for (let step = 1; step <= trace.count; step += 1) {
      const place = (from + step) % trace.count;
      if (!trace.isFailed(place)) continue;
      this.#goTo(trace.key(place));
      return;
    }
  }

  /** @param {{ move?: boolean }} [how] `move`: goes to the first match */
  #searches({ move = true } = {}) {
    const trace = this.#tree.trace;
    this.#wanted = pattern(this.#search.words);
    let found = matches(trace, this.#wanted);
    if (this.#view === "log") found = found.filter((place) => !trace.isTask(place));
    this.#found = found;
    this.#showViews();
    const from = trace.placeOf(this.#selected);
    if (move && found.length > 0 && !found.includes(from)) this.#goTo(trace.key(found[nextMatch(found, from, 1)]));
    else this.#tellMatch();
  }

  #tellMatch() {
    this.#search.says(this.#found.indexOf(this.#tree.trace.placeOf(this.#selected)), this.#found.length);
  }

  /** @param {1 | -1} step */
  #step(step) {
    const trace = this.#tree.trace;
    const next = nextMatch(this.#found, trace.placeOf(this.#selected), step);
    if (next >= 0) this.#goTo(trace.key(this.#found[next]));
  }

  /**
   * @param {string} label
   * @param {string} view
   */
  #viewButton(label, view) {
    return h("button", { type: "button", title: `${label} (v)`, onclick: () => change({ view }) }, label);
  }
}

customElements.define("dl-task-page", TaskPage);
