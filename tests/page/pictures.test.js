// The pictures of the README: an afternoon of a shop, as its people see it. With `DISTLOG_TEST_SHOTS` they are kept.

import assert from "node:assert/strict";
import { shot } from "./kit/browser.js";
import { hex, order, printed } from "./kit/feed.js";
import { DECLINED, Shop } from "./kit/shop.js";
import { story } from "./kit/story.js";

const SIZE = { width: 1280, height: 720 };
const MINUTE = 60_000;

/** What goes on beside the orders. */
const OTHERS = [
  { service: "search", name: "GET /search", ms: 18, log: "searched" },
  { service: "gateway", name: "GET /basket", ms: 9, log: "basket read" },
  { service: "mailer", name: "send confirmation", ms: 240, log: "mail sent" },
  { service: "stock", name: "count the shelves", ms: 1900, log: "shelves counted" },
];

/** An hour; each thing takes as long as it takes, a bit more or less. Gives a good and a bad order. */
async function anHour(feed) {
  const now = Date.now();
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  let good;
  let bad;
  for (let at = now - 60 * MINUTE; at < now - 2000; at += 4000 + 9000 * random()) {
    const failed = random() < (at > now - 25 * MINUTE && at < now - 19 * MINUTE ? 0.7 : 0.06);
    if (random() < 0.55) {
      const trace = order(feed, { at, number: Math.round(at / 1000) % 100_000, failed, slow: 0.6 + random() });
      if (failed) bad = trace;
      else good = trace;
    }
    const { service, name, ms, log } = OTHERS[Math.floor(random() * OTHERS.length)];
    const trace = hex(16);
    const took = ms * (0.5 + 1.2 * random());
    const why = failed && service === "mailer" ? "connection refused" : undefined;
    const span = feed.span({ trace, service, name, at: at + 700, ms: took, failed: why });
    if (why)
      feed.log({ trace, span, service, level: "ERROR", body: "no mail server answers", at: at + 700, fields: { why } });
    else
      feed.log({
        trace,
        span,
        service,
        body: log,
        at: at + 700 + took / 2,
        fields: { items: Math.ceil(40 * random()) },
      });
  }
  await feed.send();
  return { good: printed(good), bad: printed(bad) };
}

story("the pictures of the README", async ({ daemon, feed, show }) => {
  const { good, bad } = await anHour(feed);
  const shop = await Shop.start(daemon);
  let id;
  try {
    for (const number of [1, 2, 3]) {
      const answer = await shop.order({ id: number, card: number === 3 ? DECLINED : undefined });
      id = answer.headers.get("x-task-id");
    }
  } finally {
    await shop.close();
  }
  const tree = await show(`/task/${id.split("/")[0]}`, SIZE);
  await tree.getByRole("tree").getByRole("treeitem").filter({ hasText: "payment failed" }).waitFor();
  await tree.locator("dl-task-details").getByText("the bank answered code 51").first().waitFor();
  await shot(tree, "page-task");
  const list = await show("/?from=1h", SIZE);
  await list.getByRole("row").filter({ hasText: "answer POST /order" }).first().waitFor();
  await list.waitForFunction(() => document.querySelector(".histogram-chart path"));
  await shot(list, "page-tasks");
  const diff = await show(`/diff?a=${good}&b=${bad}`, SIZE);
  await diff.getByText("first difference", { exact: true }).waitFor();
  await shot(diff, "page-diff");
  const found = await show("/find?q=bank", SIZE);
  const rows = found.getByRole("grid").locator("[role=row][data-key]");
  await rows.first().waitFor();
  assert.ok((await rows.count()) > 5);
  await shot(found, "page-find");
});
