// Finds a task that went well, to compare a bad one with.

import { address, get, taskPath } from "../base/api.js";
import { outcomeClass } from "../base/outcome.js";

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
  const asked = { name: top.name, service: top.service, limit: MOST };
  const { items } = await get("/api/v1/tasks", asked, signal);
  const good = items.find(
    (/** @type {any} */ task) => task.name === top.name && task.failed === 0 && outcomeClass(task.outcome) === "ok",
  );
  if (!good) return { why: `No “${top.name}” that went well is stored.` };
  return { href: address("/diff", { a: top.id, b: good.id }) };
}
