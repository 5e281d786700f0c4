// Sends records that OTLP has no words for, such as the begin of a task that still runs: as JSON to the push receiver, by ZeroMQ (ZMTP 3.0).

import { once } from "node:events";
import { connect } from "node:net";
import { printed } from "./feed.js";

/** What both sides say first: the protocol's version, and that nobody proves who he is. */
const GREETING = Buffer.concat([
  Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0]),
  Buffer.from("NULL".padEnd(20, "\0")),
  Buffer.alloc(32),
]);
const READY = Buffer.from("\x05READY\x0bSocket-Type\0\0\0\x04PUSH", "latin1");

/** Tasks of Python have no end; those of others run until it comes. */
const RESOURCE = { "telemetry.sdk.language": "rust" };

/** Test, log, JSON. */
const TOPIC = Buffer.from("TLJ");

/** @param {number} flags 1: more frames follow, 4: a command */
function frame(flags, body) {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(body.length));
  const long = body.length > 255;
  return Buffer.concat([Buffer.from([flags | (long ? 2 : 0)]), long ? size : size.subarray(7), body]);
}

export class Push {
  #socket;

  /** @param {string} address of the push receiver: `tcp://127.0.0.1:5010` */
  static async connect(address) {
    const { hostname, port } = new URL(address);
    const push = new Push();
    push.#socket = connect(Number(port), hostname);
    await once(push.#socket, "connect");
    push.#socket.write(Buffer.concat([GREETING, frame(4, READY)]));
    // What is sent before the other side is ready, too, may be lost: its greeting has 64 bytes, the length of its READY is the 66th.
    let said = Buffer.alloc(0);
    while (said.length < 66 || said.length < 66 + said[65]) {
      const [data] = await once(push.#socket, "data");
      said = Buffer.concat([said, data]);
    }
    push.#socket.resume();
    return push;
  }

  /**
   * A task begins.
   *
   * @param {{ trace: string, span: string, parent?: string, service: string, name: string, at: number }} of ids are hex, `at` in ms
   */
  begin(of) {
    this.#send({ ...of, kind: "begin" });
  }

  /**
   * Something happens in it.
   *
   * @param {{ trace: string, span: string, parent?: string, service: string, name: string, at: number, thread?: string }} of `name` is the
   *   message
   */
  event(of) {
    this.#send({ ...of, kind: "event" });
  }

  /**
   * It ends.
   *
   * @param {{ trace: string, span: string, parent?: string, service: string, name: string, at: number, ms: number, outcome?: string }} of
   */
  end({ ms, outcome = "ok", ...of }) {
    this.#send({ ...of, kind: "end", outcome, duration: ms * 1_000_000 });
  }

  close() {
    this.#socket.destroy();
  }

  #send({ trace, span, parent, name, at, thread, ...own }) {
    const record = {
      levelname: "INFO",
      levelno: 20,
      name: "push",
      msg: name,
      message: name,
      created: at / 1000,
      threadName: thread,
      context: { key: `0@${printed(trace)}/~${span}` },
      distlog: { trace_id: trace, span_id: span, parent_span_id: parent, resource: RESOURCE, ...own },
    };
    this.#socket.write(Buffer.concat([frame(1, TOPIC), frame(0, Buffer.from(JSON.stringify(record)))]));
  }
}
