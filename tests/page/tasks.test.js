// The list of tasks, as somebody uses it.

import assert from "node:assert/strict";
import { shot } from "./kit/browser.js";
import { hex, order } from "./kit/feed.js";
import { Push } from "./kit/push.js";
import { looks, story } from "./kit/story.js";

/** Sends orders, the newest now; gives how many. */
async function orders(feed, many, { apart = 1000, failed = () => false } = {}) {
  const now = Date.now();
  for (let at = 0; at < many; at += 1) order(feed, { at: now - 500 - at * apart, number: at, failed: failed(at) });
  await feed.send();
}

const grid = (page) => page.getByRole("grid", { name: "Tasks" });
const rows = (page) => grid(page).locator("[role=row][data-key]");
const hasRows = (page, many) =>
  page.waitForFunction((many) => document.querySelectorAll("dl-task-list [data-key]").length === many, many);
/** How many failed, were lost, were cancelled, and went well, as the histogram counts them. */
const hasBars = (page, counts) =>
  page.waitForFunction(
    (counts) => [...document.querySelectorAll(".histogram-kind b")].map((one) => one.textContent).join(" ") === counts,
    counts,
  );

story("who has just begun is told how records come in, and sees the first one", async ({ daemon, feed, show }) => {
  const page = await show();
  await page.getByRole("heading", { name: "Nothing has come in yet" }).waitFor();
  await page.getByText(`OTEL_EXPORTER_OTLP_ENDPOINT=${daemon.otlp}`).waitFor();
  await page.getByText("distlog_layer::builder()").waitFor();
  await shot(page, "welcome");
  await orders(feed, 1);
  await rows(page).getByRole("link", { name: "POST /order" }).waitFor();
  assert.equal(await page.getByRole("heading", { name: "Nothing has come in yet" }).count(), 0);
});

story("tasks come by themselves, and say how they ended", async ({ feed, show }) => {
  await orders(feed, 2);
  const page = await show();
  await hasRows(page, 2);
  order(feed, { at: Date.now(), number: 3, failed: true });
  await feed.send();
  await hasRows(page, 3);
  const first = rows(page).first();
  await rows(page).filter({ hasText: "failed below" }).waitFor();
  const failed = rows(page).filter({ hasText: "4 failed below" });
  assert.equal(await failed.getByRole("img", { name: "failed" }).count(), 1);
  assert.match(await failed.innerText(), /gateway/);
  assert.match(await failed.innerText(), /40ms/);
  assert.ok(await first.isVisible());
});

story("a task of which only logs have come is listed, too", async ({ feed, show }) => {
  const trace = hex(16);
  feed.log({ trace, span: hex(8), service: "cron", body: "clean-up begins", at: Date.now() - 70_000 });
  await feed.send();
  const page = await show();
  await hasRows(page, 1);
  assert.match(await rows(page).innerText(), /only records so far/);
});

story("a task that runs shows its age, and then how it ended", async ({ daemon, feed, show }) => {
  await orders(feed, 2);
  const push = await Push.connect(daemon.push);
  const task = { trace: hex(16), span: hex(8), service: "reports", name: "monthly report", at: Date.now() - 61_000 };
  push.begin(task);
  const page = await show("/?outcome=running");
  await hasRows(page, 1);
  const age = rows(page).locator(".task-age");
  const shown = await age.innerText();
  assert.match(shown, /^1m( \d+s)?$/);
  assert.equal(await rows(page).getByRole("img", { name: "running" }).count(), 1);
  await page.waitForFunction((shown) => document.querySelector(".task-age").textContent !== shown, shown);
  await page.waitForFunction(() => document.querySelector(".histogram-chart path"));
  assert.equal(await page.locator(".fault").innerText(), "");
  await shot(page, "tasks-running");
  const all = await show("/");
  await hasRows(all, 3);
  push.end({ ...task, at: task.at + 63_000, ms: 63_000, outcome: "cancelled" });
  await page.getByText("No task is like this.").waitFor();
  await rows(all).getByRole("img", { name: "cancelled" }).waitFor();
  assert.match(await rows(all).filter({ hasText: "monthly report" }).innerText(), /1m 3s/);
  push.close();
});

story("what one reads stays where it is while others come, and these are counted", async ({ feed, show }) => {
  await orders(feed, 250);
  const page = await show();
  const list = grid(page);
  await rows(page).first().waitFor();
  await list.evaluate((element) => element.scrollTo(0, 1200));
  await page.waitForFunction(() => document.querySelector("dl-task-list [aria-rowindex='50']"));
  const key = await page.locator("[aria-rowindex='50']").getAttribute("data-key");
  const topOf = () => page.locator(`[data-key='${key}']`).evaluate((row) => row.getBoundingClientRect().top);
  const top = await topOf();
  for (let at = 0; at < 3; at += 1) order(feed, { at: Date.now(), number: 1000 + at });
  await feed.send();
  await page.getByRole("button", { name: "3 new" }).waitFor();
  assert.equal(await topOf(), top);
  await shot(page, "tasks-new");
  await page.getByRole("button", { name: "3 new" }).click();
  await page.waitForFunction(() => document.querySelector("dl-task-list").scrollTop === 0);
  assert.equal(await page.getByRole("button", { name: "3 new" }).count(), 0);
  // Older ones come as one scrolls.
  await page.waitForFunction(() => {
    const list = document.querySelector("dl-task-list");
    list.scrollTo(0, list.scrollHeight);
    return list.querySelector("[aria-rowindex='254']");
  });
});

story("words that stand in a record of its trace find a task", async ({ feed, show }) => {
  await orders(feed, 6, { failed: (at) => at === 4 });
  const page = await show();
  await hasRows(page, 6);
  const words = page.getByRole("searchbox", { name: "Words in its records" });
  await words.fill("insufficient funds");
  await hasRows(page, 1);
  await rows(page).getByRole("img", { name: "failed" }).waitFor();
  await page.waitForURL(/q=insufficient/);
  const other = await show(new URL(page.url()).search);
  await hasRows(other, 1);
  // One that comes later is found, too.
  order(feed, { at: Date.now(), number: 7, failed: true });
  order(feed, { at: Date.now(), number: 8 });
  await feed.send();
  await hasRows(other, 2);
  await words.fill("nowhere");
  await page.getByText("No task is like this.").waitFor();
});

story("filters are in the address, and an address shows what it says", async ({ feed, show }) => {
  await orders(feed, 12, { failed: (at) => at % 4 === 0 });
  feed.span({ trace: hex(16), service: "stock", name: "refill shelf", at: Date.now() - 5000, ms: 1500 });
  await feed.send();
  const page = await show();
  await hasRows(page, 13);
  await page.getByRole("button", { name: "failed" }).click();
  await hasRows(page, 3);
  assert.match(page.url(), /\?outcome=failed$/);
  await hasBars(page, "3 0 0 0");
  await page.getByRole("button", { name: "failed" }).click();
  await page.getByRole("button", { name: "ok" }).click();
  await hasRows(page, 10);
  await hasBars(page, "0 0 0 10");
  await page.getByRole("button", { name: "ok" }).click();
  await hasRows(page, 13);
  // Requests are counted, not their parts.
  await hasBars(page, "3 0 0 10");
  await page.getByRole("combobox", { name: "Service" }).selectOption("stock");
  await hasRows(page, 1);
  await page.goBack();
  await hasRows(page, 13);
  await page.getByRole("searchbox", { name: "Part of the name" }).fill("shelf");
  await hasRows(page, 1);
  const least = page.getByRole("textbox", { name: "At least" });
  await least.fill("2 parsecs");
  await page.getByRole("alert").filter({ hasText: "`min_duration` is wrong" }).waitFor();
  assert.equal(await least.getAttribute("aria-invalid"), "true");
  await least.fill("1s");
  await page.waitForURL(/min_duration=1s/);
  await hasRows(page, 1);
  const other = await show(new URL(page.url()).search);
  await hasRows(other, 1);
  assert.equal(await other.getByRole("searchbox", { name: "Part of the name" }).inputValue(), "shelf");
  await least.fill("2s");
  await page.getByText("No task is like this.").waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await hasRows(page, 13);
});

story("a span of time is brushed with the mouse and with the keyboard", async ({ feed, show }) => {
  await orders(feed, 20, { apart: 30_000 });
  const page = await show("/?from=15m");
  await hasRows(page, 20);
  const plot = page.getByRole("slider", { name: "Tasks over time" });
  await page.waitForFunction(() => document.querySelector(".histogram-chart path"));
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=2\d{3}-.*to=2\d{3}-/);
  await page.waitForFunction(() => {
    const all = document.querySelectorAll("dl-task-list [data-key]").length;
    return all > 0 && all < 20;
  });
  await page.goBack();
  await hasRows(page, 20);
  await plot.focus();
  await page.keyboard.press("End");
  for (let at = 0; at < 10; at += 1) await page.keyboard.press("Shift+ArrowLeft");
  assert.match(await plot.getAttribute("aria-valuetext"), /: 0 failed, 0 lost, 0 cancelled, \d+ ok$/);
  await page.keyboard.press("Enter");
  await page.waitForURL(/from=2\d{3}-.*to=2\d{3}-/);
  await page.waitForFunction(() => {
    const all = document.querySelectorAll("dl-task-list [data-key]").length;
    return all > 0 && all < 20;
  });
});

story("time is chosen as people type it", async ({ feed, show }) => {
  await orders(feed, 4, { apart: 3_600_000 });
  const page = await show();
  await hasRows(page, 4);
  await page.keyboard.press("t");
  await page.getByRole("button", { name: "1h", exact: true }).click();
  await page.waitForURL(/from=1h$/);
  await hasRows(page, 1);
  await page.getByRole("button", { name: "Last 1h" }).click();
  const from = page.getByRole("textbox", { name: "From" });
  await from.fill("noonish");
  await from.press("Enter");
  await page.getByRole("alert").filter({ hasText: "“noonish” is no time" }).waitFor();
  await from.fill("150m ago");
  await from.press("Enter");
  await page.waitForURL(/from=150m$/);
  await hasRows(page, 3);
  await page.goto(page.url().replace("150m", "someday"));
  await page.getByRole("dialog", { name: "Time" }).getByText("`from` is wrong").waitFor();
});

story("all of it goes by the keyboard", async ({ feed, show }) => {
  await orders(feed, 5);
  const page = await show();
  await hasRows(page, 5);
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.name), "q");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const key = await page.locator("dl-task-list [aria-selected=true]").getAttribute("data-key");
  assert.equal(await page.locator("dl-task-list [aria-selected=true]").getAttribute("aria-rowindex"), "4");
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/task/${key}`));
  await page.goBack();
  await hasRows(page, 5);
  assert.match(
    await rows(page).first().getByRole("link").getAttribute("href"),
    /^\/task\/[0-9a-f-]{36}\/~[0-9a-f]{16}$/,
  );
});

story("problems stand on top until one has looked", async ({ feed, show }) => {
  await orders(feed, 3, { failed: () => true });
  const page = await show();
  const line = page.getByRole("status").filter({ hasText: "problems so far" });
  await line.waitFor();
  assert.match(await line.getByRole("link").first().getAttribute("href"), /^\/task\/[0-9a-f-]{36}\?span=[0-9a-f]{16}$/);
  await line.getByRole("button", { name: "Dismiss" }).click();
  await line.waitFor({ state: "detached" });
  feed.log({ service: "stock", level: "ERROR", body: "the shelf fell", at: Date.now() + 1000 });
  await feed.send();
  const since = page.getByRole("status").filter({ hasText: "1 problem since you last looked" });
  await since.getByRole("link", { name: "the shelf fell" }).click();
  await page.waitForURL(/\/problems/);
});

story("the daemon is killed and comes back", async ({ daemon, feed, show }) => {
  await orders(feed, 2);
  const page = await show();
  await hasRows(page, 2);
  await daemon.kill();
  await page.getByText("The daemon does not answer.").waitFor();
  await hasRows(page, 2);
  await daemon.restart();
  await page.getByText("The daemon does not answer.").waitFor({ state: "detached" });
  await orders(feed, 1);
  await hasRows(page, 3);
});

looks("tasks", async ({ feed, show }, how) => {
  await orders(feed, 60, { apart: 20_000, failed: (at) => at % 7 === 0 });
  const page = await show("/", how);
  await page.waitForFunction(() => document.querySelector(".histogram-chart path"));
  await rows(page).first().waitFor();
  return page;
});
