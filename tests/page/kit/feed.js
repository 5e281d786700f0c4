// Sends spans and logs by OTLP/HTTP, as a service would.

import { randomBytes } from "node:crypto";

const LEVELS = { TRACE: 1, DEBUG: 5, INFO: 9, WARN: 13, ERROR: 17, FATAL: 21 };

/** Random hex. */
export function hex(bytes) {
  return randomBytes(bytes).toString("hex");
}

/** A trace id as distlog prints it. */
export function printed(traceId) {
  return traceId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function value(of) {
  if (typeof of === "string") return { stringValue: of };
  if (typeof of === "boolean") return { boolValue: of };
  if (Number.isInteger(of)) return { intValue: String(of) };
  if (typeof of === "number") return { doubleValue: of };
  if (Array.isArray(of)) return { arrayValue: { values: of.map(value) } };
  return { kvlistValue: { values: attributes(of) } };
}

function attributes(of = {}) {
  return Object.entries(of).map(([key, one]) => ({ key, value: value(one) }));
}

/** Takes what a service says, until it is sent. Times are in ms since the epoch. */
export class Feed {
  #url;
  #spans = new Map();
  #logs = new Map();

  /** @param {string} url of OTLP/HTTP */
  constructor(url) {
    this.#url = url;
  }

  /**
   * Adds a span that has ended; gives its id.
   *
   * @param {{ trace: string, span?: string, parent?: string, service: string, name: string, kind?: number, at: number, ms: number,
   *   failed?: string, fields?: object, links?: object[], events?: object[] }} of
   */
  span({ trace, span = hex(8), parent, service, name, kind = 1, at, ms, failed, fields, links, events }) {
    put(this.#spans, service, {
      traceId: trace,
      spanId: span,
      parentSpanId: parent ?? "",
      name,
      kind,
      startTimeUnixNano: ns(at),
      endTimeUnixNano: ns(at + ms),
      attributes: attributes(fields),
      status: failed === undefined ? {} : { code: 2, message: failed },
      links,
      events,
    });
    return span;
  }

  /**
   * Adds a log record.
   *
   * @param {{ trace?: string, span?: string, service: string, level?: string, body: unknown, at: number, fields?: object }} of
   */
  log({ trace, span, service, level = "INFO", body, at, fields }) {
    put(this.#logs, service, {
      traceId: trace ?? "",
      spanId: span ?? "",
      timeUnixNano: ns(at),
      severityNumber: LEVELS[level],
      severityText: level,
      body: value(body),
      attributes: attributes(fields),
    });
  }

  /** Sends all of it. The daemon has it on its disk when this returns. */
  async send() {
    const scope = { name: "feed" };
    const spans = [...this.#spans].map(([service, all]) => ({
      resource: { attributes: attributes({ "service.name": service }) },
      scopeSpans: [{ scope, spans: all }],
    }));
    const logs = [...this.#logs].map(([service, all]) => ({
      resource: { attributes: attributes({ "service.name": service }) },
      scopeLogs: [{ scope, logRecords: all }],
    }));
    this.#spans.clear();
    this.#logs.clear();
    if (logs.length) await this.#post("logs", { resourceLogs: logs });
    if (spans.length) await this.#post("traces", { resourceSpans: spans });
  }

  async #post(signal, body) {
    const response = await fetch(`${this.#url}/v1/${signal}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const said = await response.json();
    if (!response.ok || said.partialSuccess) throw new Error(`${signal} are refused: ${JSON.stringify(said)}`);
  }
}

function put(map, service, one) {
  const all = map.get(service) ?? [];
  map.set(service, all);
  all.push(one);
}

function ns(ms) {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}

/**
 * An order in a shop, through three services; it fails at the bank, if it is told so.
 *
 * @param {Feed} feed
 * @param {{ at: number, number: number, failed?: boolean, slow?: number }} of `slow`: how many times longer it takes
 * @returns {string} the trace id as OpenTelemetry has it
 */
export function order(feed, { at, number, failed = false, slow = 1 }) {
  const trace = hex(16);
  const ms = (time) => time * slow;
  const why = failed ? "the bank answered code 51: insufficient funds" : undefined;
  const log = (service, span, level, offset, body, fields) =>
    feed.log({ trace, span, service, level, body, at: at + ms(offset), fields });
  const span = (service, name, parent, offset, took, rest = {}) =>
    feed.span({ trace, parent, service, name, at: at + ms(offset), ms: ms(took), ...rest });
  const root = span("gateway", "POST /order", undefined, 0, 40, {
    kind: 2,
    failed: failed ? "payment: card declined" : undefined,
    fields: { "http.request.method": "POST", "http.route": "/order", number },
  });
  log("gateway", root, "INFO", 1, "order received", { items: 3, user: failed ? "mallory" : "leo" });
  const orders = span("orders", "POST /orders", root, 3, 34, { kind: 2, failed: why && "payment: card declined" });
  const reserve = span("orders", "reserve 3 items", orders, 4, 6);
  for (const item of ["tea", "pot", "cups"])
    log("orders", reserve, "DEBUG", 6, "reserved", { item, shelf: item.length });
  const charge = span("orders", "charge the card", orders, 11, 22, {
    kind: 3,
    failed: why && "payment: card declined",
  });
  const payment = span("payment", "POST /charge", charge, 13, 18, { kind: 2, failed: why });
  const bank = span("payment", "ask the bank", payment, 15, 12, { failed: why, fields: { cents: 1050 } });
  if (failed) log("payment", bank, "ERROR", 26, "payment failed", { error: why, code: 51 });
  else log("payment", bank, "INFO", 26, "payment accepted", { code: 0 });
  log("orders", orders, failed ? "WARN" : "INFO", 35, failed ? "the order was not paid" : "order done", { number });
  return trace;
}
