// Asks the daemon. Errors are those of RFC 9457: `detail` is a sentence for people.

import { connection } from "./connection.js";

/** An answer that is an error, or none. */
export class ApiError extends Error {
  /**
   * @param {string} detail
   * @param {number} status 0: the daemon was not reached.
   * @param {string} [parameter] the parameter that is wrong
   */
  constructor(detail, status, parameter) {
    super(detail);
    this.status = status;
    this.parameter = parameter;
  }
}

/** @typedef {Record<string, string | number | boolean | null | undefined>} Parameters */

/**
 * A path with parameters; those that are empty are left out.
 *
 * @param {string} path
 * @param {Parameters} [parameters]
 */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "" && value !== false) query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** @param {string} id of a task, whose path has slashes */
export function taskPath(id) {
  return `/api/v1/tasks/${encodeURIComponent(id)}`;
}

/**
 * Gets JSON.
 *
 * @param {string} path
 * @param {Parameters} [parameters]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, parameters, signal) {
  const response = await ask(address(path, parameters), "application/json", { signal });
  return response.json();
}

/**
 * Has the daemon change something; its answer in JSON.
 *
 * @param {"PUT" | "DELETE"} method
 * @param {string} path
 * @param {Parameters} parameters
 * @returns {Promise<any>}
 */
export async function change(method, path, parameters) {
  const response = await ask(address(path, parameters), "application/json", { method });
  return response.json();
}

/**
 * Gets text.
 *
 * @param {string} path
 * @param {Parameters} [parameters]
 * @param {AbortSignal} [signal]
 */
export async function getText(path, parameters, signal) {
  const response = await ask(address(path, parameters), "*/*", { signal });
  return response.text();
}

/**
 * Gets JSON line by line. `take` is told all lines that came with a piece; no more is read until it is done.
 *
 * @param {string} path
 * @param {Parameters} parameters
 * @param {(lines: any[]) => void | Promise<void>} take
 * @param {AbortSignal} [signal]
 */
export async function getLines(path, parameters, take, signal) {
  const response = await ask(address(path, parameters), "application/x-ndjson", { signal });
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const text = rest + (value ?? "");
    const end = done ? text.length : text.lastIndexOf("\n") + 1;
    const whole = text.slice(0, end).trim();
    rest = text.slice(end);
    if (whole) await take(JSON.parse(`[${whole.replaceAll("\n", ",")}]`));
    if (done) return;
  }
}

/**
 * @param {string} url
 * @param {string} accept
 * @param {RequestInit} how
 */
async function ask(url, accept, how) {
  let response;
  try {
    response = await fetch(url, { headers: { accept }, ...how });
  } catch (error) {
    if (how.signal?.aborted) throw error;
    connection.lost();
    throw new ApiError("The daemon does not answer.", 0);
  }
  connection.answered();
  if (response.ok) return response;
  if (response.status === 401) connection.signedOut();
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(problem.detail ?? `${response.status} ${response.statusText}`, response.status, problem.parameter);
}

/** @param {unknown} error whether it only says that nobody waits any more */
export function isAborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}
