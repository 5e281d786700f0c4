// The line between two columns. It is moved with the mouse or by keys, and stays where it was put.

import { h } from "../../base/dom.js";

/** In percent of the width. */
const LEAST = 20;
const MOST = 80;
const STEP = 2;

/**
 * @param {HTMLElement} within a container of sizes; its custom property `--split` is set
 * @param {{ label: string, name: string, first: number }} how `name` is what the place is remembered by
 */
export function splitter(within, { label, name, first }) {
  const element = h("div", {
    class: "splitter",
    role: "separator",
    tabindex: 0,
    "aria-orientation": "vertical",
    "aria-label": label,
    "aria-valuemin": LEAST,
    "aria-valuemax": MOST,
  });
  let at = first;
  const put = (/** @type {number} */ wanted) => {
    at = Math.min(MOST, Math.max(LEAST, wanted));
    within.style.setProperty("--split", `${at}cqw`);
    element.setAttribute("aria-valuenow", String(Math.round(at)));
    localStorage.setItem(name, String(at));
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  element.addEventListener("pointermove", (event) => {
    if (!element.hasPointerCapture(event.pointerId)) return;
    const { left, width } = within.getBoundingClientRect();
    put(((event.clientX - left) / width) * 100);
  });
  element.addEventListener("dblclick", () => put(first));
  element.addEventListener("keydown", (event) => {
    /** @type {Record<string, number>} */
    const moves = { ArrowLeft: at - STEP, ArrowRight: at + STEP, Home: LEAST, End: MOST };
    if (!(event.key in moves)) return;
    event.preventDefault();
    put(moves[event.key]);
  });
  put(Number(localStorage.getItem(name)) || first);
  return element;
}
