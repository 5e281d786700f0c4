// A test with a daemon and a browser: what was opened is closed, and the browser must find no fault with it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axe, launch, open, shot } from "./browser.js";
import { Daemon } from "./daemon.js";
import { Feed } from "./feed.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

/**
 * @param {string} name
 * @param {(parts: { daemon: Daemon, feed: Feed, show: (path?: string, how?: object) => Promise<import("playwright-core").Page> }) =>
 *   Promise<void>} run
 */
export function story(name, run) {
  test(name, async () => {
    const daemon = await Daemon.start();
    const opened = [];
    const show = async (path = "/", how = {}) => {
      const one = await open(browser, { url: daemon.http + path, ...how });
      opened.push(one);
      return one.page;
    };
    try {
      await run({ daemon, feed: new Feed(daemon.otlp), show });
      assert.deepEqual(
        opened.flatMap(({ faults }) => faults),
        [],
      );
    } finally {
      for (const one of opened) await one.close();
      await daemon.close();
    }
  });
}

/**
 * Looks at a page in light and dark, wide and narrow: axe finds nothing serious, and nothing goes over the side.
 *
 * @param {string} name of its screenshots
 * @param {(parts: object, how: object) => Promise<import("playwright-core").Page>} shown
 */
export function looks(name, shown) {
  for (const dark of [false, true])
    for (const width of [1440, 380])
      story(`it can be read by all: ${dark ? "dark" : "light"}, ${width} px`, async (parts) => {
        const page = await shown(parts, { dark, width });
        await shot(page, `${name}-${dark ? "dark" : "light"}-${width}`);
        assert.deepEqual(await axe(page), []);
        assert.ok(
          await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
          "it goes over the side",
        );
      });
}

/** What moved without anybody's doing: elements, from where to where. */
function shifts(page) {
  return page.evaluate(
    () =>
      new Promise((resolve) => {
        new PerformanceObserver((list) =>
          resolve(
            list
              .getEntries()
              .filter((entry) => !entry.hadRecentInput)
              .flatMap(({ sources }) => sources)
              .map(({ node, previousRect, currentRect }) =>
                [node?.className || node?.nodeName, JSON.stringify(previousRect), JSON.stringify(currentRect)].join(
                  " ",
                ),
              ),
          ),
        ).observe({ type: "layout-shift", buffered: true });
        // An observer is told nothing where there is nothing to tell.
        requestAnimationFrame(() => requestAnimationFrame(() => resolve([])));
      }),
  );
}
