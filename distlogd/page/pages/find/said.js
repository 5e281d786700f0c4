// The line above the list: how many records there are, and what is not shown of them.

import { h } from "../../base/dom.js";
import { count, counted } from "../../base/format.js";
import { question } from "./question.js";

/**
 * @param {import("./results.js").Results} results
 * @param {import("../../parts/bars.js").Bars | null} bars
 * @param {import("./live.js").Live | null} following
 * @returns {import("../../base/dom.js").Child[]}
 */
export function said(results, bars, following) {
  const { all, isAsking, complete, hasMore, error } = results;
  if (following) {
    return [
      h("b", { class: "following" }, "Following"),
      ", newest on top",
      question().q && ". Words are looked for in messages alone while you follow",
      following.skipped > 0 && `. ${count(following.skipped)} skipped: more come than can be read, this is a sample`,
    ];
  }
  if (error) return [all.length > 0 && error.message];
  const isPartial = !isAsking && !complete && hasMore;
  const more = h("button", { type: "button", class: "plain link", onclick: () => results.more() }, "Go on");
  return [
    bars &&
      all.length > 0 &&
      `${counted(
        bars.counts.flat().reduce((sum, one) => sum + one, 0),
        "record",
      )}, newest on top`,
    isPartial && ". The time was over before all records were looked at. ",
    isPartial && more,
  ];
}
