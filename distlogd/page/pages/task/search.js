// Finds words in a trace: in names, messages, fields, errors and services.

/** @param {string} words as they were typed: what is found contains them, upper or lower case */
export function pattern(words) {
  const text = words.trim();
  return text ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu") : null;
}

/**
 * @param {import("./model.js").Trace} trace
 * @param {RegExp | null} wanted
 * @returns {number[]} places in the order of the tree
 */
export function matches(trace, wanted) {
  if (!wanted) return [];
  // Without `g`, since `test` would go on where it was before.
  const test = new RegExp(wanted.source, "iu");
  const services = trace.services.map((service) => test.test(service));
  const found = [];
  for (let place = 0; place < trace.count; place += 1) {
    if (
      test.test(trace.name[place]) ||
      (trace.fields[place] && test.test(trace.fields[place])) ||
      (trace.error[place] && test.test(trace.error[place])) ||
      (services[trace.service[place]] && trace.isTask(place))
    )
      found.push(place);
  }
  return found;
}

/**
 * Which match comes next behind a place, or before it; around at the ends.
 *
 * @param {number[]} found
 * @param {number} place
 * @param {1 | -1} step
 * @returns {number} its number, or -1
 */
export function nextMatch(found, place, step) {
  if (found.length === 0) return -1;
  if (step > 0) {
    const next = found.findIndex((match) => match > place);
    return next < 0 ? 0 : next;
  }
  const before = found.findLastIndex((match) => match < place);
  return before < 0 ? found.length - 1 : before;
}

/**
 * A text in pieces; every second one is a match.
 *
 * @param {string} text
 * @param {RegExp | null} wanted
 */
export function pieces(text, wanted) {
  if (!wanted || !text) return [text];
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(wanted)) {
    parts.push(text.slice(from, match.index), match[0]);
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts;
}
