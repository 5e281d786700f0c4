// What is asked: the address says it, the API takes it as parameters, and the tail as one condition.

import { parameters } from "../../base/address.js";
import { both, literal } from "../../parts/cel.js";
import { terms } from "./marks.js";
import { isView } from "../../base/viewed.js";

/** @typedef {{ q: string, filter: string, service: string, severity: string, from: string, to: string }} Question */

/** Whether new records are followed. */
export function isLive() {
  return parameters().get("live") === "true" && !isView;
}

/** @returns {Question} what the address asks for; who follows asks for any time */
export function question() {
  const all = parameters();
  const of = (/** @type {string} */ name) => all.get(name) ?? "";
  const times = isLive() ? { from: "", to: "" } : { from: of("from"), to: of("to") };
  return { q: of("q"), filter: of("filter"), service: of("service"), severity: of("severity"), ...times };
}

/**
 * A question as a condition, since the tail knows nothing else. Words are looked for in the message alone: CEL has no name for all
 * texts of a record.
 *
 * @param {Question} question
 */
export function asCondition({ q, filter, service, severity }) {
  const words = terms(q).map(({ words, isPrefix }) => {
    const pattern = `(?i)\\b${words.join("\\W+")}${isPrefix ? "" : "\\b"}`;
    return `message.matches(${literal(pattern)})`;
  });
  return both(
    severity && `severity >= ${severity.toUpperCase()}`,
    service && `service == ${literal(service)}`,
    ...words,
    filter,
  );
}

/**
 * A question that asks only for records with this value, or only for others, too.
 *
 * @param {string} filter
 * @param {string} name as in conditions
 * @param {unknown} value
 * @param {boolean} isWanted
 */
export function refined(filter, name, value, isWanted) {
  if (isWanted) return both(filter, `${name} == ${literal(value)}`);
  // A comparison with a field that is missing is neither true nor false.
  const [, map, dotted, quoted] = /^(fields|context|resource)(?:\.(\w+)|\[(".*")\])$/s.exec(name) ?? [];
  if (!map) return both(filter, `${name} != ${literal(value)}`);
  return both(filter, `!(${quoted ?? literal(dotted)} in ${map} && ${name} == ${literal(value)})`);
}
