// A request visits three services that log by the layer, and its tree grows on the page while it runs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Shop, SLOW } from "./kit/shop.js";

let browser;
let daemon;
let shop;

before(async () => {
  browser = await launch();
  daemon = await Daemon.start();
  shop = await Shop.start(daemon);
});

after(async () => {
  await shop?.close();
  await daemon?.close();
  await browser?.close();
});

test("a tree grows while a request runs in three services", async () => {
  const { page, faults, close } = await open(browser, { url: daemon.http });
  const answered = shop.order({ id: 7, card: SLOW });
  // The list shows it while it runs.
  const row = page.getByRole("row").filter({ hasText: "POST /order" }).first();
  await row.waitFor();
  await row.getByRole("img", { name: "running" }).waitFor();
  await row.getByRole("link").first().click();
  // All three services are there before it is done.
  const tree = page.getByRole("tree");
  const task = (name) => tree.getByRole("treeitem").filter({ hasText: name }).first();
  await task("the bank asks the customer").waitFor();
  await task("answer POST /charge").waitFor();
  assert.equal(await tree.getByRole("treeitem").filter({ hasText: "approved" }).count(), 0);
  assert.ok((await tree.getByRole("img", { name: "running" }).count()) >= 5, "tasks that run");
  await shot(page, "grows-running");
  // The rest comes by itself.
  assert.equal((await answered).status, 200);
  await task("approved").waitFor();
  await page.waitForFunction(() => !document.querySelector('[role="tree"] [aria-label="running"]'));
  await shot(page, "grows-done");
  assert.deepEqual(faults, []);
  await close();
});
