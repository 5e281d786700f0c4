// Keys of the page. `?` shows all that count now.

import { h } from "./dom.js";

/**
 * @typedef {object} Key
 * @property {string} keys as `KeyboardEvent.key` has it; two behind each other with a space between: `g t`
 * @property {string} about what it does
 * @property {(event: KeyboardEvent) => void} [run] left out where an element takes the key itself
 */

/** @type {Set<Key[]>} */
const groups = new Set();
let before = "";
let beforeAt = 0;

/**
 * Makes keys count until the returned function is called.
 *
 * @param {Key[]} keys
 */
export function bind(keys) {
  groups.add(keys);
  return () => groups.delete(keys);
}

/** Listens to the keyboard. */
export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) && event.key !== "Escape") return;
    // These take their keys themselves.
    if (document.querySelector("dialog[open], :popover-open") || isScrolled(event)) return;
    const both = event.timeStamp - beforeAt < 1000 ? `${before} ${event.key}` : "";
    const all = [...groups].reverse().flat();
    const key = all.find((key) => key.run && key.keys === both) ?? all.find((key) => key.run && key.keys === event.key);
    before = event.key;
    beforeAt = event.timeStamp;
    if (!key?.run) return;
    event.preventDefault();
    key.run(event);
  });
}

/**
 * Whether the key scrolls what has the focus.
 *
 * @param {KeyboardEvent} event
 */
function isScrolled({ key, target }) {
  if (!key.startsWith("Arrow") || !(target instanceof HTMLElement) || target.tabIndex !== 0) return false;
  return /auto|scroll/.test(getComputedStyle(target).overflowY) && target.scrollHeight > target.clientHeight;
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

const NAMES = /** @type {Record<string, string>} */ ({
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  Escape: "Esc",
});

/** Shows the keys. */
export function showKeys() {
  const rows = [...groups]
    .flat()
    .map((key) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, ...key.keys.split(" ").flatMap((one) => [h("kbd", {}, NAMES[one] ?? one), " "])),
        h("td", {}, key.about),
      ),
    );
  const dialog = h(
    "dialog",
    { class: "keys", "aria-label": "Keys", onclose: () => dialog.remove() },
    h("form", { method: "dialog" }, h("h2", {}, "Keys"), h("button", { class: "plain" }, "Close")),
    h("table", {}, h("tbody", {}, ...rows)),
  );
  document.body.append(dialog);
  dialog.showModal();
}
