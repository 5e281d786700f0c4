// Addresses that are wrong, and what somebody does then.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { order, printed } from "./kit/feed.js";
import { story } from "./kit/story.js";

/** The paths of the API that a page asks from now on. */
function asked(page) {
  const paths = [];
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith("/api/")) paths.push(decodeURIComponent(pathname));
  });
  return paths;
}

story("what is no id is said, and asked for once", async ({ feed, show }) => {
  order(feed, { at: Date.now() - 1000, number: 1 });
  await feed.send();
  const page = await show("/");
  const paths = asked(page);
  for (const id of ["abc", "%E0%A4", "e252a11f-d33d-483d-ba08-bc8f642b2f10/"]) {
    await page.evaluate((id) => {
      history.pushState(null, "", `/task/${id}`);
      dispatchEvent(new PopStateEvent("popstate"));
    }, id);
    await page.getByText(/`id` is wrong/).waitFor();
    await page.getByRole("link", { name: "Tasks" }).click();
    await page.getByRole("row").filter({ hasText: "POST /order" }).waitFor();
  }
  const trees = paths.filter((path) => path.startsWith("/api/v1/tasks/"));
  assert.equal(trees.length, 3, String(trees));
  assert.ok(!paths.includes("/api/v1/tail"));
  assert.equal(await page.getByText("The daemon does not answer").count(), 0);
});

for (const path of ["/", "/problems"])
  story(`a wrong time in the address of ${path} is said once`, async ({ feed, show }) => {
    const page = await show(`${path}?from=nonsense`);
    const box = page.getByRole("dialog", { name: "Time" });
    await box.getByText("`from` is wrong").waitFor();
    await page.keyboard.press("Escape");
    await box.waitFor({ state: "hidden" });
    // It is asked anew when records come, and refused again.
    const again = page.waitForResponse((response) => response.url().includes("from=nonsense"));
    order(feed, { at: Date.now(), number: 1, failed: true });
    await feed.send();
    assert.equal((await again).status(), 400);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
    assert.ok(await box.isHidden());
  });

story("a time that no calendar has is refused by the daemon", async ({ show }) => {
  const page = await show("/?from=999999999d");
  await page.getByText("`from` is wrong").first().waitFor();
});

story("another task begins with its whole time, and with nothing of the one before", async ({ feed, show }) => {
  const one = printed(order(feed, { at: Date.now() - 60_000, number: 1, failed: true }));
  const other = printed(order(feed, { at: Date.now() - 1000, number: 2, slow: 100 }));
  await feed.send();
  const page = await show(`/task/${one}`);
  const rows = page.getByRole("tree").getByRole("treeitem");
  await rows.filter({ hasText: "payment failed" }).waitFor();
  await page.keyboard.press("z");
  const ticks = () => page.locator("dl-task-tree").innerText();
  await page.waitForFunction(() => !document.querySelector("dl-task-tree").innerText.includes("30ms"));
  await page.evaluate((id) => {
    history.pushState(null, "", `/task/${id}`);
    dispatchEvent(new PopStateEvent("popstate"));
  }, other);
  await rows.filter({ hasText: "payment accepted" }).waitFor();
  assert.equal(await rows.filter({ hasText: "payment failed" }).count(), 0);
  assert.match(await ticks(), /\b3s\b/);
});

story("a task that is not in the trace opens no details", async ({ feed, show }) => {
  const id = printed(order(feed, { at: Date.now() - 1000, number: 1 }));
  await feed.send();
  const page = await show(`/task/${id}?span=00000000000000ff`);
  await page.getByRole("tree").getByRole("treeitem").filter({ hasText: "order done" }).waitFor();
  assert.ok(await page.locator("dl-task-details").isHidden());
});

story("a comparison that fails leaves nothing of the one before", async ({ feed, show }) => {
  const [a, b] = [1, 2].map((number) => printed(order(feed, { at: Date.now() - 5000 * number, number, slow: number })));
  await feed.send();
  const page = await show(`/diff?a=${a}&b=${b}`);
  await page.getByRole("grid", { name: "Both trees" }).getByText("ask the bank").first().waitFor();
  await page.getByLabel("The second task").fill("e252a11f-d33d-483d-ba08-bc8f642b2f10");
  await page.keyboard.press("Enter");
  await page.getByText("no record of task").waitFor();
  assert.ok(await page.getByRole("grid", { name: "Both trees" }).isHidden());
});

story("Escape closes what is open above, and keys keep the focus where it is", async ({ feed, show }) => {
  order(feed, { at: Date.now() - 1000, number: 1 });
  await feed.send();
  const page = await show("/find?q=bank");
  await page.getByRole("grid").getByText("ask the bank").first().click();
  const record = page.getByRole("region", { name: "The chosen record" });
  await record.waitFor();
  await page.getByRole("button", { name: "Columns" }).click();
  await page.locator(":popover-open").waitFor();
  await page.keyboard.press("Escape");
  await page.locator(":popover-open").waitFor({ state: "hidden" });
  assert.ok(await record.isVisible());
  await record.getByRole("button", { name: "Its trace" }).focus();
  await page.keyboard.press("Enter");
  await record.getByRole("combobox", { name: "How far around it" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Its trace");
});

story("a page whose files do not come says so, and comes when it is loaded anew", async ({ feed, show, daemon }) => {
  order(feed, { at: Date.now() - 1000, number: 1 });
  await feed.send();
  const page = await show("/status");
  await page.route(/pages\/tasks\//, (route) => route.abort("connectionrefused"));
  await page.goto(`${daemon.http}/`);
  await page.getByRole("alert").filter({ hasText: "cannot be loaded" }).waitFor();
  await page.unroute(/pages\/tasks\//);
  await page.getByRole("link", { name: "Load anew" }).click();
  await page.getByRole("row").filter({ hasText: "POST /order" }).waitFor();
});

story("while one page is looked at the files of all others are loaded", async ({ show, daemon, feed }) => {
  order(feed, { at: Date.now() - 1000, number: 1 });
  await feed.send();
  const page = await show("/status");
  const names = await readdir(join(import.meta.dirname, "../../distlogd/page"), { recursive: true });
  // That of the worker is loaded when a tree is.
  const modules = names.filter((name) => name.endsWith(".js") && !name.endsWith("outline-lines.js")).length;
  await page.waitForFunction((modules) => {
    const files = performance.getEntriesByType("resource");
    return new Set(files.map(({ name }) => name).filter((name) => name.endsWith(".js"))).size === modules;
  }, modules);
  const asked = [];
  page.on("request", (request) => {
    if (request.url().includes("/page/")) asked.push(request.url());
  });
  await page.getByRole("link", { name: "Problems" }).click();
  await page.getByRole("heading", { name: "Problems" }).waitFor();
  assert.equal(new URL(page.url()).origin, daemon.http);
  assert.deepEqual(asked, []);
});
