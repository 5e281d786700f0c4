// Each page can be used by all: axe finds nothing serious, light and dark, wide and narrow; nothing overflows sideways, nothing jumps while a
// page loads, and nobody but the daemon is asked.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { axe, launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Feed, order, printed } from "./kit/feed.js";

/** Of all layout shifts while a page loads: less than can be seen. */
const MAX_SHIFT = 0.05;

let browser;
let daemon;
const ids = { good: "", bad: "" };

before(async () => {
  browser = await launch();
  daemon = await Daemon.start();
  const feed = new Feed(daemon.otlp);
  for (let number = 0; number < 30; number += 1) {
    const failed = number % 3 === 0;
    const trace = order(feed, { at: Date.now() - 1000 - number * 20_000, number, failed });
    ids[failed ? "bad" : "good"] = printed(trace);
  }
  await feed.send();
});

after(async () => {
  await daemon?.close();
  await browser?.close();
});

/** Name, path, and what is there when the page is. */
const PAGES = [
  ["tasks", () => "/", (page) => page.getByRole("row").filter({ hasText: "POST /order" })],
  ["task", () => `/task/${ids.bad}`, (page) => page.getByRole("treeitem").filter({ hasText: "payment failed" })],
  ["find", () => "/find", (page) => page.getByRole("row").filter({ hasText: "order done" })],
  ["problems", () => "/problems", (page) => page.locator("main").getByText("card declined")],
  ["diff", () => `/diff?a=${ids.good}&b=${ids.bad}`, (page) => page.locator("main").getByText("ask the bank")],
  ["status", () => "/status", (page) => page.getByRole("table", { name: "Receivers" })],
];

for (const [name, path, there] of PAGES) {
  for (const width of [1440, 380]) {
    for (const dark of [false, true]) {
      const look = `${width}-${dark ? "dark" : "light"}`;
      test(`${name} at ${look}`, async () => {
        const { page, faults, close } = await open(browser, { url: "about:blank", width, dark });
        const others = [];
        page.on("request", (request) => {
          if (new URL(request.url()).origin !== daemon.http) others.push(request.url());
        });
        await page.addInitScript(() => {
          window.shifts = [];
          new PerformanceObserver((list) => {
            for (const { value, sources } of list.getEntries())
              window.shifts.push({ value, nodes: sources.map(({ node }) => node?.outerHTML?.slice(0, 120)) });
          }).observe({ type: "layout-shift", buffered: true });
        });
        await page.goto(daemon.http + path());
        await there(page).first().waitFor();
        await page.waitForLoadState("load");
        assert.deepEqual(await axe(page), []);
        const { shifts, scroll, client, title } = await page.evaluate(() => ({
          shifts: window.shifts,
          scroll: document.documentElement.scrollWidth,
          client: document.documentElement.clientWidth,
          title: document.title,
        }));
        const shift = shifts.reduce((sum, { value }) => sum + value, 0);
        assert.ok(shift < MAX_SHIFT, `the page jumps by ${shift}: ${JSON.stringify(shifts)}`);
        assert.ok(scroll <= client, `${scroll} px in ${client}`);
        assert.match(title, /distlog/);
        assert.deepEqual(others, []);
        assert.deepEqual(faults, []);
        await shot(page, `${name}-${look}`);
        await close();
      });
    }
  }
}
