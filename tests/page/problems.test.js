// The problems, as somebody uses them.

import assert from "node:assert/strict";
import { hex, order, printed } from "./kit/feed.js";
import { looks, story } from "./kit/story.js";

const grid = (page) => page.getByRole("grid", { name: "Problems" });
const problem = (page, text) => grid(page).locator("[role=row][data-key]").filter({ hasText: text });
const hasRows = (page, many) =>
  page.waitForFunction((many) => document.querySelectorAll("dl-problem-list [data-key]").length === many, many);

/** Orders that fail, and some that do not; gives the trace ids. */
async function orders(feed, { good = 1, bad = 3 } = {}) {
  const now = Date.now();
  const made = { good: [], bad: [] };
  for (let at = 0; at < good; at += 1) made.good.push(order(feed, { at: now - 9000 + at * 100, number: at }));
  for (let at = 0; at < bad; at += 1)
    made.bad.push(order(feed, { at: now - 5000 + at * 1000, number: 100 + at, failed: true }));
  await feed.send();
  return made;
}

story("failures are grouped, and come by themselves", async ({ feed, show }) => {
  const page = await show("/problems");
  await page.getByText("Nothing has failed.").waitFor();
  await orders(feed);
  await hasRows(page, 3);
  const bank = problem(page, "the bank answered code 51");
  assert.match(await bank.innerText(), /^3\b/m);
  assert.match(await bank.innerText(), /payment/);
  assert.match(await bank.innerText(), /ask the bank/);
  assert.ok(await bank.locator(".sparkline path").getAttribute("d"));
  // What goes on stays where it is, and counts; what is new comes on top.
  const place = await bank.getAttribute("aria-rowindex");
  await orders(feed, { good: 0, bad: 2 });
  await bank.getByText("5", { exact: true }).first().waitFor();
  assert.equal(await bank.getAttribute("aria-rowindex"), place);
  feed.log({ service: "stock", level: "ERROR", body: "the shelf fell", at: Date.now() });
  await feed.send();
  await problem(page, "the shelf fell").waitFor();
  assert.equal(await problem(page, "the shelf fell").getAttribute("aria-rowindex"), "2");
});

story("a problem leads to its newest tree, and to older ones", async ({ feed, show }) => {
  const { bad } = await orders(feed);
  const page = await show("/problems");
  const bank = problem(page, "the bank answered code 51");
  await bank.waitFor();
  const href = await bank.getByRole("link", { name: "newest tree" }).getAttribute("href");
  assert.match(href, new RegExp(`^/task/${printed(bad.at(-1))}\\?span=[0-9a-f]{16}$`));
  const older = bank.getByRole("link", { name: "Tree 3 of it" });
  assert.ok((await older.getAttribute("href")).startsWith(`/task/${printed(bad[0])}`));
  await bank.getByRole("link", { name: "the bank answered" }).click();
  await page.waitForURL((url) => url.pathname + url.search === href);
});

story("a problem is compared with a good task of the same name", async ({ feed, show }) => {
  const { good, bad } = await orders(feed);
  feed.span({ trace: hex(16), service: "mailer", name: "send", at: Date.now() - 100, ms: 20, failed: "disk full" });
  await feed.send();
  const page = await show("/problems");
  const disk = problem(page, "disk full");
  await disk.getByRole("button", { name: "compare with a good one" }).click();
  await disk.getByText("No “send” that went well is stored.").waitFor();
  await problem(page, "the bank answered").getByRole("button", { name: "compare with a good one" }).click();
  await page.waitForURL(/\/diff\?/);
  const address = new URL(page.url()).searchParams;
  assert.ok(address.get("a").startsWith(printed(bad.at(-1))));
  assert.ok(address.get("b").startsWith(printed(good[0])));
  await page.getByText("first difference", { exact: true }).waitFor();
});

story("services and times are chosen, and stand in the address", async ({ feed, show }) => {
  await orders(feed);
  feed.log({ service: "stock", level: "ERROR", body: "the shelf fell", at: Date.now() - 7_200_000 });
  await feed.send();
  const page = await show("/problems");
  await hasRows(page, 4);
  await page.getByRole("combobox", { name: "Service" }).selectOption("stock");
  await hasRows(page, 1);
  await page.waitForURL(/\?service=stock$/);
  const other = await show("/problems?service=stock&from=1h");
  await other.getByText("Nothing has failed.").waitFor();
  await other.getByRole("button", { name: "Show all" }).click();
  await hasRows(other, 4);
});

story("all of it goes by the keyboard", async ({ feed, show }) => {
  await orders(feed);
  const page = await show("/problems");
  await hasRows(page, 3);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  assert.equal(await page.locator("dl-problem-list [aria-selected=true]").getAttribute("aria-rowindex"), "3");
  await page.keyboard.press("c");
  await page.waitForURL(/\/diff\?/);
  await page.goBack();
  await hasRows(page, 3);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/task\//);
});

story("the daemon is killed and comes back", async ({ daemon, feed, show }) => {
  await orders(feed);
  const page = await show("/problems");
  await hasRows(page, 3);
  await daemon.kill();
  await page.getByText("The daemon does not answer.").waitFor();
  await hasRows(page, 3);
  await daemon.restart();
  feed.log({ service: "stock", level: "ERROR", body: "the shelf fell", at: Date.now() });
  await feed.send();
  await hasRows(page, 4);
});

looks("problems", async ({ feed, show }, how) => {
  await orders(feed, { good: 3, bad: 9 });
  for (let at = 0; at < 8; at += 1)
    feed.log({ service: "stock", level: "ERROR", body: "the shelf fell", at: Date.now() - at * at * 60_000 });
  await feed.send();
  const page = await show("/problems", how);
  await hasRows(page, 4);
  return page;
});
