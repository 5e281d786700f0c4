// The page is small.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const PAGE = join(import.meta.dirname, "../../distlogd/page");

test("all of the page's code is less than 150 KB on the wire", async () => {
  const names = await readdir(PAGE, { recursive: true });
  const code = names.filter((name) => /\.(js|css|html|svg)$/.test(name));
  let bytes = 0;
  let sent = 0;
  for (const name of code) {
    const text = await readFile(join(PAGE, name));
    bytes += text.length;
    // As the daemon compresses it: each file alone.
    sent += gzipSync(text).length;
  }
  console.log(`${code.length} files, ${bytes} bytes, ${sent} compressed`);
  assert.ok(code.length > 20);
  assert.ok(sent < 150_000, `${sent} bytes`);
});

test("the page has all its styles", async () => {
  const named = new Set();
  for (const page of ["index.html", "sign-in.html"]) {
    const html = await readFile(join(PAGE, page), "utf8");
    for (const name of html.match(/\/\* styles: (.*) \*\//)[1].split(" ")) named.add(name);
  }
  const files = (await readdir(join(PAGE, "style"))).map((name) => name.replace(/\.css$/, ""));
  assert.deepEqual([...named].toSorted(), files.toSorted());
});
