// Nothing was found: what can be left out of the question, and how many records there are without it.

import { change } from "../../base/address.js";
import { get } from "../../base/api.js";
import { h } from "../../base/dom.js";
import { counted, visible } from "../../base/format.js";

/**
 * @param {import("./question.js").Question} question
 * @param {AbortSignal} signal
 */
export function nothingFound(question, signal) {
  /** @type {[label: string, names: (keyof import("./question.js").Question)[]][]} */
  const all = [
    ["at any time", ["from", "to"]],
    ["without the words", ["q"]],
    ["without the condition", ["filter"]],
    [`of all services, not only ${visible(question.service)}`, ["service"]],
    ["of any severity", ["severity"]],
  ];
  const ways = all.filter(([, names]) => names.some((name) => question[name]));
  if (ways.length > 1) ways.push(["for anything", ways.flatMap(([, names]) => names)]);
  const items = ways.map(([label, names]) => {
    const without = Object.fromEntries(names.map((name) => [name, ""]));
    const number = h("span", { class: "muted" });
    get("/api/v1/stats", { ...question, ...without, timeout: "5s" }, signal)
      .then(({ records, complete }) => number.append(`${complete ? "" : "more than "}${counted(records, "record")}`))
      .catch(() => number.append("not counted"));
    return h(
      "li",
      {},
      h("button", { type: "button", class: "plain link", onclick: () => change(without) }, `Look ${label}`),
      " ",
      number,
    );
  });
  return h(
    "div",
    { class: "empty find-empty" },
    h("p", {}, ways.length ? "No record is like this." : "Nothing is stored yet."),
    ways.length ? h("ul", {}, ...items) : h("p", {}, "Records appear here as soon as a program sends some."),
  );
}
