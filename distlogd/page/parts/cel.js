// Writes conditions in CEL: names of fields, values, and conditions put together.

/** Words that cannot stand behind a point in CEL. */
const RESERVED = new Set(
  (
    "as break const continue else false for function if import in let loop namespace null package return true var " +
    "void while"
  ).split(" "),
);

/**
 * A value as CEL has it.
 *
 * @param {unknown} value
 */
export function literal(value) {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/**
 * The entry of a map: `fields.code`, `fields["http.route"]`.
 *
 * @param {string} map
 * @param {string} key
 */
export function entry(map, key) {
  return /^[A-Za-z_]\w*$/.test(key) && !RESERVED.has(key) ? `${map}.${key}` : `${map}[${literal(key)}]`;
}

/**
 * Takes the entry of a map apart; `null` for other names.
 *
 * @param {string} name
 * @returns {[map: string, key: string] | null}
 */
export function parts(name) {
  const [, map, key, index] = /^(fields|context|resource)(?:\.(.+)|\[(".*")\])$/s.exec(name) ?? [];
  if (!map) return null;
  try {
    return [map, key ?? JSON.parse(index)];
  } catch {
    return null;
  }
}

/**
 * Conditions that all have to hold; those that are empty do not count.
 *
 * @param {...(string | null | undefined)} conditions
 */
export function both(...conditions) {
  const all = conditions.map((one) => (one ?? "").trim()).filter(Boolean);
  if (all.length < 2) return all[0] ?? "";
  return all.map((one) => (/\|\||\?/.test(one) ? `(${one})` : one)).join(" && ");
}
