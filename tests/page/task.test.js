// The page of a task: its tree, what is open and selected, search, addresses, copies, and how it grows.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { axe, launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Feed, hex, order, printed } from "./kit/feed.js";
import { Push } from "./kit/push.js";

let daemon;
let browser;
let feed;
/** An order that failed at the bank, and one before it that did not. */
let failed;
let good;

before(async () => {
  [daemon, browser] = await Promise.all([Daemon.start(), launch()]);
  feed = new Feed(daemon.otlp);
  const now = Date.now();
  good = printed(order(feed, { at: now - 60_000, number: 16 }));
  failed = printed(order(feed, { at: now - 30_000, number: 17, failed: true }));
  await feed.send();
});

after(async () => {
  await browser?.close();
  await daemon?.close();
});

/** Opens the page of a task; `close` checks that nothing went wrong in it. */
async function visit(id, { query = "", ...how } = {}) {
  const opened = await open(browser, { url: `${daemon.http}/task/${id}${query}`, ...how });
  const { page, faults } = opened;
  const row = (name) => page.getByRole("treeitem").filter({ hasText: name });
  const close = async () => {
    assert.deepEqual(faults, []);
    await opened.close();
  };
  return { page, row, close, selected: page.locator("[role=treeitem][aria-selected=true]") };
}

/** Names and messages of the tree, from top to bottom. */
function texts(page) {
  return page
    .getByRole("treeitem")
    .evaluateAll((rows) =>
      rows
        .toSorted((a, b) => a.getBoundingClientRect().y - b.getBoundingClientRect().y)
        .flatMap((row) => row.querySelector(".tree-title, .tree-message")?.textContent ?? []),
    );
}

test("a failed task opens on its cause, with its error and details", async () => {
  const { page, row, selected, close } = await visit(failed);
  await selected.filter({ hasText: "ask the bank" }).waitFor();
  const details = page.locator("dl-task-details");
  await details.getByText("the bank answered code 51: insufficient funds").waitFor();
  await details.getByText("1050", { exact: true }).waitFor();
  await page.getByRole("heading", { level: 1, name: "POST /order" }).waitFor();
  await page.getByText("6 tasks").waitFor();
  await page.getByRole("button", { name: "5 failed" }).waitFor();
  assert.equal(await page.title(), "POST /order · distlog");
  const bank = row("ask the bank");
  assert.equal(await bank.getAttribute("aria-level"), "5");
  assert.equal(await bank.getAttribute("aria-expanded"), "true");
  assert.equal(await page.getByRole("treeitem").count(), 12);
  const charge = row("charge the card");
  assert.equal(await charge.getAttribute("aria-posinset"), "2");
  assert.equal(await charge.getAttribute("aria-setsize"), "3");
  await shot(page, "task");
  await close();
});

test("records stand in their place, and their details are whole", async () => {
  const { page, row, close } = await visit(failed);
  await row("payment failed").click();
  const details = page.locator("dl-task-details");
  await details.getByText("payment failed", { exact: true }).waitFor();
  await details.getByText("code", { exact: true }).waitFor();
  await details.getByText("51", { exact: true }).waitFor();
  const around = await details.getByRole("link", { name: "What else happened then" }).getAttribute("href");
  assert.match(around, /^\/find\?record=\d+\..+&around=process$/);
  await page.keyboard.press("Escape");
  await details.waitFor({ state: "hidden" });
  await page.keyboard.press("Enter");
  await details.waitFor();
  assert.deepEqual(await texts(page), [
    "POST /order",
    "order received",
    "POST /orders",
    "reserve 3 items",
    "reserved",
    "reserved",
    "reserved",
    "charge the card",
    "POST /charge",
    "ask the bank",
    "payment failed",
    "the order was not paid",
  ]);
  await close();
});

test("tasks are folded and opened with the mouse and by keys", async () => {
  const { page, row, selected, close } = await visit(failed);
  await row("charge the card").locator(".fold").click();
  await row("ask the bank").waitFor({ state: "detached" });
  assert.equal(await row("charge the card").getAttribute("aria-expanded"), "false");
  await row("charge the card").getByText("+3").waitFor();
  await selected.filter({ hasText: "charge the card" }).waitFor();
  await page.keyboard.press("ArrowRight");
  await row("ask the bank").waitFor();
  await page.keyboard.press("ArrowRight");
  await selected.filter({ hasText: "POST /charge" }).waitFor();
  await page.keyboard.press("ArrowLeft");
  await row("ask the bank").waitFor({ state: "detached" });
  await page.keyboard.press("ArrowLeft");
  await selected.filter({ hasText: "charge the card" }).waitFor();
  await page.keyboard.press("c");
  await row("reserved").first().waitFor({ state: "detached" });
  await row("ask the bank").waitFor();
  await page.keyboard.press("e");
  await row("reserved").first().waitFor();
  assert.equal(await page.getByRole("treeitem").count(), 12);
  await page.keyboard.press("Home");
  await selected.filter({ hasText: "gateway" }).waitFor();
  await page.keyboard.press("f");
  await selected.filter({ hasText: "POST /orders" }).waitFor();
  await close();
});

test("what is searched for is found in folded tasks, too", async () => {
  const { page, row, selected, close } = await visit(failed);
  await row("reserve 3 items").locator(".fold").click();
  await row("reserved").first().waitFor({ state: "detached" });
  await page.keyboard.press("/");
  await page.keyboard.type("SHELF=");
  const found = page.locator(".search-count");
  await found.getByText("1 of 3").waitFor();
  await selected.filter({ hasText: "item=tea" }).waitFor();
  assert.equal(await page.locator("mark").count(), 3);
  await page.keyboard.press("Enter");
  await found.getByText("2 of 3").waitFor();
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.press("Shift+Enter");
  await found.getByText("3 of 3").waitFor();
  await selected.filter({ hasText: "item=cups" }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get("q"), "SHELF=");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("mark").count(), 0);
  await page.keyboard.press("/");
  await page.keyboard.type("no such thing");
  await found.getByText("nothing").waitFor();
  await close();
});

test("an address shows to others what one sees", async () => {
  const mine = await visit(failed);
  await mine.row("item=pot").click();
  const { searchParams } = new URL(mine.page.url());
  assert.match(searchParams.get("record"), /^\d+$/);
  const query = `?${searchParams}`;
  await mine.page.keyboard.press("v");
  await mine.page.locator("[role=row][aria-selected=true]").filter({ hasText: "item=pot" }).waitFor();
  const log = new URL(mine.page.url()).search;
  await mine.close();

  const tree = await visit(failed, { query });
  await tree.selected.filter({ hasText: "item=pot" }).waitFor();
  await tree.page.locator("dl-task-details").getByText("pot", { exact: true }).waitFor();
  await tree.close();

  const shared = await visit(failed, { query: log });
  await shared.page.locator("[role=row][aria-selected=true]").filter({ hasText: "item=pot" }).waitFor();
  assert.equal(await shared.page.getByRole("row").count(), 6);
  await shot(shared.page, "task-log");
  await shared.close();
});

test("the tree is copied as text, JSON and traceparent, and compared with a good one", async () => {
  const { page, close } = await visit(failed);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  const copy = async (name) => {
    const button = await page.locator("dl-task-head").getByRole("button", { name, exact: true }).elementHandle();
    await button.click();
    await page.waitForFunction((clicked) => clicked.textContent === "Copied", button);
    return clipboard();
  };
  const api = `${daemon.http}/api/v1/tasks/${failed}`;
  assert.equal(await copy("Text"), await (await fetch(`${api}?format=text`)).text());
  assert.equal(JSON.parse(await copy("JSON")).trace_id, failed);
  assert.match(await copy("traceparent"), new RegExp(`^00-${failed.replaceAll("-", "")}-[0-9a-f]{16}-01$`));
  assert.equal(await copy("Id"), failed);
  const compare = page.getByRole("link", { name: "Compare with a good one" });
  await compare.waitFor();
  const { pathname, searchParams } = new URL(await compare.getAttribute("href"), daemon.http);
  assert.equal(pathname, "/diff");
  assert.ok(searchParams.get("a").startsWith(failed));
  assert.ok(searchParams.get("b").startsWith(good));
  await close();
});

test("the columns are made wider by keys, and stay so", async () => {
  const { page, row, close } = await visit(failed);
  const line = page.getByRole("separator", { name: "Width of the names" });
  await line.focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await line.getAttribute("aria-valuenow"), "56");
  await page.reload();
  await row("ask the bank").waitFor();
  assert.equal(await line.getAttribute("aria-valuenow"), "56");
  await close();
});

test("a tree grows under the eyes of who reads it, from nothing", async () => {
  const trace = hex(16);
  const [root, work] = [hex(8), hex(8)];
  const { page, row, selected, close } = await visit(printed(trace));
  await page.getByText("Nothing of this task is stored yet").waitFor();
  const at = Date.now() - 1000;
  feed.span({ trace, span: work, parent: root, service: "worker", name: "pack", at: at + 300, ms: 100 });
  feed.log({ trace, span: work, service: "worker", body: "packed", at: at + 350 });
  await feed.send();
  await row("packed").click();
  await page.locator("dl-task-details").getByText("packed", { exact: true }).waitFor();
  feed.span({ trace, parent: root, service: "worker", name: "weigh", at: at + 100, ms: 100 });
  await feed.send();
  await row("weigh").waitFor();
  feed.span({ trace, span: root, service: "shop", name: "ship", kind: 2, at, ms: 500 });
  await feed.send();
  await page.getByRole("heading", { level: 1, name: "ship" }).waitFor();
  await selected.filter({ hasText: "packed" }).waitFor();
  assert.deepEqual(await texts(page), ["ship", "weigh", "pack", "packed"]);
  await row("pack").first().locator(".fold").click();
  feed.span({ trace, parent: root, service: "worker", name: "label", at: at + 420, ms: 20 });
  await feed.send();
  await row("label").waitFor();
  assert.deepEqual(await texts(page), ["ship", "weigh", "pack", "label"], "what was folded stays so");
  await close();
});

test("running tasks grow, and end under the eyes of who reads", async () => {
  const push = await Push.connect(daemon.push);
  const [trace, root, charge] = [hex(16), hex(8), hex(8)];
  const order = { trace, span: root, service: "gateway", name: "POST /order" };
  const payment = { trace, span: charge, parent: root, service: "payment", name: "charge the card" };
  push.begin({ ...order, at: Date.now() - 3000 });
  push.event({ ...order, name: "order received", at: Date.now() - 2900 });
  const { page, row, selected, close } = await visit(printed(trace));
  await row("order received").waitFor();
  const note = page.locator(".task-note");
  await note.getByText("Live").waitFor();
  await row("POST /order").getByRole("img", { name: "running" }).waitFor();
  const took = row("POST /order").locator(".tree-took");
  const shown = await took.textContent();
  const element = await took.elementHandle();
  await page.waitForFunction(([one, before]) => !one.isConnected || one.textContent !== before, [element, shown]);
  await row("order received").click();

  push.begin({ ...payment, at: Date.now() - 1000 });
  await row("charge the card").waitFor();
  assert.deepEqual(await texts(page), ["POST /order", "order received", "charge the card"]);
  await selected.filter({ hasText: "order received" }).waitFor();
  await shot(page, "task-running");
  const raise = page.locator(".head-tools").getByRole("button", { name: /debug/ });
  await raise.click();
  await raise.filter({ hasText: "Logs at debug for 10 min, in 0 processes" }).waitFor();
  const levels = await (await fetch(`${daemon.http}/api/v1/levels`)).json();
  assert.equal(levels.overrides[0].task, printed(trace));

  push.end({ ...payment, outcome: "failed", at: Date.now(), ms: 1200 });
  await row("charge the card").getByRole("img", { name: "failed" }).waitFor();
  push.end({ ...order, at: Date.now(), ms: 3500 });
  await row("POST /order").getByRole("img", { name: "ok" }).waitFor();
  await note.getByText("Live").waitFor({ state: "detached" });
  assert.equal(await took.textContent(), "3.5s");
  await selected.filter({ hasText: "order received" }).waitFor();
  push.close();
  await close();
});

test("the daemon is killed: the tree stays, the page says so, and goes on when it is back", async () => {
  const trace = hex(16);
  const root = feed.span({ trace, service: "shop", name: "survive", at: Date.now() - 500, ms: 100 });
  await feed.send();
  const { page, row, close } = await visit(printed(trace));
  await row("survive").waitFor();
  await daemon.kill();
  await page.getByText("The daemon does not answer").waitFor();
  await row("survive").waitFor();
  await daemon.restart();
  await page.getByText("The daemon does not answer").waitFor({ state: "detached" });
  feed.span({ trace, parent: root, service: "shop", name: "come late", at: Date.now() - 450, ms: 10 });
  await feed.send();
  await row("come late").waitFor();
  await close();
});

test("what does not fit into an answer is loaded when it is wanted", async () => {
  const { page, close } = await visit(failed);
  // A daemon gives 500 000 rows; here five.
  await page.route(/format=outline/, (route) => route.continue({ url: `${route.request().url()}&limit=5` }));
  await page.reload();
  const more = page.getByRole("treeitem").filter({ hasText: "More was not loaded" });
  await more.click();
  await page.getByRole("treeitem").filter({ hasText: "charge the card" }).waitFor();
  assert.deepEqual((await texts(page)).slice(0, 9), [
    "POST /order",
    "order received",
    "POST /orders",
    "reserve 3 items",
    "reserved",
    "reserved",
    "reserved",
    "charge the card",
    "POST /charge",
  ]);
  await more.click();
  await page.getByRole("treeitem").filter({ hasText: "the order was not paid" }).waitFor();
  await more.waitFor({ state: "detached" });
  assert.equal(await page.getByRole("treeitem").count(), 12);
  await close();
});

test("a trace whose root has not come is shown", async () => {
  const trace = hex(16);
  feed.span({ trace, parent: hex(8), service: "payment", name: "POST /charge", at: Date.now() - 90_000, ms: 20 });
  await feed.send();
  const { row, close } = await visit(printed(trace));
  await row("POST /charge").waitFor();
  await close();
});

for (const dark of [false, true]) {
  for (const width of [1440, 380]) {
    const look = `${dark ? "dark" : "light"}-${width}`;
    test(`nothing is wrong for axe and nothing sticks out: ${look}`, async () => {
      const { page, row, close } = await visit(failed, { width, height: 800, dark });
      await row("ask the bank").waitFor();
      await shot(page, `task-${look}`);
      assert.deepEqual(await axe(page), []);
      await row("payment failed").click();
      await page.locator("dl-task-details").getByText("51", { exact: true }).waitFor();
      assert.deepEqual(await axe(page), []);
      await page.keyboard.press("v");
      await page.getByRole("grid", { name: "Records" }).waitFor();
      assert.deepEqual(await axe(page), []);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
      await close();
    });
  }
}
