// What programs send is text, whatever it holds: nothing of it runs, links nowhere but to pages, or turns the text around.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Feed, hex, order, printed } from "./kit/feed.js";

const SCRIPT = "<script>window.ran = 1</script>";
const IMAGE = '<img src=x onerror="window.ran = 2">';
/** A bell, a delete, a mark that turns the text around, one that cannot be seen, an end of an attribute. */
const MARKS = 'bell\u0007del\u007frtl\u202eabc\u2066zero\u200bquote" onload="window.ran = 3';
const LONG = "long ".repeat(200_000);
const SERVICE = `shop ${IMAGE} \u202e`;
/** Characters that must not reach the page as they are. */
const RAW = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u202a-\u202e\u2066-\u2069\u200b]/;

let browser;
let daemon;
const trace = hex(16);
const good = hex(16);

before(async () => {
  browser = await launch();
  daemon = await Daemon.start();
  const feed = new Feed(daemon.otlp);
  const at = Date.now() - 1000;
  const fields = {
    script: SCRIPT,
    link: "javascript:window.ran = 4",
    data: "data:text/html,<script>window.ran = 5</script>",
    vbscript: "  jAvAsCrIpT:window.ran = 6",
    [IMAGE]: MARKS,
    nested: { [SCRIPT]: [IMAGE, MARKS] },
    __proto__x: "own",
    constructor: "own",
  };
  const links = [{ traceId: hex(16), spanId: hex(8), attributes: [{ key: SCRIPT, value: { stringValue: MARKS } }] }];
  for (const [id, failed] of [
    [good, undefined],
    [trace, `${SCRIPT} ${MARKS}`],
  ]) {
    const of = { trace: id, service: SERVICE, at, fields };
    const root = feed.span({ ...of, name: `${IMAGE} GET /`, kind: 2, ms: 40, failed, links });
    const below = feed.span({ ...of, name: `${SCRIPT} ${MARKS}`, parent: root, ms: 20, failed });
    feed.log({ ...of, span: below, level: "ERROR", body: `${SCRIPT} ${IMAGE} ${MARKS} needle` });
    feed.log({ ...of, span: below, level: "INFO", body: LONG });
    feed.log({ ...of, span: root, level: "INFO", body: { [SCRIPT]: MARKS } });
  }
  order(feed, { at, number: 1, failed: true });
  await feed.send();
});

after(async () => {
  await daemon?.close();
  await browser?.close();
});

/** Opens a page that must ask nobody but the daemon. */
async function visit(path, how = {}) {
  const opened = await open(browser, { url: daemon.http + path, ...how });
  const others = [];
  opened.page.on("request", (request) => {
    if (new URL(request.url()).origin !== daemon.http) others.push(request.url());
  });
  return { ...opened, others };
}

/** Nothing ran, and what is shown is text. */
async function assertInert({ page, faults, others }) {
  const seen = await page.evaluate(() => ({
    ran: window.ran,
    elements: document.querySelectorAll("main :is(script, img, iframe, object, embed, style, base)").length,
    text: document.body.textContent,
    titles: [...document.querySelectorAll("[title], [aria-label]")].map((one) => one.title + one.ariaLabel).join(""),
    links: [...document.querySelectorAll("a[href]")].map((link) => link.protocol),
  }));
  assert.equal(seen.ran, undefined);
  assert.equal(seen.elements, 0);
  for (const text of [seen.text, seen.titles]) assert.doesNotMatch(text.match(RAW)?.[0] ?? "", RAW, context(text));
  assert.deepEqual([...new Set(seen.links)], ["http:"]);
  assert.deepEqual(others, []);
  assert.deepEqual(faults, []);
}

/** What stands around a raw character. */
function context(text) {
  const { index = 0 } = text.match(RAW) ?? {};
  return JSON.stringify(text.slice(Math.max(0, index - 100), index + 40));
}

test("in the list of tasks", async () => {
  const opened = await visit("/");
  const { page, close } = opened;
  await page.getByRole("row").filter({ hasText: "<img src=x" }).first().waitFor();
  await assertInert(opened);
  await shot(page, "hostile-tasks");
  await page.getByRole("row").filter({ hasText: "POST /order" }).first().waitFor();
  await close();
});

test("in the tree of a task, and in its details", async () => {
  const opened = await visit(`/task/${printed(trace)}`);
  const { page, close } = opened;
  const tree = page.getByRole("tree");
  await tree.getByRole("treeitem").filter({ hasText: "needle" }).first().waitFor();
  await assertInert(opened);
  for (const text of ["<img src=x", "needle", "long long"]) {
    await tree.getByRole("treeitem").filter({ hasText: text }).first().click();
    await page.locator(".record-detail, dl-task-details").first().waitFor();
    await assertInert(opened);
  }
  await shot(page, "hostile-task");
  await close();
});

test("in what is found, in a record, and around it", async () => {
  const opened = await visit("/find?q=needle");
  const { page, close } = opened;
  const grid = page.getByRole("grid", { name: "Records", exact: true });
  await grid.getByText("needle").first().waitFor();
  await assertInert(opened);
  await grid.getByText("needle").first().click();
  const panel = page.getByRole("region", { name: "The chosen record" });
  await panel.getByText("\\u{202e}").first().waitFor();
  await panel.getByText("javascript:window.ran = 4").waitFor();
  assert.equal(await panel.getByRole("link", { name: "javascript" }).count(), 0);
  await assertInert(opened);
  await shot(page, "hostile-find");
  await panel.getByRole("button", { name: "Its trace" }).click();
  await panel.getByRole("row").filter({ hasText: "long long" }).first().click();
  await panel.getByRole("button", { name: "Record", exact: true }).click();
  await panel.getByRole("button", { name: /Show all 1,000,000 characters/ }).click();
  await assertInert(opened);
  // Its value is written into the condition as a text.
  await panel.getByRole("button", { name: "Only these: fields.script" }).focus();
  await page.keyboard.press("Enter");
  await grid.getByText("needle").first().waitFor();
  await assertInert(opened);
  // Columns and completions of names that a program made up.
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("checkbox", { name: /fields\["<img/ }).check();
  await page.keyboard.press("Escape");
  await page.getByRole("combobox", { name: "Condition (CEL)" }).fill("fields.");
  await page
    .getByRole("listbox")
    .getByRole("option", { name: /<img src=x/ })
    .waitFor();
  await page.getByRole("combobox", { name: "Condition (CEL)" }).fill("service == ");
  await page
    .getByRole("listbox")
    .getByRole("option", { name: /<img src=x/ })
    .waitFor();
  await assertInert(opened);
  await close();
});

test("in words of the address", async () => {
  const evil = encodeURIComponent("<script>window.ran(1)</script>");
  const opened = await visit(`/find?q=${evil}&service=${evil}&record=${evil}&columns=${evil}&around=${evil}`);
  await opened.page.getByText("No record is like this.").waitFor();
  await assertInert(opened);
  await opened.close();
});

test("in problems, in what two tasks do differently, and in the status", async () => {
  for (const [path, text] of [
    ["/problems", "<img src=x"],
    [`/diff?a=${printed(good)}&b=${printed(trace)}`, "<img src=x"],
    ["/status", "<img src=x"],
  ]) {
    const opened = await visit(path);
    await opened.page.locator("main").getByText(text).filter({ visible: true }).first().waitFor();
    await assertInert(opened);
    await shot(opened.page, `hostile-${path.slice(1, 5)}`);
    await opened.close();
  }
});
