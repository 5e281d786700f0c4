// Chooses the columns of the list: what all records have, and the fields of those that are shown.

import { fill, h } from "../../base/dom.js";
import { visible } from "../../base/format.js";
import { entry } from "../../parts/cel.js";
import { CHOICES, DEFAULT } from "./columns.js";

/**
 * A button that opens the menu.
 *
 * @param {() => string[]} chosen
 * @param {(map: string) => Iterable<string>} keys of fields that were seen
 * @param {(names: string[]) => void} choose
 */
export function columnMenu(chosen, keys, choose) {
  const boxes = h("div", { class: "column-boxes" });
  const draw = () => {
    const names = chosen();
    const of = (/** @type {string} */ map) => [...keys(map)].sort().map((key) => entry(map, key));
    const all = new Set([...CHOICES, ...names, ...of("fields"), ...of("context"), ...of("resource")]);
    fill(
      boxes,
      ...[...all].map((name) =>
        h(
          "label",
          { class: "cut" },
          h("input", {
            type: "checkbox",
            checked: names.includes(name),
            onchange: (/** @type {Event} */ event) => {
              const { checked } = /** @type {HTMLInputElement} */ (event.target);
              choose(checked ? [...chosen(), name] : chosen().filter((one) => one !== name));
            },
          }),
          " ",
          visible(name),
        ),
      ),
    );
  };
  const reset = () => {
    choose(DEFAULT);
    draw();
  };
  const menu = h(
    "div",
    { class: "column-menu", id: "column-menu", popover: "auto", role: "dialog", "aria-label": "Columns" },
    h(
      "p",
      { class: "column-head" },
      h("b", {}, "Columns"),
      h("button", { type: "button", class: "plain", onclick: reset }, "As at first"),
    ),
    boxes,
  );
  const button = h("button", { type: "button", popovertarget: "column-menu", "aria-haspopup": "dialog" }, "Columns");
  menu.addEventListener("toggle", () => {
    if (!menu.matches(":popover-open")) return;
    draw();
    const { left, bottom } = button.getBoundingClientRect();
    menu.style.top = `${bottom + 4}px`;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - menu.offsetWidth - 8))}px`;
    boxes.querySelector("input")?.focus();
  });
  return h("span", {}, button, menu);
}
