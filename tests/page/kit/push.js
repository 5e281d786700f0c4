// Sends records as Python programs do: JSON over ZeroMQ. Unlike by OTLP, a task can be begun and not ended.

import { once } from "node:events";
import { connect } from "node:net";

const LEVELS = { DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40 };
/** Tasks of Python have no end; those of others run until it comes. */
const RESOURCE = { "telemetry.sdk.language": "rust" };

/** A PUSH socket: ZMTP 3.0 without security, as much of it as sending needs. */
export class Push {
  #socket;

  /** @param {string} address as the daemon prints it */
  static async connect(address) {
    const push = new Push();
    const { hostname, port } = new URL(address.replace(/^tcp:/, "http:"));
    push.#socket = connect(Number(port), hostname);
    await once(push.#socket, "connect");
    const greeting = Buffer.alloc(64);
    greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0]);
    greeting.write("NULL", 12);
    push.#socket.write(greeting);
    push.#frame(4, Buffer.from("\x05READY\x0bSocket-Type\0\0\0\x04PUSH", "latin1"));
    // What is sent before the other side is ready, too, may be lost.
    let said = Buffer.alloc(0);
    while (said.length < 66 || said.length < 66 + said[65]) {
      const [data] = await once(push.#socket, "data");
      said = Buffer.concat([said, data]);
    }
    push.#socket.resume();
    return push;
  }

  /**
   * Sends a record of a task: `begin`, `event` or `end`. Times are in ms since the epoch.
   *
   * @param {{ task: string, kind?: string, service: string, level?: string, message: string, at?: number, outcome?: string, ms?: number,
   *   fields?: object, number?: number }} of `task` is its id, `number` that of the record in it
   */
  record({ task, kind = "event", service, level = "INFO", message, at = Date.now(), outcome, ms, fields, number = 0 }) {
    const record = {
      name: service,
      levelname: level === "WARN" ? "WARNING" : level,
      levelno: LEVELS[level],
      message,
      msg: message,
      created: at / 1000,
      fields,
      context: { key: `${number}@${task}` },
      distlog: { kind, service, outcome, duration: ms === undefined ? undefined : ms * 1_000_000, resource: RESOURCE },
    };
    this.#frame(1, Buffer.from("TLJ"));
    this.#frame(0, Buffer.from(JSON.stringify(record)));
  }

  close() {
    this.#socket.destroy();
  }

  #frame(flags, body) {
    const size = Buffer.alloc(9);
    size[0] = flags | 2;
    size.writeBigUInt64BE(BigInt(body.length), 1);
    this.#socket.write(Buffer.concat([size, body]));
  }
}
