// Two trees compared: what only one of them did, what took longer, and where they first differ.

import { ApiError, get, isAborted } from "../../base/api.js";
import { change, navigate, parameters, taskIn } from "../../base/address.js";
import { connection } from "../../base/connection.js";
import { fill, h, say } from "../../base/dom.js";
import { duration, visible } from "../../base/format.js";
import { bind } from "../../base/keys.js";
import { compareWithGood } from "../../parts/good-one.js";
import { DiffList } from "./list.js";
import { slowest } from "./rows.js";

/** @typedef {import("./rows.js").Diff} Diff */

/**
 * The id of a task in what somebody pasted: the address of its page, too.
 *
 * @param {string} text
 */
function idIn(text) {
  return taskIn(text) ?? text.trim();
}

class DiffPage extends HTMLElement {
  #a = this.#input("a");
  #b = this.#input("b");
  #said = h("div", { class: "diff-said" });
  #list = new DiffList();
  #none = h("div", { class: "empty", hidden: true });
  #fault = h("p", { class: "fault", role: "alert" });
  #full = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.#toggle() }, "Show what is alike");
  /** @type {Diff | null} */
  #diff = null;
  #asked = "";
  #asking = new AbortController();
  #unbind = () => {};
  #back = () => this.#read();

  connectedCallback() {
    this.classList.add("diff-page");
    const form = h(
      "form",
      { class: "diff-form", onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      h("h1", {}, "Compare"),
      h("label", {}, h("b", {}, "a"), this.#a),
      h(
        "button",
        { type: "button", "aria-label": "Swap a and b", title: "Swap (s)", onclick: () => this.#swap() },
        "⇄",
      ),
      h("label", {}, h("b", {}, "b"), this.#b),
      h("button", { type: "submit" }, "Compare"),
      this.#full,
    );
    fill(this, form, this.#said, h("div", { class: "list-body" }, this.#list, this.#none, this.#fault));
    this.#unbind = bind([
      { keys: "j k", about: "The row below, above (also ↓ ↑)" },
      { keys: "n", about: "The next difference", run: () => this.#list.step(1) },
      { keys: "N", about: "The difference before", run: () => this.#list.step(-1) },
      { keys: "s", about: "Swap both trees", run: () => this.#swap() },
      { keys: "e", about: "Show what is alike, or not", run: () => this.#toggle() },
      { keys: "ArrowDown", about: "Into the list", run: () => this.#list.focus() },
    ]);
    connection.addEventListener("back", this.#back);
    this.addressChanged();
  }

  disconnectedCallback() {
    this.#asking.abort();
    this.#unbind();
    connection.removeEventListener("back", this.#back);
  }

  addressChanged() {
    const now = parameters();
    const [a, b] = [now.get("a") ?? "", now.get("b") ?? ""];
    this.#full.setAttribute("aria-pressed", String(now.has("full")));
    [this.#a.value, this.#b.value] = [a, b];
    if (`${a} ${b}` !== this.#asked) {
      this.#asked = `${a} ${b}`;
      this.#read();
    } else if (this.#diff) {
      this.#list.showDiff(this.#diff, now.has("full"));
    }
  }

  async #read() {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    const [a, b] = [this.#a.value, this.#b.value];
    for (const input of [this.#a, this.#b]) input.removeAttribute("aria-invalid");
    say(this.#fault, "");
    this.#none.hidden = Boolean(a && b);
    this.#list.hidden = this.#said.hidden = !(a && b);
    if (!a || !b) {
      this.#explain(a || b);
      return;
    }
    try {
      /** @type {Diff} */
      const diff = await get("/api/v1/diff", { a, b }, signal);
      this.#show(diff, 0);
      for (let { next } = diff; next;) {
        /** @type {Diff} */
        const part = await get("/api/v1/diff", { a, b, cursor: next }, signal);
        const before = diff.nodes.length;
        diff.nodes.push(...part.nodes);
        ({ next } = part);
        this.#show(diff, before);
      }
    } catch (error) {
      if (isAborted(error)) return;
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 0) return;
      this.#diff = null;
      this.#list.hidden = this.#said.hidden = true;
      say(this.#fault, error.message);
      const wrong = [this.#a, this.#b].filter(
        ({ name, value }) => name === error.parameter || error.message.includes(value),
      );
      for (const input of wrong) input.setAttribute("aria-invalid", "true");
    }
  }

  /**
   * @param {Diff} diff
   * @param {number} shown so many of its nodes were shown before
   */
  #show(diff, shown) {
    const first = diff.first_difference;
    const reached = first && shown <= first.node && first.node < diff.nodes.length;
    this.#diff = diff;
    this.#list.showDiff(diff, parameters().has("full"));
    const most = slowest(diff);
    if (reached || shown === 0) this.#list.reach(first?.node ?? Math.max(0, most));
    const node = diff.nodes[most];
    const go = (/** @type {number} */ at) => () => this.#list.reach(at);
    fill(
      this.#said,
      first
        ? h(
            "button",
            { type: "button", class: "plain diff-jump", onclick: go(first.node), title: "Go there" },
            h("b", {}, `First difference after ${duration(first.offset_ns)}: `),
            visible(first.text),
          )
        : h("p", {}, h("b", {}, "Both did the same.")),
      node &&
        h(
          "button",
          { type: "button", class: "plain diff-jump", onclick: go(most), title: "Go there" },
          h("b", {}, "Largest difference of time: "),
          `${visible(node.template)} · ${visible(node.service)}, `,
          `${duration(node.a?.duration_ns)} → ${duration(node.b?.duration_ns)}`,
        ),
    );
  }

  /** @param {string} id of the only task that is known, or "" */
  #explain(id) {
    const why = h("p", { role: "status" });
    const withGood = async () => {
      try {
        const found = await compareWithGood(id, this.#asking.signal);
        if (found.href) navigate(found.href);
        else say(why, found.why ?? "");
      } catch (error) {
        if (isAborted(error)) return;
        if (!(error instanceof ApiError)) throw error;
        say(why, error.message);
      }
    };
    fill(
      this.#none,
      h("p", {}, "Paste the ids or the addresses of two tasks above: say, a bad one as a and a good one as b."),
      id && h("button", { type: "button", onclick: withGood }, "Take the newest good one of the same name"),
      why,
    );
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    change({ a: idIn(this.#a.value), b: idIn(this.#b.value) });
  }

  #swap() {
    change({ a: idIn(this.#b.value), b: idIn(this.#a.value) });
  }

  #toggle() {
    change({ full: !parameters().has("full") }, { replace: true });
  }

  /** @param {"a" | "b"} name */
  #input(name) {
    const about = name === "a" ? "The first task" : "The second task";
    return h("input", { name, class: "mono", "aria-label": about, placeholder: "id of a task", spellcheck: "false" });
  }
}

customElements.define("dl-diff-page", DiffPage);
