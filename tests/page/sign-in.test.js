// Where tokens are asked for: one signs in, and a page of another address gets nothing of who is signed in.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { axe, launch, open, shot } from "./kit/browser.js";
import { Daemon } from "./kit/daemon.js";
import { Feed, order } from "./kit/feed.js";

let browser;
let daemon;

before(async () => {
  browser = await launch();
  daemon = await Daemon.start("", {
    me: ["--may", "read,admin"],
    sends: ["--may", "ingest"],
    leaves: ["--may", "read"],
    bank: ["--may", "read", "--services", "payment"],
  });
  const feed = new Feed(daemon.otlp);
  order(feed, { at: Date.now() - 60_000, number: 1, failed: true });
  await feed.send();
});

after(async () => {
  await daemon?.close();
  await browser?.close();
});

/** Opens a page and signs in. */
async function signedIn(name, path = "/") {
  const opened = await open(browser, { url: `${daemon.http}${path}` });
  await opened.page.getByLabel("Token").fill(daemon.tokens[name]);
  await opened.page.getByRole("button", { name: "Sign in" }).click();
  await opened.page.locator(".who", { hasText: name }).waitFor();
  return opened;
}

for (const width of [1440, 380]) {
  for (const dark of [false, true]) {
    const look = `${width}-${dark ? "dark" : "light"}`;
    test(`the page to sign in at ${look}`, async () => {
      const { page, faults, close } = await open(browser, { url: `${daemon.http}/status`, width, dark });
      assert.equal(new URL(page.url()).pathname, "/sign-in");
      await page.getByLabel("Token").fill("distlog_wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").getByText("not known here").waitFor();
      assert.deepEqual(await axe(page), []);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(overflow <= 0, `${overflow} px`);
      await shot(page, `sign-in-${look}`);
      await page.getByLabel("Token").fill(daemon.tokens.me);
      await page.getByRole("button", { name: "Sign in" }).click();
      // Back to where one wanted to go.
      await page.getByRole("table", { name: "Receivers" }).waitFor();
      assert.equal(new URL(page.url()).pathname, "/status");
      assert.deepEqual(await axe(page), []);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(wider <= 0, `${wider} px`);
      await shot(page, `signed-in-${look}`);
      await page.locator(".who").click();
      await page.getByRole("button", { name: "Sign out" }).waitFor();
      assert.deepEqual(await axe(page), []);
      await shot(page, `sign-out-${look}`);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByLabel("Token").waitFor();
      await page.goto(`${daemon.http}/`);
      assert.equal(new URL(page.url()).pathname, "/sign-in");
      // The browser says so itself of each answer that is no success.
      assert.deepEqual(
        faults.filter((fault) => !/status of 401/.test(fault)),
        [],
      );
      await close();
    });
  }
}

test("who may not read is told so", async () => {
  const { page, close } = await open(browser, { url: daemon.http });
  await page.getByLabel("Token").fill(daemon.tokens.sends);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("may not read").waitFor();
  await close();
});

test("a token that is revoked while the page is open leads to where one signs in, and back", async () => {
  const { page, close } = await signedIn("leaves", "/find?q=order");
  await page.getByRole("row").filter({ hasText: "order" }).first().waitFor();
  await daemon.revoke("leaves");
  const again = page.getByRole("link", { name: "Sign in again" });
  // Whatever is asked next finds out.
  while (!(await again.isVisible())) {
    await page.getByRole("link", { name: "Problems" }).click();
    await page.getByRole("link", { name: "Find" }).click();
    await page.waitForTimeout(200);
  }
  const { pathname, search } = new URL(page.url());
  await again.click();
  await page.getByLabel("Token").fill(daemon.tokens.me);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator(".who").waitFor();
  assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, pathname + search);
  await close();
});

test("who reads one service is told that others are left out", async () => {
  const { page, faults, close } = await signedIn("bank", "/");
  await page.getByRole("link", { name: "reads payment only" }).waitFor();
  await page.getByRole("row").filter({ hasText: "POST /order" }).waitFor({ state: "detached" });
  await page.getByRole("row").getByRole("link").first().click();
  await page.getByText("records of other services than payment are left out").waitFor();
  await shot(page, "left-out");
  assert.deepEqual(faults, []);
  await close();
});

/** What a page of somebody else tries in the name of who is signed in. */
async function attack(target) {
  const got = [];
  const tries = [
    [`${target}/api/v1/records`, {}],
    [`${target}/api/v1/records`, { mode: "no-cors" }],
    [`${target}/api/v1/tasks`, { mode: "no-cors" }],
    [`${target}/`, { mode: "no-cors" }],
    [`${target}/metrics`, {}],
    [`${target}/api/v1/records?filter=true&to=now`, { method: "DELETE" }],
    [`${target}/sign-out`, { method: "POST", mode: "no-cors" }],
    [`${target}/sign-in`, { method: "POST", mode: "no-cors", body: new URLSearchParams({ token: "distlog_mine" }) }],
    [`${target}/mcp`, { method: "POST", mode: "no-cors", body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' }],
  ];
  for (const [url, how] of tries) {
    try {
      const response = await fetch(url, { credentials: "include", ...how });
      const text = await response.text();
      if (response.type !== "opaque" || text) got.push(`${url}: ${response.status} ${text}`);
    } catch {
      // As it should be.
    }
  }
  const loaded = (element) =>
    new Promise((resolve) => {
      element.onload = () => resolve(true);
      element.onerror = () => resolve(false);
      document.body.append(element);
    });
  for (const [name, attributes] of [
    ["img", { src: `${target}/favicon.svg?a` }],
    ["script", { src: `${target}/api/v1/names` }],
    ["link", { rel: "stylesheet", href: `${target}/api/v1/records` }],
  ]) {
    const element = Object.assign(document.createElement(name), attributes);
    if (await loaded(element)) got.push(`${name} ${JSON.stringify(attributes)}`);
  }
  const events = new EventSource(`${target}/api/v1/tail?from=1`, { withCredentials: true });
  await new Promise((resolve) => {
    events.onmessage = (event) => resolve(got.push(event.data));
    events.onerror = () => resolve(events.close());
  });
  // Forms are not asked by CORS. Their answers go to a frame.
  for (const path of ["/sign-out", "/mcp"]) {
    const frame = Object.assign(document.createElement("iframe"), { name: "frame" });
    const form = Object.assign(document.createElement("form"), { method: "post", target: "frame" });
    form.action = `${target}${path}`;
    form.enctype = "text/plain";
    form.append(Object.assign(document.createElement("input"), { name: "a", value: "b" }));
    document.body.append(frame, form);
    const answered = new Promise((resolve) => (frame.onload = resolve));
    form.submit();
    await answered;
    frame.remove();
  }
  const frame = Object.assign(document.createElement("iframe"), { src: `${target}/` });
  await loaded(frame);
  try {
    got.push(`frame: ${frame.contentDocument.body.textContent}`);
  } catch {
    // It is of another origin, whatever is in it.
  }
  return got;
}

for (const [what, host] of [
  ["on another port of this host", "127.0.0.1"],
  ["of another site", "localhost"],
]) {
  test(`a page ${what} reads and writes nothing in the name of who is signed in`, async () => {
    const evil = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>evil</title><body></body>");
    });
    await new Promise((resolve) => evil.listen(0, host, resolve));
    const { page, close } = await signedIn("me");
    const other = await page.context().newPage();
    const answered = [];
    other.on("response", (response) => {
      const { pathname } = new URL(response.url());
      if (response.url().startsWith(daemon.http))
        answered.push(`${response.request().method()} ${pathname} ${response.status()}`);
    });
    await other.goto(`http://${host}:${evil.address().port}/`);
    assert.deepEqual(await other.evaluate(attack, daemon.http), []);
    assert.ok(answered.length > 8, answered.join("\n"));
    // Not one of them was answered, not even where the page does not see it.
    const let_in = answered.filter((line) => !/ (401|403)$/.test(line));
    assert.deepEqual(let_in, []);
    // Who is signed in still is, and all is there.
    await page.reload();
    await page.getByRole("row").filter({ hasText: "POST /order" }).waitFor();
    await close();
    evil.close();
  });
}
