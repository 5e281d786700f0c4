// The three services of the shop as real processes that log by the layer: the parts of the program `tour`.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** The program: `DISTLOG_TEST_TOUR`. */
const PROGRAM = process.env.DISTLOG_TEST_TOUR;

/** The cards that the shop's bank declines, and takes its time for. */
export const DECLINED = "4000000000000002";
export const SLOW = "4000000000000036";
const GOOD = "4111111111111111";

export class Shop {
  #children = [];
  #gateway = "";

  /** @param {import("./daemon.js").Daemon} daemon that they log to */
  static async start(daemon) {
    if (!PROGRAM) throw new Error("DISTLOG_TEST_TOUR must name the program tour");
    const shop = new Shop();
    const payment = await shop.#service(daemon, "payment");
    const orders = await shop.#service(daemon, "orders", "--payment", payment);
    shop.#gateway = await shop.#service(daemon, "gateway", "--orders", orders);
    return shop;
  }

  /** Orders something. Gives the answer, which comes when the order is done. */
  order({ id = 1, card = GOOD } = {}) {
    return fetch(`${this.#gateway}/order`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id, user: "leo", items: ["tea", "pot"], card }),
    });
  }

  /** Ends them; each sends what is left. */
  async close() {
    for (const child of this.#children.reverse()) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
    }
  }

  async #service(daemon, ...role) {
    const session = daemon.session.replace(/^(tcp:\/\/)?/, "tcp://");
    const child = spawn(PROGRAM, ["service", "--distlogd", session, ...role], { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      const [address] = line.match(/http:\/\/\S+/) ?? [];
      if (!address) continue;
      child.stdout.resume();
      return address;
    }
    throw new Error(`the service ${role[0]} does not start`);
  }
}
