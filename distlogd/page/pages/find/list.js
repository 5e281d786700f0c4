// The list of records: a grid with a column for each thing that is shown; where there is little room, two lines a record.

import { fill, h } from "../../base/dom.js";
import { VirtualList } from "../../parts/virtual-list.js";
import { cell, widths } from "./columns.js";

const NARROW = matchMedia("(max-width: 700px)");
/** Heights of a row and of the header, in pixels. */
const WIDE_ROW = 28;
const NARROW_ROW = 52;
const HEADER = 28;

/** `<dl-record-list>`. Events are those of the list. */
export class RecordList extends VirtualList {
  #header = h("div", { role: "row", class: "find-header" });
  /** @type {import("./results.js").Found[]} */
  #all = [];
  /** @type {string[]} */
  #columns = [];
  /** @type {RegExp | null} */
  #words = null;
  #drawn = "";
  #indexOf = (/** @type {string} */ _) => -1;
  #onWidth = () => this.#show();

  /** @override */
  connectedCallback() {
    this.setAttribute("role", "grid");
    this.setAttribute("aria-label", "Records");
    this.setAttribute("aria-rowcount", "-1");
    if (!this.#header.isConnected) this.prepend(this.#header);
    super.connectedCallback();
    NARROW.addEventListener("change", this.#onWidth);
  }

  /** @override */
  disconnectedCallback() {
    super.disconnectedCallback();
    NARROW.removeEventListener("change", this.#onWidth);
  }

  /**
   * @param {import("./results.js").Results} results
   * @param {string[]} columns
   * @param {RegExp | null} words
   */
  records(results, columns, words) {
    this.#all = results.all;
    this.#indexOf = (key) => results.indexOf(key);
    this.#columns = columns;
    this.#words = words;
    this.#show();
  }

  #show() {
    const isNarrow = NARROW.matches;
    this.classList.toggle("narrow", isNarrow);
    this.rowHeight = isNarrow ? NARROW_ROW : WIDE_ROW;
    this.headerHeight = isNarrow ? 0 : HEADER;
    const drawn = `${isNarrow} ${this.#columns} ${this.#words?.source}`;
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.style.setProperty("--columns", widths(this.#columns));
      fill(
        this.#header,
        ...this.#columns.map((name) => h("span", { role: "columnheader", class: `cut head-${name}` }, name)),
      );
    }
    const all = this.#all;
    this.show({
      count: all.length,
      key: (index) => all[index].key,
      stamp: () => drawn,
      indexOf: this.#indexOf,
      row: (index) => {
        const { record } = all[index];
        return {
          children: this.#columns.map((name) => cell(record, name, this.#words)),
          attributes: { "aria-rowindex": index + 2, "data-level": record.levelname },
        };
      },
    });
  }
}

customElements.define("dl-record-list", RecordList);
