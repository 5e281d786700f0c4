// Debian's Chromium, and a page that fails the test when something goes wrong in it.

import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

// The packages lie where `DISTLOG_TEST_PAGE_MODULES` says, not beside this file.
const require = createRequire(join(process.env.DISTLOG_TEST_PAGE_MODULES ?? import.meta.dirname, "none.js"));
const { chromium } = require("playwright-core");
const AXE = require.resolve("axe-core/axe.min.js");

/** Where screenshots go, if they are to be kept. */
const SHOTS = process.env.DISTLOG_TEST_SHOTS;

/** Starts a browser. */
export function launch() {
  const executablePath = process.env.DISTLOG_TEST_CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath))
    throw new Error(`there is no ${executablePath}: DISTLOG_TEST_CHROMIUM names Chromium`);
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
}

/**
 * Opens a page of the daemon. What the browser reports of it is in `faults`: errors of scripts, refused by the Content-Security-Policy.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {{ url: string, width?: number, height?: number, dark?: boolean }} how
 */
export async function open(browser, { url, width = 1440, height = 900, dark = false }) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    timezoneId: "Europe/Berlin",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    // What the API refuses is shown on the page.
    if (message.location().url.includes("/api/") && /status of 4\d\d/.test(message.text())) return;
    // A daemon that was killed is no fault of the page.
    if (
      message.type() === "error" &&
      !/ERR_(CONNECTION|SOCKET|NETWORK|EMPTY_RESPONSE|INCOMPLETE)|Failed to fetch/.test(message.text())
    )
      faults.push(message.text());
  });
  await page.goto(url);
  return { page, faults, close: () => context.close() };
}

/** Keeps a screenshot, if somebody wants it. */
export async function shot(page, name) {
  if (!SHOTS) return;
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

/** What axe finds that is serious. */
export async function axe(page) {
  await page.evaluate(await source());
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, help, nodes }) =>
        `${id}: ${help}: ${nodes
          .map((node) => node.html)
          .slice(0, 3)
          .join(" | ")}`,
    );
}

let text;
async function source() {
  const { readFile } = await import("node:fs/promises");
  text ??= await readFile(AXE, "utf8");
  return text;
}
