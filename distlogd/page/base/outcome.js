// How tasks end and how severe records are: signs, names, colours.

import { h } from "./dom.js";

/** Signs and names of outcomes, as the command line has them. */
const OUTCOMES = {
  ok: ["✔", "ok"],
  success: ["✔", "success"],
  failed: ["✗", "failed"],
  cancelled: ["⊘", "cancelled"],
  lost: ["☠", "lost"],
  running: ["…", "running"],
  ended: ["■", "ended, nobody said how"],
  unknown: ["?", "unknown"],
};

/** The outcomes that a list is filtered by. */
export const FILTERED = ["running", "failed", "lost", "cancelled", "ok"];

/** @param {string} outcome */
export function isFailure(outcome) {
  return outcome === "failed" || outcome === "lost";
}

/**
 * @param {string} outcome
 * @returns {string} what a class or a colour is named by
 */
export function outcomeClass(outcome) {
  return outcome === "success" ? "ok" : outcome in OUTCOMES ? outcome : "unknown";
}

/** @param {string} outcome */
export function outcomeSign(outcome) {
  const [sign, name] = OUTCOMES[/** @type {keyof typeof OUTCOMES} */ (outcome)] ?? OUTCOMES.unknown;
  return h(
    "span",
    { class: `outcome outcome-${outcomeClass(outcome)}`, role: "img", "aria-label": name, title: name },
    sign,
  );
}

/**
 * The name of a severity, as in OpenTelemetry.
 *
 * @param {number} severity 1 to 24
 */
export function severityName(severity) {
  if (severity >= 21) return "FATAL";
  if (severity >= 17) return "ERROR";
  if (severity >= 13) return "WARN";
  if (severity >= 9) return "INFO";
  if (severity >= 5) return "DEBUG";
  return severity >= 1 ? "TRACE" : "";
}

/** @param {string} name as a record has it */
export function severityClass(name) {
  const upper = name.toUpperCase();
  if (upper === "CRITICAL") return "severity-fatal";
  return `severity-${upper === "WARNING" ? "warn" : upper.toLowerCase().replace(/[^a-z]/g, "")}`;
}

/** @param {string} name */
export function severitySign(name) {
  return h("span", { class: `severity ${severityClass(name)}` }, name === "WARNING" ? "WARN" : name);
}
