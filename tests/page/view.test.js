// A view of a database: the same page, without what only a daemon can do.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";

import { axe, launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Feed, order } from "./kit/feed.js";
import { View } from "./kit/view.js";

let browser;
let daemon;
let feed;
let view;

before(async () => {
  browser = await launch();
  daemon = await Daemon.start("processors: { db: { sqlite: { path: logs.db } } }\nrules: [{ to: [db] }]");
  feed = new Feed(daemon.otlp);
  order(feed, { at: Date.now() - 100, number: 1 });
  await feed.send();
  // The processor makes the file when it begins.
  while (!existsSync(daemon.file("logs.db"))) await new Promise((resolve) => setTimeout(resolve, 50));
  view = await View.start(`sqlite:${daemon.file("logs.db")}`);
});

after(async () => {
  await view?.close();
  await daemon?.close();
  await browser?.close();
});

test("tasks of the database are listed, and those that come show by themselves", async () => {
  const { page, faults, close } = await open(browser, { url: `${view.http}/` });
  const tasks = page.getByRole("link", { name: "POST /order", exact: true });
  await tasks.first().waitFor();
  order(feed, { at: Date.now() - 100, number: 2 });
  await feed.send();
  await tasks.nth(1).waitFor();
  await shot(page, "view-tasks");
  await tasks.first().click();
  await page.getByText("POST /orders").first().waitFor();
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(faults, []);
  await close();
});

test("what a view cannot is said where it would stand", async () => {
  const { page, faults, close } = await open(browser, { url: `${view.http}/find` });
  const live = page.getByRole("button", { name: "Live" });
  await live.waitFor();
  assert.equal(await live.isDisabled(), true);
  assert.match(await live.getAttribute("title"), /cannot follow records/);
  await page.goto(`${view.http}/status`);
  await page.getByText("SQLite file").last().waitFor();
  await page.getByText("ask the daemons that fill it").waitFor();
  assert.deepEqual(await axe(page), []);
  assert.deepEqual(faults, []);
  await close();
});
