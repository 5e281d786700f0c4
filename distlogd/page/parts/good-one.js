// Finds a task that went well, to compare a bad one with.

import { address, get, taskPath } from "../base/api.js";

/** Tasks of the name that are looked at. */
const MOST = 200;

/**
 * The address of the comparison of a bad task's trace with the newest good one of the same name and service; or why there is none.
 *
 * @param {string} bad id of a task
 * @param {AbortSignal} signal
 * @returns {Promise<{ href?: string, why?: string }>}
 */
export async function compareWithGood(bad, signal) {
  const trace = bad.split("/", 1)[0];
  const tree = await get(taskPath(trace), { depth: 1, limit: 1 }, signal);
  const top = tree.tasks[0];
  if (!top?.name) return { why: "The task at its top has no name." };
  const good = await newestGood(top.name, top.service, signal);
  if (!good) return { why: `No “${top.name}” that went well is stored.` };
  return { href: address("/diff", { a: top.id, b: good }) };
}

/**
 * The id of the newest task of a name and a service that went well, with all that is below it.
 *
 * @param {string} name
 * @param {string} service
 * @param {AbortSignal} signal
 * @returns {Promise<string | undefined>}
 */
export async function newestGood(name, service, signal) {
  const { items } = await get("/api/v1/tasks", { name, service, ok: true, limit: MOST }, signal);
  return items.find((/** @type {any} */ task) => task.name === name && task.failed === 0)?.id;
}
