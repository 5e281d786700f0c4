// Everything by keyboard: the keys are told, and lead from the list to a failed record and back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Feed, order } from "./kit/feed.js";

let browser;
let daemon;

before(async () => {
  browser = await launch();
  daemon = await Daemon.start();
  const feed = new Feed(daemon.otlp);
  const at = Date.now() - 1000;
  order(feed, { at, number: 1, failed: true });
  order(feed, { at: at - 5000, number: 2 });
  await feed.send();
});

after(async () => {
  await daemon?.close();
  await browser?.close();
});

const press = async (page, ...keys) => {
  for (const key of keys) await page.keyboard.press(key);
};
/** Presses Tab until this has the focus. */
async function tabTo(page, selector) {
  for (let times = 0; times < 40; times += 1) {
    if (await page.evaluate((selector) => document.activeElement?.matches(selector), selector)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab does not lead to ${selector}`);
}

test("? tells the keys of the page, Escape closes them", async () => {
  const { page, faults, close } = await open(browser, { url: `${daemon.http}/find` });
  await page.getByRole("row").filter({ hasText: "order done" }).first().waitFor();
  await press(page, "?");
  const keys = page.getByRole("dialog", { name: "Keys" });
  await keys.getByText("Follow new records, or not").waitFor();
  for (const about of ["Tasks", "Find", "Problems", "Status"])
    assert.ok(await keys.getByRole("row", { name: about }).first().isVisible(), about);
  await shot(page, "keys");
  await press(page, "Escape");
  await keys.waitFor({ state: "hidden" });
  assert.deepEqual(faults, []);
  await close();
});

test("g and a letter leads to each page", async () => {
  const { page, faults, close } = await open(browser, { url: daemon.http });
  for (const [key, path, title] of [
    ["f", "/find", "Find"],
    ["p", "/problems", "Problems"],
    ["s", "/status", "Status"],
    ["t", "/", "Tasks"],
  ]) {
    await press(page, "g", key);
    await page.waitForFunction((path) => location.pathname === path, path);
    await page.waitForFunction((title) => document.title.startsWith(title), title);
  }
  assert.deepEqual(faults, []);
  await close();
});

test("from the list into a task, through its tree, and back", async () => {
  const { page, faults, close } = await open(browser, { url: daemon.http });
  await page.getByRole("row").filter({ hasText: "POST /order" }).nth(1).waitFor();
  await tabTo(page, "dl-virtual-list, .virtual-list");
  await press(page, "ArrowDown", "Enter");
  await page.waitForURL(/\/task\//);
  const tree = page.getByRole("tree");
  await tree.getByRole("treeitem").filter({ hasText: "payment failed" }).first().waitFor();
  await tabTo(page, '[role="tree"]');
  const active = () =>
    page.evaluate(() => {
      const tree = document.querySelector('[role="tree"]');
      return document.getElementById(tree?.getAttribute("aria-activedescendant") ?? "")?.textContent ?? "";
    });
  await press(page, "Home");
  assert.match(await active(), /POST \/order/);
  const open_ = await tree.getByRole("treeitem").count();
  await press(page, "ArrowLeft");
  await page.waitForFunction((open) => document.querySelectorAll('[role="treeitem"]').length < open, open_);
  await press(page, "ArrowRight", "ArrowDown");
  assert.doesNotMatch(await active(), /^POST \/order$/);
  await page.goBack();
  await page.getByRole("row").filter({ hasText: "POST /order" }).first().waitFor();
  assert.deepEqual(faults, []);
  await close();
});

test("words, a record, what happened around it, and its task", async () => {
  const { page, faults, close } = await open(browser, { url: daemon.http });
  await press(page, "g", "f");
  const grid = page.getByRole("grid", { name: "Records", exact: true });
  await grid.getByText("payment failed").first().waitFor();
  await press(page, "/");
  await page.keyboard.type("failed payment");
  await press(page, "Enter");
  await page.locator(".find-line").filter({ hasText: "1 record" }).waitFor();
  await press(page, "Escape", "Escape");
  await tabTo(page, "dl-record-list");
  await press(page, "ArrowDown", "Enter");
  const panel = page.getByRole("region", { name: "The chosen record" });
  await panel.getByText("the bank answered code 51").waitFor();
  await tabTo(page, "dl-record-panel .panel-tabs button:nth-of-type(2)");
  await press(page, "Enter");
  await panel.getByText("18 records").waitFor();
  await tabTo(page, "dl-record-panel .panel-task");
  await press(page, "Enter");
  await page.waitForURL(/\/task\/.*span=/);
  await page.getByRole("treeitem").filter({ hasText: "payment failed" }).first().waitFor();
  assert.deepEqual(faults, []);
  await close();
});
