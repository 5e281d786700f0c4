// Two trees compared, as somebody does it.

import assert from "node:assert/strict";
import { hex, order, printed } from "./kit/feed.js";
import { looks, story } from "./kit/story.js";

const grid = (page) => page.getByRole("grid", { name: "Both trees" });
const row = (page, text) => grid(page).locator("[role=row][data-key]").filter({ hasText: text });

/** A good order and a bad one; gives their ids and the address of their comparison. */
async function two(feed, { slow = 1, failed = true } = {}) {
  const now = Date.now();
  const a = printed(order(feed, { at: now - 3000, number: 1 }));
  const b = printed(order(feed, { at: now - 2000, number: 2, failed, slow }));
  await feed.send();
  return { a, b, path: `/diff?a=${a}&b=${b}` };
}

/** Two runs of a job with many steps, of which one has another step, and is slow in one. */
async function jobs(feed) {
  const run = (at, { slow, extra }) => {
    const trace = hex(16);
    const root = feed.span({ trace, service: "jobs", name: "nightly", at, ms: 1000 });
    for (let step = 0; step < 60; step += 1)
      feed.span({
        trace,
        parent: root,
        service: "jobs",
        name: `copy table ${String.fromCharCode(97 + (step % 26))}${String.fromCharCode(97 + Math.floor(step / 26))}`,
        at: at + step * 10,
        ms: slow && step === 40 ? 300 : 8,
      });
    if (extra) feed.span({ trace, parent: root, service: "jobs", name: "repair the index", at: at + 700, ms: 90 });
    return printed(trace);
  };
  const now = Date.now();
  const a = run(now - 9000, { slow: false, extra: false });
  const b = run(now - 5000, { slow: true, extra: true });
  await feed.send();
  return `/diff?a=${a}&b=${b}`;
}

story("it shows where two trees differ first, and goes there", async ({ feed, show }) => {
  const { path } = await two(feed);
  const page = await show(path);
  await page.getByRole("button", { name: /First difference after .*payment/ }).waitFor();
  const first = row(page, "first difference");
  assert.match(await first.innerText(), /ask the bank/);
  assert.equal(await first.getAttribute("aria-selected"), "true");
  assert.equal(await first.getByRole("img", { name: "ok" }).count(), 1);
  assert.equal(await first.getByRole("img", { name: "failed" }).count(), 1);
  const failed = row(page, "payment failed");
  assert.match(await failed.innerText(), /0×[^]*1×/);
  const link = first.getByRole("link", { name: "ask the bank" }).last();
  assert.match(await link.getAttribute("href"), /^\/task\/[0-9a-f-]{36}\?span=[0-9a-f]{16}$/);
});

story("what is alike is folded, and opens", async ({ feed, show }) => {
  const page = await show(await jobs(feed));
  const only = row(page, "repair the index");
  await only.waitFor();
  assert.match(await only.innerText(), /not in a/);
  const slow = row(page, "×38");
  assert.match(await slow.innerText(), /\+292ms/);
  const folds = row(page, "tasks alike");
  assert.match(await folds.first().innerText(), /… 40 tasks alike/);
  await page.getByRole("button", { name: /Largest difference of time: copy table/ }).click();
  await folds.first().click();
  await row(page, "copy table aa").waitFor();
  await page.getByRole("button", { name: "Show what is alike" }).click();
  await page.waitForURL(/full=true/);
  await page.waitForFunction(() => document.querySelector("dl-diff-list").getAttribute("aria-rowcount") === "63");
});

story("trees are pasted, and swapped", async ({ daemon, feed, show }) => {
  const { a, b } = await two(feed);
  const page = await show("/diff");
  await page.getByText("Paste the ids or the addresses of two tasks above").waitFor();
  await page.getByRole("textbox", { name: "The first task" }).fill(`${daemon.http}/task/${a}?span=0123456789abcdef`);
  await page.getByRole("textbox", { name: "The second task" }).fill(` ${b} `);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("a") === a && url.searchParams.get("b") === b);
  await row(page, "first difference").waitFor();
  await page.getByRole("button", { name: "Swap a and b" }).click();
  await page.waitForURL((url) => url.searchParams.get("a") === b && url.searchParams.get("b") === a);
  await page.waitForFunction(() => document.querySelector(".diff-head .diff-a [aria-label=failed]"));
});

story("one tree is compared with a good one of the same name", async ({ feed, show }) => {
  const { a, b } = await two(feed);
  const page = await show(`/diff?a=${b}`);
  await page.getByRole("button", { name: "Take the newest good one of the same name" }).click();
  await page.waitForURL((url) => (url.searchParams.get("b") ?? "").startsWith(a));
  await row(page, "first difference").waitFor();
});

story("who has done the same is told so; who is not there, too", async ({ feed, show }) => {
  const { a } = await two(feed);
  const page = await show(`/diff?a=${a}&b=${a}`);
  await page.getByText("Both did the same.").waitFor();
  const none = printed("f".repeat(32));
  await page.getByRole("textbox", { name: "The second task" }).fill(none);
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: none }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "The second task" }).getAttribute("aria-invalid"), "true");
});

story("all of it goes by the keyboard", async ({ feed, show }) => {
  const { a, b, path } = await two(feed);
  const page = await show(path);
  await row(page, "first difference").waitFor();
  await page.keyboard.press("N");
  assert.match(await page.locator("dl-diff-list [aria-selected=true]").innerText(), /POST \/charge/);
  await page.keyboard.press("n");
  assert.match(await page.locator("dl-diff-list [aria-selected=true]").innerText(), /ask the bank/);
  await page.keyboard.press("e");
  await page.waitForURL(/full=true/);
  await page.keyboard.press("s");
  await page.waitForURL((url) => url.searchParams.get("a") === b && url.searchParams.get("b") === a);
  await page.keyboard.press("ArrowDown");
  await row(page, "first difference").waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/task\//);
});

story("the daemon is killed and comes back", async ({ daemon, feed, show }) => {
  const { path } = await two(feed);
  const page = await show(path);
  await row(page, "first difference").waitFor();
  await daemon.kill();
  await page.getByRole("button", { name: "Swap a and b" }).click();
  await page.getByText("The daemon does not answer.").waitFor();
  await daemon.restart();
  await page.waitForFunction(() => document.querySelector(".diff-head .diff-a [aria-label=failed]"));
});

looks("diff", async ({ feed, show }, how) => {
  const { path } = await two(feed, { slow: 2.5 });
  const page = await show(path, how);
  await row(page, "first difference").waitFor();
  return page;
});
