// Marks the words that were looked for.

import { h } from "../../base/dom.js";
import { visible } from "../../base/format.js";

/** The words and phrases of a text, as the daemon takes it: `"card declined" connect*`. */
const TERM = /"([^"]*)"?|(\S+)/g;

/**
 * The terms of `q`: the words of each, and whether the last may have any ending.
 *
 * @param {string} q
 */
export function terms(q) {
  const all = [];
  for (const [, phrase, word] of q.matchAll(TERM)) {
    const words = (phrase ?? word).match(/[\p{L}\p{N}_]+/gu);
    if (words) all.push({ words, isPrefix: (phrase ?? word).endsWith("*") });
  }
  return all;
}

/**
 * What finds the words of `q` in a text; `null` where nothing is to be marked.
 *
 * @param {string} q
 */
export function finder(q) {
  const all = terms(q).map(
    ({ words, isPrefix }) => words.join("[^\\p{L}\\p{N}_]+") + (isPrefix ? "[\\p{L}\\p{N}_]*" : ""),
  );
  if (all.length === 0) return null;
  return new RegExp(`(?<![\\p{L}\\p{N}_])(?:${all.join("|")})(?![\\p{L}\\p{N}_])`, "giu");
}

/**
 * A text of which only so much is shown as fits; the words in it are marked. What is far in front of the first of them is left out.
 *
 * @param {string} text
 * @param {RegExp | null} words
 * @param {number} [most] characters
 * @returns {import("../../base/dom.js").Child[]}
 */
export function marked(text, words, most = 400) {
  const near = text.length > 20_000 ? text.slice(0, 20_000) : text;
  if (!words) return [visible(near.slice(0, most))];
  words.lastIndex = 0;
  const first = words.exec(near)?.index ?? 0;
  const from = first > 40 && near.length > 80 ? first - 16 : 0;
  const seen = near.slice(from, from + most);
  /** @type {import("../../base/dom.js").Child[]} */
  const all = [from > 0 && "…"];
  let at = 0;
  words.lastIndex = 0;
  for (const found of seen.matchAll(words)) {
    all.push(visible(seen.slice(at, found.index)), h("mark", {}, visible(found[0])));
    at = found.index + found[0].length;
  }
  return [...all, visible(seen.slice(at))];
}
