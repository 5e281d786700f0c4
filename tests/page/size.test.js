// The page is small.

import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

const PAGE = join(import.meta.dirname, "../../distlogd/page");

test("the page's code has less than 150 KB", async () => {
  const names = await readdir(PAGE, { recursive: true });
  const code = names.filter((name) => /\.(js|css|html|svg)$/.test(name));
  const sizes = await Promise.all(code.map(async (name) => (await stat(join(PAGE, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`${code.length} files, ${bytes} bytes`);
  assert.ok(code.length > 20);
  assert.ok(bytes < 150_000, `${bytes} bytes`);
});
