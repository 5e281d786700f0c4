// Each service has a colour, the same one on all pages.

import { h } from "./dom.js";
import { visible } from "./format.js";

/** Colours that the style sheet has. */
const COLOURS = 12;

/**
 * The class of a service's colour, told by its name.
 *
 * @param {string} service
 */
export function serviceClass(service) {
  let hash = 2166136261;
  for (let at = 0; at < service.length; at += 1) hash = Math.imul(hash ^ service.charCodeAt(at), 16777619);
  return `service-${(hash >>> 8) % COLOURS}`;
}

/** @param {string} service */
export function serviceChip(service) {
  const name = visible(service);
  return h("span", { class: `service ${serviceClass(service)}`, title: name }, name || "–");
}
