// What can be written next in a condition: told by the text before the caret.

import { get } from "../base/api.js";
import { entry, literal, parts } from "./cel.js";

/**
 * @typedef {{ name: string, type: string, about: string, values?: string[] }} Name as `/api/v1/names` has it
 * @typedef {{ label: string, about: string, text: string, from: number, goesOn?: boolean }} Completion `text` replaces what is between `from` and
 *   the caret; where it `goesOn`, something has to follow
 * @typedef {object} Known
 * @property {(map: string) => Iterable<string>} keys of a map, as far as they were seen
 * @property {() => import("../base/api.js").Parameters} scope of records whose values are offered
 */

const PATH = String.raw`[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\["[^"]*"\])*`;
const ENTRY = /\b(fields|context|resource)(?:\.(\w*)|\[\s*["']?([^"'\]]*))$/;
const VALUE = new RegExp(String.raw`(${PATH})\s*(?:==|!=|>=|<=|<|>|\bin\s*\[[^\]]*?)\s*(["'][^"']*|[\w.-]*)$`);
const ARGUMENT = new RegExp(String.raw`(${PATH})\.(?:contains|startsWith|endsWith)\(\s*(["'][^"']*)?$`);
const METHOD = new RegExp(String.raw`(${PATH})\.(\w*)$`);
const OPERATOR = new RegExp(String.raw`(?:^|[\s(!])(${PATH})\s+([=!<>]*)$`);
const JOIN = /(?:["'\])]|\b(?:\d+|[A-Z]+|true|false))\s+([&|]*)$/;
const NAME = /(?:^|[\s(!&|[,])([A-Za-z_]\w*)?$/;

const SEVERITIES = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const OPERATORS = [
  ["==", "is"],
  ["!=", "is not"],
  [">=", "at least"],
  ["<=", "at most"],
  [">", "more than"],
  ["<", "less than"],
];
const JOINS = [
  ["&&", "and"],
  ["||", "or"],
];

/** @type {Promise<Name[]> | undefined} */
let asked;

/** All names of conditions: asked once. */
async function names() {
  asked ??= get("/api/v1/names").then((answer) => answer.names);
  try {
    return await asked;
  } catch (error) {
    asked = undefined;
    throw error;
  }
}

/**
 * @param {string} before the text before the caret
 * @param {Known} known
 * @param {AbortSignal} signal
 * @returns {Promise<Completion[]>}
 */
export async function completions(before, known, signal) {
  const at = (/** @type {string | undefined} */ prefix) => before.length - (prefix?.length ?? 0);
  const all = await names();
  const own = all.filter(({ name, type }) => type !== "function" && !SEVERITIES.includes(name));
  const isName = (/** @type {string} */ name) =>
    /[.[]/.test(name) ? parts(name) : own.some((one) => one.name === name);
  let found = ARGUMENT.exec(before) ?? VALUE.exec(before);
  if (found && isName(found[1])) return values(found[1], found[2] ?? "", at(found[2]), known, signal);
  found = ENTRY.exec(before);
  if (found) {
    const [whole, map, dotted, quoted] = found;
    const prefix = dotted ?? quoted ?? "";
    const keys = [...known.keys(map)].filter((key) => starts(key, prefix)).sort();
    return keys.map((key) => ({
      label: entry(map, key),
      about: "",
      text: `${entry(map, key)} `,
      from: at(whole),
      goesOn: true,
    }));
  }
  if (inString(before)) return [];
  found = METHOD.exec(before);
  if (found) {
    const methods = all.filter(({ about }) => about.startsWith("text.")).map(({ name, about }) => [name, about]);
    return offer(methods, found[2], at(found[2]), (name) => `${name}(`);
  }
  found = OPERATOR.exec(before);
  if (found && isName(found[1])) return offer(OPERATORS, found[2], at(found[2]), (name) => `${name} `);
  found = JOIN.exec(before);
  if (found) return offer(JOINS, found[1], at(found[1]), (name) => `${name} `);
  found = NAME.exec(before);
  if (!found) return [];
  const prefix = found[1] ?? "";
  // Functions that stand behind a text or a list are offered there.
  const functions = all.filter(({ name, type, about }) => type === "function" && about.startsWith(`${name}(`));
  return [...own, ...(prefix ? functions : [])]
    .filter(({ name }) => starts(name, prefix))
    .map(({ name, type, about }) => ({
      label: name,
      about,
      text: type === "map" ? `${name}.` : type === "function" ? `${name}(` : `${name} `,
      from: at(prefix),
      goesOn: true,
    }));
}

/**
 * @param {string} name
 * @param {string} typed with its opening quote
 * @param {number} from
 * @param {Known} known
 * @param {AbortSignal} signal
 * @returns {Promise<Completion[]>}
 */
async function values(name, typed, from, known, signal) {
  const prefix = typed.replace(/^["']/, "");
  if (name === "severity") {
    const all = SEVERITIES.filter((one) => starts(one, prefix));
    return all.map((one) => ({ label: one, about: "", text: `${one} `, from }));
  }
  const parameters = { ...known.scope(), by: name, limit: 20, timeout: "2s" };
  const answer = await get("/api/v1/stats", parameters, signal);
  return answer.items
    .filter((/** @type {any} */ item) => item[name] !== null && starts(String(item[name]), prefix))
    .map((/** @type {any} */ item) => ({
      label: literal(item[name]),
      about: `${item.count} ×`,
      text: `${literal(item[name])} `,
      from,
    }));
}

/**
 * @param {string[][]} all
 * @param {string} prefix
 * @param {number} from
 * @param {(name: string) => string} text
 */
function offer(all, prefix, from, text) {
  return all
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, about]) => ({ label: name, about, text: text(name), from, goesOn: true }));
}

/**
 * @param {string} name
 * @param {string} prefix
 */
function starts(name, prefix) {
  return name.toLowerCase().startsWith(prefix.toLowerCase());
}

/** @param {string} text whether a string is open at its end */
function inString(text) {
  let open = "";
  for (let at = 0; at < text.length; at += 1) {
    const one = text[at];
    if (open && one === "\\") at += 1;
    else if (one === open) open = "";
    else if (!open && (one === '"' || one === "'")) open = one;
  }
  return open !== "";
}
