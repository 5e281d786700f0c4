// The names of conditions, with types and what they are.

/** @typedef {{ name: string, type: string, about: string }} Name */

/** @type {Name[]} */
const NAMES = [
  ["severity", "number", "TRACE … FATAL"],
  ["message", "string", "the text"],
  ["service", "string", "who logged"],
  ["host", "string", "its host"],
  ["process", "string", "its program"],
  ["thread", "string", "its thread"],
  ["target", "string", "target of tracing, or logger"],
  ["kind", "string", "event, begin, bind, end of a task"],
  ["outcome", "string", "ok, failed, lost, cancelled, of an end"],
  ["duration", "duration", "how long the task took, of an end"],
  ["task", "string", "id of the task"],
  ["trace_id", "string", "32 hex digits"],
  ["span_id", "string", "16 hex digits"],
  ["fields", "map", "of the record"],
  ["context", "map", "fields of the task"],
  ["resource", "map", "of the program, as OpenTelemetry has it"],
  ["file", "string", "of the place in the code"],
  ["line", "number", "of the place in the code"],
  ["module", "string", "of the place in the code"],
  ["function", "string", "of the place in the code"],
  ["sampled", "bool", "the trace's flag"],
  ["system", "string", "test, staging, production"],
  ["has", "function", "whether a map has the field"],
  ["size", "function", "length of a text, a list, a map"],
  ["duration", "function", 'as duration("2s")'],
].map(([name, type, about]) => ({ name, type, about }));

/** All of them. */
export async function names() {
  return NAMES;
}
