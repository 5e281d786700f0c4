// A button that copies a text, and says that it did.

import { h, say } from "../base/dom.js";

/** How long it says so, in ms. */
const SAID = 1500;

/**
 * @param {string} label
 * @param {() => string | Promise<string>} text what is copied
 * @param {{ title?: string }} [how]
 */
export function copyButton(label, text, { title } = {}) {
  const words = h("span", {}, label);
  /** @type {number | undefined} */
  let timer;
  const copy = async () => {
    clearTimeout(timer);
    try {
      await navigator.clipboard.writeText(await text());
      say(words, "Copied");
    } catch (error) {
      say(words, "Not copied");
      button.title = error instanceof Error ? error.message : String(error);
    }
    timer = setTimeout(() => say(words, label), SAID);
  };
  const button = h("button", { class: "copy", type: "button", title, onclick: copy, "aria-live": "polite" }, words);
  return button;
}
