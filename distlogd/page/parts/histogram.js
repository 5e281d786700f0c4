// Bars over time, stacked by kind. A span of time is brushed with the mouse, or with the arrow keys, Shift and Enter.

import { fill, h, say, svg } from "../base/dom.js";
import { count, duration, fullTime, shortTime, zone } from "../base/format.js";
import { bind } from "../base/keys.js";
import { ticks } from "./ticks.js";

/** @typedef {import("./bars.js").Bars} Bars */

/** The least width that a tick of the axis has, in pixels. */
const TICK = 84;

/**
 * `<dl-histogram>`, named by `aria-label`. Its height never changes. Event: `range`, with `from` and `to` in ns in `detail`.
 */
export class Histogram extends HTMLElement {
  /** What else is to be said of the counts. */
  note = "";
  /** @type {Bars | null} */
  #bars = null;
  /** The bar under the mouse or the keyboard, or -1. */
  #at = -1;
  /** Where brushing began, or -1. */
  #anchor = -1;
  #legend = h("div", { class: "histogram-legend" });
  #said = h("span", { class: "histogram-said" });
  #chart = svg("svg", { class: "histogram-chart", "aria-hidden": true, preserveAspectRatio: "none" });
  #most = h("span", { class: "histogram-most", "aria-hidden": true });
  #brush = h("div", { class: "histogram-brush", hidden: true });
  #plot = h(
    "div",
    {
      class: "histogram-plot",
      role: "slider",
      tabindex: 0,
      "aria-valuemin": 0,
      "aria-valuenow": 0,
      "aria-description": "Arrow keys move from bar to bar, Shift with them brushes, Enter shows only that time.",
    },
    this.#chart,
    this.#most,
    this.#brush,
  );
  #axis = h("div", { class: "histogram-axis", "aria-hidden": true });
  #resized = new ResizeObserver(() => this.#drawAxis());
  #unbind = () => {};

  connectedCallback() {
    this.classList.add("histogram");
    fill(this, h("div", { class: "histogram-head" }, this.#legend, this.#said), this.#plot, this.#axis);
    this.#plot.setAttribute("aria-label", this.getAttribute("aria-label") ?? "Over time");
    this.removeAttribute("aria-label");
    this.#plot.addEventListener("pointerdown", this.#onDown);
    this.#plot.addEventListener("pointermove", this.#onMove);
    this.#plot.addEventListener("pointerup", this.#onUp);
    this.#plot.addEventListener("pointercancel", this.#leave);
    this.#plot.addEventListener("pointerleave", this.#onLeave);
    this.#plot.addEventListener("keydown", this.#onKey);
    this.#plot.addEventListener("blur", this.#leave);
    this.#resized.observe(this.#plot);
    this.#unbind = bind([
      { keys: "Shift ArrowLeft ArrowRight", about: "Histogram: brush a span of time; Enter shows only that" },
    ]);
    this.#draw();
  }

  disconnectedCallback() {
    this.#resized.disconnect();
    this.#unbind();
  }

  /**
   * Shows other bars; a brush that is being drawn stays at its times.
   *
   * @param {Bars} bars
   */
  show(bars) {
    const before = this.#bars;
    const moved = (/** @type {number} */ bar) => {
      if (bar < 0 || !before) return -1;
      const now = Math.round((before.from + bar * before.every - bars.from) / bars.every);
      return Math.min(bars.counts[0].length - 1, Math.max(0, now));
    };
    [this.#at, this.#anchor] = [moved(this.#at), moved(this.#anchor)];
    this.#bars = bars;
    this.#draw();
  }

  #draw() {
    if (this.#bars) {
      const { kinds, counts } = this.#bars;
      const bars = counts[0].length;
      const sums = counts[0].map((_, bar) => counts.reduce((sum, of) => sum + of[bar], 0));
      const most = Math.max(1, ...sums);
      const below = new Array(bars).fill(0);
      const paths = kinds.map((kind, at) => {
        let path = "";
        counts[at].forEach((value, bar) => {
          if (!value) return;
          // One of thousands is seen, too.
          const height = Math.max(value / most, 0.03);
          path += `M${bar + 0.08} ${1 - below[bar]}v${-height}h0.84v${height}z`;
          below[bar] += height;
        });
        return svg("path", { class: kind.colour, d: path });
      });
      const tallest = Math.max(1, ...below);
      this.#chart.setAttribute("viewBox", `0 ${1 - tallest} ${bars} ${tallest}`);
      fill(this.#chart, ...paths);
      say(this.#most, count(most));
    }
    this.#drawAxis();
    this.#drawChosen();
  }

  #drawAxis() {
    if (!this.#bars) return;
    const { from, every, counts } = this.#bars;
    const to = from + every * counts[0].length;
    const width = this.#plot.clientWidth;
    const marks = ticks(from, to, Math.max(2, Math.floor(width / TICK))).map(({ at, text }) => {
      const left = ((at - from) / (to - from)) * width;
      const mark = h("span", { class: "histogram-tick" }, left + TICK / 2 < width && text);
      mark.style.left = `${left}px`;
      return mark;
    });
    fill(this.#axis, ...marks);
  }

  /** What is brushed: the first bar, and the one behind the last. */
  get #chosen() {
    const other = this.#anchor < 0 ? this.#at : this.#anchor;
    return [Math.min(this.#at, other), Math.max(this.#at, other) + 1];
  }

  #drawChosen() {
    const bars = this.#bars;
    if (!bars) return;
    const all = bars.counts[0].length;
    const [first, last] = this.#at < 0 ? [0, all] : this.#chosen;
    const sums = bars.kinds.map((_, kind) => bars.counts[kind].slice(first, last).reduce((sum, one) => sum + one, 0));
    this.#brush.hidden = this.#at < 0;
    this.#brush.classList.toggle("brushing", this.#anchor >= 0);
    this.#brush.style.left = `${(first / all) * 100}%`;
    this.#brush.style.width = `${((last - first) / all) * 100}%`;
    if (this.#legend.childElementCount !== bars.kinds.length) {
      const entries = bars.kinds.map(({ name, colour }) =>
        h("span", { class: `histogram-kind ${colour}` }, h("span", {}, name), h("b", { class: "number" })),
      );
      fill(this.#legend, ...entries);
    }
    bars.kinds.forEach((_, kind) => {
      const entry = this.#legend.children[kind];
      entry.classList.toggle("none", !sums[kind]);
      say(/** @type {Element} */ (entry.lastElementChild), count(sums[kind]));
    });
    const from = bars.from + first * bars.every;
    const to = bars.from + last * bars.every;
    const note = this.note && `${this.note} · `;
    say(this.#said, `${note}${shortTime(from)} – ${shortTime(to)} · ${duration(bars.every)} a bar`);
    this.#said.title = `${fullTime(from)} – ${fullTime(to)} (${zone})`;
    const counts = bars.kinds.map(({ name }, kind) => `${count(sums[kind])} ${name}`);
    this.#plot.setAttribute("aria-valuemax", String(all - 1));
    this.#plot.setAttribute("aria-valuenow", String(Math.max(0, this.#at)));
    this.#plot.setAttribute("aria-valuetext", `${fullTime(from)} to ${fullTime(to)}: ${counts.join(", ")}`);
  }

  /** Tells what is brushed. */
  #choose() {
    const bars = this.#bars;
    if (!bars || this.#at < 0) return;
    const [first, last] = this.#chosen;
    const detail = { from: bars.from + first * bars.every, to: bars.from + last * bars.every };
    this.#leave();
    this.dispatchEvent(new CustomEvent("range", { detail }));
  }

  #leave = () => {
    this.#at = this.#anchor = -1;
    this.#drawChosen();
  };

  /** @param {PointerEvent} event */
  #barAt(event) {
    const box = this.#plot.getBoundingClientRect();
    const bars = this.#bars?.counts[0].length ?? 0;
    return Math.min(bars - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * bars)));
  }

  /** @param {PointerEvent} event */
  #onDown = (event) => {
    if (event.button !== 0 || !this.#bars) return;
    this.#plot.setPointerCapture(event.pointerId);
    this.#at = this.#anchor = this.#barAt(event);
    this.#drawChosen();
  };

  /** @param {PointerEvent} event */
  #onMove = (event) => {
    if (!this.#bars) return;
    this.#at = this.#barAt(event);
    this.#drawChosen();
  };

  #onUp = () => {
    if (this.#anchor >= 0) this.#choose();
  };

  #onLeave = () => {
    if (this.#anchor < 0) this.#leave();
  };

  /** @param {KeyboardEvent} event */
  #onKey = (event) => {
    if (!this.#bars || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.#bars.counts[0].length - 1;
    const at = this.#at < 0 ? last : this.#at;
    /** @type {Record<string, number>} */
    const moves = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      PageUp: at - 10,
      PageDown: at + 10,
      Home: 0,
      End: last,
    };
    if (event.key in moves) {
      if (!event.shiftKey) this.#anchor = -1;
      else if (this.#anchor < 0) this.#anchor = at;
      this.#at = Math.min(last, Math.max(0, moves[event.key]));
      this.#drawChosen();
    } else if (event.key === "Enter") {
      this.#choose();
    } else if (event.key === "Escape" && this.#at >= 0) {
      this.#leave();
    } else {
      return;
    }
    event.preventDefault();
  };
}

customElements.define("dl-histogram", Histogram);
