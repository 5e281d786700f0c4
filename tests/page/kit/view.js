// A view of a database that a daemon fills.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { PROGRAM } from "./daemon.js";

export class View {
  /** Where the page is. */
  http = "";
  #child;

  /** @param {string} from the URL of the database */
  static async start(from) {
    if (!PROGRAM) throw new Error("DISTLOG_TEST_DISTLOGD must name the program distlogd");
    const view = new View();
    view.#child = spawn(PROGRAM, ["view", "--from", from, "--listen", "127.0.0.1:0"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const said = [];
    for await (const line of createInterface({ input: view.#child.stderr })) {
      said.push(line);
      const [name, address] = line.trim().split(/\s+/);
      if (name === "http") view.http = address;
      if (line.trim() === "ready") {
        view.#child.stderr.resume();
        return view;
      }
    }
    throw new Error(`the view does not start:\n${said.join("\n")}`);
  }

  async close() {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}
