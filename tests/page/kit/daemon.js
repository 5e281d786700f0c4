// A real daemon in a folder of its own, on free ports.

import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The program: `DISTLOG_TEST_DISTLOGD`. */
export const PROGRAM = process.env.DISTLOG_TEST_DISTLOGD;

export class Daemon {
  /** Where the page is. */
  http = "";
  /** Where sessions, OTLP by HTTP and Python's records come in. */
  session = "";
  otlp = "";
  push = "";
  /** @type {Record<string, string>} by their names */
  tokens = {};
  #folder = "";
  #config = "";
  #child;
  #asksForTokens = false;

  /** Starts one; `config` is added to its configuration. `tokens` are names and what they may: the page asks for one. */
  static async start(config = "", tokens = {}) {
    if (!PROGRAM) throw new Error("DISTLOG_TEST_DISTLOGD must name the program distlogd");
    const daemon = new Daemon();
    daemon.#folder = await mkdtemp(join(tmpdir(), "distlog-page-"));
    daemon.#config = config;
    for (const [name, may] of Object.entries(tokens)) {
      const said = execFileSync(PROGRAM, ["token", "new", name, ...may], { cwd: daemon.#folder, stdio: "pipe" });
      daemon.tokens[name] = String(said).trim();
      daemon.#asksForTokens = true;
    }
    await daemon.#start({ http: "127.0.0.1:0", session: "127.0.0.1:0", otlp: "127.0.0.1:0", push: "127.0.0.1:0" });
    return daemon;
  }

  /** Where a file in its folder is. */
  file(name) {
    return join(this.#folder, name);
  }

  /** Takes a token out of the file. */
  async revoke(name) {
    const file = join(this.#folder, "tokens.yaml");
    const lines = (await readFile(file, "utf8")).split("\n");
    const left = lines.filter((line) => !line.includes(`name: '${name}'`)).join("\n");
    await writeFile(`${file}.new`, left.trim() === "" ? "[]" : left, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  /** Kills it without a chance to clean up. */
  async kill() {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }

  /** Starts it again, where it was. */
  async restart() {
    const bare = (address) => address.replace(/^\w+:\/\//, "");
    await this.#start({
      http: bare(this.http),
      session: bare(this.session),
      otlp: bare(this.otlp),
      push: bare(this.push),
    });
  }

  /** Ends it, and removes what it stored. */
  async close() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start({ http, session, otlp, push }) {
    const config = [
      "listen:",
      this.#asksForTokens ? `  http: { bind: '${http}', tokens: tokens.yaml }` : `  http: ${http}`,
      `  session: tcp://${session}`,
      `  push: tcp://${push}`,
      "  otlp_grpc: off",
      `  otlp_http: ${otlp}`,
      "store: { path: store }",
      this.#config,
    ];
    await writeFile(join(this.#folder, "distlogd.yaml"), config.join("\n"));
    this.#child = spawn(PROGRAM, ["--config", "distlogd.yaml"], {
      cwd: this.#folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const said = [];
    for await (const line of createInterface({ input: this.#child.stderr })) {
      said.push(line);
      const [name, address] = line.trim().split(/\s+/);
      if (name === "http") this.http = address.startsWith("http") ? address : `http://${address}`;
      if (name === "session") this.session = address;
      if (name === "push") this.push = address;
      if (name === "otlp") this.otlp = `http://${line.match(/[\d.]+:\d+/g).at(-1)}`;
      if (line.trim() === "ready") {
        this.#child.stderr.resume();
        return;
      }
    }
    throw new Error(`the daemon does not start:\n${said.join("\n")}`);
  }
}
