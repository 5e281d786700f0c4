// Find, as somebody uses it: words, conditions with completion, columns, what happened around a record, live.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { axe, launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Feed, hex, order } from "./kit/feed.js";
import { Push } from "./kit/push.js";

/** Orders in the store, of which each fifth fails. */
const ORDERS = 40;
const MINUTE = 60_000;

let browser;
let daemon;
let feed;

before(async () => {
  browser = await launch();
  daemon = await Daemon.start();
  feed = new Feed(daemon.otlp);
  const now = Date.now();
  for (let number = 0; number < ORDERS; number += 1)
    order(feed, { at: now - 1000 - number * MINUTE, number, failed: number % 5 === 0 });
  await feed.send();
});

after(async () => {
  await daemon?.close();
  await browser?.close();
});

const find = (query = "", how = {}) => open(browser, { url: `${daemon.http}/find${query}`, ...how });
const records = (page) => page.getByRole("grid", { name: "Records", exact: true });
const rows = (page, text) => records(page).getByRole("row").filter({ hasText: text });
const condition = (page) => page.getByRole("combobox", { name: "Condition (CEL)" });
const parameter = (page, name) =>
  page.waitForFunction((name) => new URLSearchParams(location.search).get(name), name).then((it) => it.jsonValue());
const said = (page, text) => page.locator(".find-line").filter({ hasText: text }).waitFor();

test("words are found and marked, and stand in the address", async () => {
  const { page, faults, close } = await find();
  await rows(page, "order done").first().waitFor();
  await page.getByRole("searchbox", { name: "Words" }).fill('"payment failed"');
  await said(page, "8 records");
  assert.equal(await rows(page, "payment failed").count(), 8);
  assert.equal(await rows(page, "order done").count(), 0);
  assert.equal(await records(page).locator("mark").first().textContent(), "payment failed");
  assert.equal(await parameter(page, "q"), '"payment failed"');
  await page.reload();
  await said(page, "8 records");
  assert.equal(await page.getByRole("searchbox", { name: "Words" }).inputValue(), '"payment failed"');
  await shot(page, "find-words");
  assert.deepEqual(faults, []);
  await close();
});

test("a condition is completed from names, fields and values", async () => {
  const { page, faults, close } = await find();
  await rows(page, "order done").first().waitFor();
  const option = (name) => page.getByRole("listbox").getByRole("option", { name }).first();
  await page.keyboard.press("c");
  await page.keyboard.type("serv");
  await option("service").waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await option("==").waitFor();
  await page.keyboard.type("== ");
  await option('"payment"').waitFor();
  await page.keyboard.type("pay");
  await page.waitForFunction(() => document.querySelectorAll('[role="option"]').length === 1);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Tab");
  assert.equal(await condition(page).inputValue(), 'service == "payment" ');
  await page.keyboard.type("&& message.st");
  await option("startsWith").waitFor();
  for (const _ of "message.st") await page.keyboard.press("Backspace");
  await page.keyboard.type("fields.");
  await option("fields.code").waitFor();
  assert.equal(await condition(page).getAttribute("aria-expanded"), "true");
  await shot(page, "find-completion");
  await page.keyboard.type("code == 51");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await said(page, "8 records");
  assert.equal(await parameter(page, "filter"), 'service == "payment" && fields.code == 51');
  assert.deepEqual(faults, []);
  await close();
});

test("a mistake in a condition is shown where it is", async () => {
  const { page, faults, close } = await find();
  await condition(page).fill("severity >= WARN && fild.x == 3");
  await page.keyboard.press("Enter");
  const alert = page.getByRole("alert").filter({ hasText: "did you mean `file`?" });
  await alert.waitFor();
  assert.equal(await alert.locator("mark").textContent(), "fild");
  assert.equal(await condition(page).getAttribute("aria-invalid"), "true");
  await alert.getByRole("button").click();
  assert.equal(await condition(page).evaluate((input) => input.selectionStart), 20);
  await condition(page).fill("severity >= WARN");
  await page.keyboard.press("Enter");
  await said(page, "16 records");
  await alert.waitFor({ state: "hidden" });
  // The browser itself tells of answers with 400.
  assert.deepEqual(
    faults.filter((fault) => !/400/.test(fault)),
    [],
  );
  await close();
});

test("severity, service and time narrow what is found", async () => {
  const { page, faults, close } = await find("?severity=warn");
  await said(page, "16 records");
  await page.getByRole("combobox", { name: "Service" }).selectOption("payment");
  await said(page, "8 records");
  await page.getByRole("button", { name: "All time" }).click();
  await page.getByRole("button", { name: "15m" }).click();
  await said(page, "3 records");
  assert.equal(await parameter(page, "from"), "15m");
  await page.goBack();
  await said(page, "8 records");
  assert.deepEqual(faults, []);
  await close();
});

test("older records come as one scrolls", async () => {
  const { page, faults, close } = await find();
  await said(page, `${ORDERS * 18} records`);
  await records(page).focus();
  for (let pages = 0; pages < 12; pages += 1) await page.keyboard.press("End");
  await page.waitForFunction(() => {
    const list = document.querySelector("dl-record-list");
    list?.scrollTo(0, list.scrollHeight);
    return list && list.scrollHeight > 700 * 28;
  });
  // The first record of the oldest order.
  const oldest = records(page).locator(`[aria-rowindex="${ORDERS * 18 + 1}"]`);
  await oldest.waitFor();
  assert.match(await oldest.textContent(), /begin.*POST \/order/);
  assert.deepEqual(faults, []);
  await close();
});

test("columns are chosen, kept and shared", async () => {
  const { page, faults, close } = await find("?q=%22payment%20failed%22");
  await rows(page, "payment failed").first().waitFor();
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("checkbox", { name: "fields.code" }).check();
  await page.getByRole("checkbox", { name: "severity", exact: true }).uncheck();
  await page.keyboard.press("Escape");
  const heads = () => records(page).getByRole("columnheader").allTextContents();
  assert.deepEqual(await heads(), ["time", "service", "message", "fields", "fields.code"]);
  assert.equal(await rows(page, "payment failed").first().getByRole("gridcell").last().textContent(), "51");
  assert.equal(await parameter(page, "columns"), "time,service,message,fields,fields.code");
  await page.goto(`${daemon.http}/find`);
  await rows(page, "order done").first().waitFor();
  assert.deepEqual(await heads(), ["time", "service", "message", "fields", "fields.code"]);
  assert.deepEqual(faults, []);
  await close();
});

test("a record shows what happened around it, and leads to its task", async () => {
  const { page, faults, close } = await find("?q=%22payment%20failed%22");
  await rows(page, "payment failed").nth(2).click();
  const panel = page.getByRole("region", { name: "The chosen record" });
  await panel.getByText("the bank answered code 51").waitFor();
  assert.match(
    await panel.getByRole("link", { name: "Open its task" }).getAttribute("href"),
    /^\/task\/.+\?span=\w{16}$/,
  );
  await panel.getByRole("button", { name: "Its trace" }).click();
  const around = panel.getByRole("grid", { name: "Records around it" });
  await panel.getByText("18 records").waitFor();
  assert.match(await around.getByRole("row").first().textContent(), /−\S+.*POST \/order/);
  const itself = around.locator('[aria-current="true"]');
  assert.match(await itself.textContent(), /^0.*payment failed/);
  await shot(page, "find-around");
  // The address leads to the same, also where the record is not among the newest.
  const shared = new URL(page.url());
  shared.searchParams.set("q", "reserved");
  await page.goto(shared.href);
  await panel.getByText("18 records").waitFor();
  await around.getByRole("row").filter({ hasText: "the order was not paid" }).click();
  await panel.getByRole("button", { name: "Record", exact: true }).click();
  await panel.locator(".detail-message", { hasText: "the order was not paid" }).waitFor();
  await panel.getByRole("button", { name: "Its process" }).click();
  await panel.getByLabel("How far around it").selectOption("± 5 min");
  // What other processes did is not there any more.
  await around.getByRole("row").filter({ hasText: "ask the bank" }).first().waitFor({ state: "hidden" });
  await around.getByRole("row").filter({ hasText: "charge the card" }).first().waitFor();
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "hidden" });
  assert.deepEqual(faults, []);
  await close();
});

test("a record shows what its thread did then", async () => {
  const push = await Push.connect(daemon.push);
  const at = Date.now() - 500;
  for (let number = 0; number < 8; number += 1) {
    const thread = `worker-${number % 2}`;
    const of = { trace: hex(16), span: hex(8), service: "pool", thread };
    push.event({ ...of, name: `step ${number} of ${thread}`, at: at + number });
  }
  const { page, faults, close } = await find("?service=pool&live=true");
  await rows(page, "step 4 of worker-0").click();
  const panel = page.getByRole("region", { name: "The chosen record" });
  await panel.getByRole("button", { name: "Its thread" }).click();
  await panel.getByText("4 records, from −4ms to +2ms").waitFor();
  const around = panel.getByRole("grid", { name: "Records around it" });
  assert.deepEqual((await around.getByRole("row").allTextContents()).map((text) => text.match(/step \d/)[0]).sort(), [
    "step 0",
    "step 2",
    "step 4",
    "step 6",
  ]);
  push.close();
  assert.deepEqual(faults, []);
  await close();
});

test("a value narrows what is found, or is left out", async () => {
  const { page, faults, close } = await find("?q=reserved");
  await rows(page, "item=tea").first().click();
  const panel = page.getByRole("region", { name: "The chosen record" });
  await panel.getByRole("button", { name: "Not these: fields.item" }).focus();
  await page.keyboard.press("Enter");
  await said(page, `${ORDERS * 2} records`);
  assert.equal(await parameter(page, "filter"), '!("item" in fields && fields.item == "tea")');
  await rows(page, "item=pot").first().click();
  await panel.getByRole("button", { name: "Only these: fields.item" }).focus();
  await page.keyboard.press("Enter");
  await said(page, `${ORDERS} records`);
  assert.deepEqual(faults, []);
  await close();
});

test("nothing found: says what to leave out", async () => {
  const { page, faults, close } = await find("?q=%22payment%20failed%22&service=gateway");
  await page.getByText("No record is like this.").waitFor();
  const way = (name) => page.getByRole("listitem").filter({ hasText: name });
  await way("of all services").filter({ hasText: "8 records" }).waitFor();
  await way("without the words").filter({ hasText: "120 records" }).waitFor();
  await shot(page, "find-nothing");
  await way("of all services").getByRole("button").click();
  await said(page, "8 records");
  assert.equal(await parameter(page, "q"), '"payment failed"');
  assert.deepEqual(faults, []);
  await close();
});

test("new records are followed, and those that are not asked for stay away", async () => {
  const { page, faults, close } = await find("?service=live&severity=info&q=tick");
  await page.getByText("No record is like this.").waitFor();
  await page.getByRole("button", { name: "Live", exact: true }).click();
  await said(page, "Following");
  const say = (level, body) => feed.log({ service: "live", level, body, at: Date.now(), trace: hex(16), span: hex(8) });
  say("INFO", "Tick 1");
  say("DEBUG", "tick hidden");
  say("INFO", "tock");
  await feed.send();
  await rows(page, "Tick 1").waitFor();
  say("WARN", "tick 2");
  await feed.send();
  await rows(page, "tick 2").waitFor();
  assert.match(await records(page).locator('[aria-rowindex="2"]').textContent(), /tick 2/, "the newest is on top");
  assert.equal(await rows(page, "hidden").count(), 0);
  assert.equal(await rows(page, "tock").count(), 0);
  // It goes on where it was when the daemon was gone.
  await daemon.kill();
  await page.getByText("The daemon does not answer").waitFor();
  await page.getByRole("searchbox", { name: "Words" }).press("Enter");
  await page.waitForFunction(() => !document.querySelector(".following"));
  assert.ok(await rows(page, "tick 2").isVisible(), "what was found stays");
  await daemon.restart();
  await page.getByText("The daemon does not answer").waitFor({ state: "hidden" });
  say("INFO", "tick 3");
  await feed.send();
  await rows(page, "tick 3").waitFor();
  await shot(page, "find-live");
  assert.deepEqual(faults, []);
  await close();
});

test("of more than can be read a sample is shown", async () => {
  const { page, faults, close } = await find("?service=flood&live=true");
  await said(page, "Following");
  const at = Date.now();
  for (let number = 0; number < 3000; number += 1) feed.log({ service: "flood", body: `drop ${number}`, at });
  await feed.send();
  await page.locator(".find-line").filter({ hasText: "skipped" }).waitFor();
  await rows(page, "drop").first().waitFor();
  assert.deepEqual(faults, []);
  await close();
});

for (const width of [1440, 380]) {
  for (const dark of [false, true]) {
    test(`it can be used by all: ${width} px, ${dark ? "dark" : "light"}`, async () => {
      const { page, faults, close } = await find("?severity=warn", { width, dark });
      await rows(page, "payment failed").first().waitFor();
      assert.deepEqual(await axe(page), []);
      await shot(page, `find-${width}-${dark ? "dark" : "light"}`);
      await rows(page, "payment failed").first().click();
      await page.getByRole("button", { name: "Its trace" }).click();
      await page.getByText("18 records").waitFor();
      assert.deepEqual(await axe(page), []);
      await shot(page, `find-around-${width}-${dark ? "dark" : "light"}`);
      assert.deepEqual(faults, []);
      await close();
    });
  }
}
