// How soon something is seen. What is measured is printed; asserted is only what must hold on any machine.

import assert from "node:assert/strict";
import { order } from "./kit/feed.js";
import { story } from "./kit/story.js";

story("something is seen soon, with nothing in the browser's cache", async ({ feed, show }) => {
  for (let number = 0; number < 40; number += 1) order(feed, { at: Date.now() - number * 1000, number });
  await feed.send();
  for (const path of ["/", "/find", "/problems", "/status"]) {
    const page = await show(path);
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length === 1);
    const [painted, loaded, bytes] = await page.evaluate(() => {
      const [navigation] = performance.getEntriesByType("navigation");
      const files = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/page/"));
      return [
        performance.getEntriesByName("first-contentful-paint")[0].startTime,
        navigation.domContentLoadedEventEnd,
        files.reduce((sum, { transferSize }) => sum + transferSize, 0),
      ];
    });
    console.log(
      `${path}: seen after ${Math.round(painted)} ms, runs after ${Math.round(loaded)} ms, ${bytes} bytes sent`,
    );
    assert.ok(painted < 10_000 && bytes < 300_000);
    await page.close();
  }
});
