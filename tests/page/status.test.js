// Status: what is wrong stands first, in words; the figures change by themselves.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { axe, launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Feed, order } from "./kit/feed.js";

let browser;
let daemon;
let feed;

before(async () => {
  browser = await launch();
  daemon = await Daemon.start();
  feed = new Feed(daemon.otlp);
  order(feed, { at: Date.now() - 100, number: 1 });
  await feed.send();
});

after(async () => {
  await daemon?.close();
  await browser?.close();
});

const status = (of = daemon, how = {}) => open(browser, { url: `${of.http}/status`, ...how });
const row = (page, table, text) =>
  page.getByRole("table", { name: table }).getByRole("row").filter({ hasText: text }).first();
const cell = (page, table, text, column) => row(page, table, text).locator(`[data-title="${column}"]`);
const summary = (page, text) => page.getByRole("status").filter({ hasText: text }).waitFor();

test("figures change by themselves", async () => {
  const { page, faults, close } = await status();
  await summary(page, "All is well.");
  await page.getByText("distlogd 0.1.0").waitFor();
  const accepted = cell(page, "Receivers", "otlp_http", "accepted");
  assert.equal(await accepted.textContent(), "18");
  assert.equal(await cell(page, "Producers", "payment", "records").textContent(), "5");
  for (let number = 2; number < 12; number += 1) order(feed, { at: Date.now() - 100, number });
  await feed.send();
  await accepted.filter({ hasText: "198" }).waitFor();
  assert.ok(Number.parseFloat(await cell(page, "Receivers", "otlp_http", "records/s").textContent()) > 0);
  await page.getByText("No processor is configured").waitFor();
  await row(page, "Producers", "payment").getByRole("link").click();
  await page.waitForURL(/\/find\?service=payment$/);
  assert.deepEqual(faults, []);
  await close();
});

test("what is refused is told first", async () => {
  const { page, faults, close } = await status();
  await summary(page, "All is well.");
  const headers = { "content-type": "application/json" };
  await fetch(`${daemon.otlp}/v1/logs`, { method: "POST", headers, body: "{no" });
  await summary(page, /otlp_http rejected 1 input\..*cannot be read/);
  assert.equal(await cell(page, "Receivers", "otlp_http", "rejected inputs").textContent(), "1");
  await shot(page, "status-rejected");
  assert.deepEqual(faults, []);
  await close();
});

test("a destination that does not answer is behind and fails", async () => {
  // Nothing listens at that port.
  const lame = await Daemon.start(
    "processors: { tempo: { otlp: { endpoint: 'http://127.0.0.1:9' }, from: start } }\nrules: [{ to: [tempo] }]",
  );
  const to = new Feed(lame.otlp);
  order(to, { at: Date.now() - 100, number: 1 });
  await to.send();
  const { page, faults, close } = await status(lame);
  await summary(page, "tempo fails");
  assert.match(await cell(page, "Processors", "tempo", "behind").textContent(), /\(18\)/);
  // The daemon reports it, too.
  await row(page, "Reports of the last minutes", "tempo").filter({ hasText: "WARN" }).waitFor();
  await shot(page, "status-fails");
  assert.deepEqual(faults, []);
  await close();
  await lame.close();
});

test("what rules drop and redact, and what is decided about trees", async () => {
  const choosy = await Daemon.start(`
intake:
  - { name: no shelves, when: 'message == "reserved"', drop: true }
  - { redact: { fields: [user] } }
processors:
  failed: { file: { path: failed.jsonl }, trees: { keep: tree.failed, quiet: 10ms } }
rules: [{ to: [failed] }]`);
  const to = new Feed(choosy.otlp);
  order(to, { at: Date.now() - 100, number: 1, failed: true });
  order(to, { at: Date.now() - 100, number: 2 });
  await to.send();
  const { page, faults, close } = await status(choosy);
  await cell(page, "Intake rules", "no shelves", "dropped").filter({ hasText: "6" }).waitFor();
  await cell(page, "Intake rules", "2", "redacted").filter({ hasText: "2" }).waitFor();
  await cell(page, "Trees by processor", "failed", "kept").filter({ hasText: "1" }).waitFor();
  await cell(page, "Trees by processor", "failed", "dropped").filter({ hasText: "1" }).waitFor();
  assert.equal(await cell(page, "Trees by processor", "failed", "waiting").textContent(), "0");
  assert.deepEqual(await axe(page), []);
  await shot(page, "status-rules");
  assert.deepEqual(faults, []);
  await close();
  await choosy.close();
});

test("it says that the daemon is gone, and goes on when it is back", async () => {
  const { page, faults, close } = await status();
  await page.getByRole("table", { name: "Receivers" }).waitFor();
  await daemon.kill();
  await page.getByText("The daemon does not answer").waitFor();
  assert.ok(await row(page, "Receivers", "otlp_http").isVisible(), "what it last said stays");
  await daemon.restart();
  await page.getByText("The daemon does not answer").waitFor({ state: "hidden" });
  await cell(page, "Receivers", "otlp_http", "accepted").filter({ hasText: /^0$/ }).waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("levels of programs are set for a time, shown and taken back", async () => {
  const { page, faults, close } = await status();
  await page.getByText("No levels are set").waitFor();
  await page.getByLabel("Service").fill("orders");
  await page.getByLabel("records").fill("info,orders=debgu");
  await page.getByRole("button", { name: "Set levels" }).click();
  await page.getByText("column 13: `debgu` is no level").waitFor();
  await page.getByLabel("records").fill("info,orders=debug");
  await page.getByRole("button", { name: "Set levels" }).click();
  await page.getByText("Set for 10m.").waitFor();
  await cell(page, "Levels", "orders", "levels").filter({ hasText: "info,orders=debug" }).waitFor();
  assert.equal(await cell(page, "Levels", "orders", "applied by").textContent(), "0 of 0");
  assert.match(await cell(page, "Levels", "orders", "end in").textContent(), /^(9|10)/);
  assert.deepEqual(await axe(page), []);
  await shot(page, "status-levels");
  // Another page of this machine may not.
  const headers = { origin: "http://localhost:1", "sec-fetch-site": "same-site" };
  const answer = await fetch(`${daemon.http}/api/v1/levels`, { method: "DELETE", headers });
  assert.equal(answer.status, 403);
  await page.getByRole("button", { name: "Take back" }).click();
  await page.getByText("No levels are set").waitFor();
  // The browser says of the refused request what it was.
  assert.deepEqual(
    faults.filter((fault) => !fault.includes("400")),
    [],
  );
  await close();
});

for (const width of [1440, 380]) {
  for (const dark of [false, true]) {
    test(`it can be used by all: ${width} px, ${dark ? "dark" : "light"}`, async () => {
      const { page, faults, close } = await status(daemon, { width, dark });
      await page.getByRole("table", { name: "Receivers" }).waitFor();
      assert.deepEqual(await axe(page), []);
      await shot(page, `status-${width}-${dark ? "dark" : "light"}`);
      assert.deepEqual(faults, []);
      await close();
    });
  }
}
