// A trace as flat lists: what is below what, what is open at first, the critical path, what is found. Without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { roundStep } from "../../distlogd/page/pages/task/axis.js";
import { ownTime } from "../../distlogd/page/pages/task/bars.js";
import { criticalPath } from "../../distlogd/page/pages/task/critical-path.js";
import { deepestFailure, Folding } from "../../distlogd/page/pages/task/folding.js";
import { NONE, Trace } from "../../distlogd/page/pages/task/model.js";
import { matches, nextMatch, pattern, pieces } from "../../distlogd/page/pages/task/search.js";

/** A task as the outline has it; its span id is its name. */
function task(depth, name, at_ns, duration_ns, rest = {}) {
  return { depth, span_id: name, name, service: "shop", outcome: "ok", at_ns, duration_ns, ...rest };
}

function trace(...lines) {
  const whole = new Trace();
  whole.add([{ trace_id: "t", id: "t", begin_ns: 1000, end: 1 }, ...lines, { next: null }]);
  whole.finish();
  return whole;
}

const ORDER = [
  task(0, "order", 0, 100, { outcome: "failed" }),
  { depth: 1, record: "received", number: 11, severity: 9, at_ns: 1 },
  task(1, "reserve", 10, 20),
  { depth: 2, record: "reserved", number: 12, severity: 5, at_ns: 12, fields: "item=tea" },
  task(1, "charge", 40, 50, { outcome: "failed" }),
  task(2, "bank", 45, 30, { outcome: "failed", error: "code 51", service: "bank" }),
  { depth: 3, record: "declined", number: 13, severity: 17, at_ns: 70 },
  { depth: 1, record: "not paid", number: 14, severity: 13, at_ns: 95 },
];

test("a place knows what is above and below it", () => {
  const order = trace(...ORDER);
  assert.deepEqual([...order.end.subarray(0, order.count)], [8, 2, 4, 4, 7, 7, 7, 8]);
  assert.deepEqual([...order.parent.subarray(0, order.count)], [NONE, 0, 0, 2, 0, 4, 5, 0]);
  assert.deepEqual([order.tasks, order.records, order.failed, order.last], [4, 4, 3, 100]);
  assert.equal(order.failures[0], 3);
  assert.equal(order.worst[4], 17);
  assert.deepEqual([order.position[7], order.setSize(7)], [3, 4]);
  for (let place = 0; place < order.count; place += 1) assert.equal(order.placeOf(order.key(place)), place);
  assert.equal(order.key(7), "order:14");
  assert.equal(order.placeOf("order:15"), NONE);
  assert.deepEqual([order.record[1], order.record[7]], [0, 1]);
});

test("lines may come in pieces, and a part goes on where the one before ended", () => {
  const inPieces = new Trace();
  for (const line of ORDER) inPieces.add([line]);
  inPieces.finish();
  const parts = new Trace();
  parts.add([...ORDER.slice(0, 6), { next: "cursor" }]);
  assert.equal(parts.next, "cursor");
  parts.add([...[0, 4, 5].map((at) => ({ ...ORDER[at], continued: true })), ...ORDER.slice(6), { next: null }]);
  parts.finish();
  for (const one of [inPieces, parts]) {
    assert.equal(one.count, 8);
    assert.deepEqual([...one.end.subarray(0, 8)], [8, 2, 4, 4, 7, 7, 7, 8]);
    assert.equal(one.key(7), "order:14");
    assert.equal(one.record[7], 1);
  }
});

test("what is new is known by ids and numbers, wherever it stands", () => {
  const before = trace(...ORDER);
  const late = { depth: 1, record: "late", number: 20, severity: 9, at_ns: 0 };
  const later = trace(ORDER[0], late, task(1, "check", 2, 3), ...ORDER.slice(1));
  before.storeEnd = 15;
  const fresh = [...Array(later.count).keys()].filter((place) => before.lacks(later, place));
  assert.deepEqual(fresh, [1, 2]);
  assert.equal(later.key(3), before.key(1), "the record keeps its key");
});

test("two tasks with one span id are two", () => {
  const twice = trace(task(0, "order", 0, 9), task(1, "same", 1, 2), task(1, "same", 4, 2));
  assert.deepEqual([twice.key(1), twice.key(2)], ["same", "same.2"]);
  assert.equal(twice.placeOf("same.2"), 2);
});

test("a small tree is open; what somebody folds stays so while it grows", () => {
  const folding = new Folding(new Trace());
  folding.update(trace(...ORDER));
  folding.openFirst();
  assert.equal(folding.seen.length, 8);
  folding.set(4, false);
  assert.deepEqual([...folding.seen], [0, 1, 2, 3, 4, 7]);
  folding.update(trace(...ORDER.slice(0, 3), task(2, "shelf", 11, 2), ...ORDER.slice(3)));
  assert.deepEqual([...folding.seen], [0, 1, 2, 3, 4, 5, 8], "charge is folded still, and what is new is seen");
  assert.ok(folding.openTo(7));
  assert.equal(folding.seen.length, 9);
  folding.foldToFailed();
  assert.deepEqual([...folding.seen], [0, 1, 2, 5, 6, 7, 8]);
});

test("of a large tree the first levels are open, and the path to what failed", () => {
  const lines = [task(0, "import", 0, 10_000)];
  for (let part = 0; part < 100; part += 1) {
    lines.push(task(1, `part ${part}`, part * 100, 90));
    for (let item = 0; item < 100; item += 1) {
      const outcome = part === 57 && item === 12 ? "failed" : "ok";
      lines.push(task(2, `item ${part}.${item}`, part * 100 + item, 1, { outcome }));
    }
  }
  const large = trace(...lines);
  const folding = new Folding(new Trace());
  folding.update(large);
  folding.openFirst();
  assert.equal(folding.seen.length, 1 + 100 + 100);
  assert.equal(large.name[deepestFailure(large)], "item 57.12");
  assert.ok(folding.seen.includes(deepestFailure(large)));
  folding.openAll();
  assert.equal(folding.seen.length, large.count);
});

test("the critical path goes back from the end to what ended last", () => {
  const parallel = trace(
    task(0, "root", 0, 100),
    task(1, "early", 5, 20),
    task(1, "slow", 30, 60),
    task(2, "query", 40, 30),
    task(1, "beside", 35, 20),
    task(1, "too long", 95, 50),
  );
  const named = [...criticalPath(parallel)].map(([place, stretches]) => [
    parallel.name[place],
    stretches.map(({ from, to }) => [from, to]).reverse(),
  ]);
  assert.deepEqual(Object.fromEntries(named), {
    root: [
      [0, 5],
      [25, 30],
      [90, 95],
    ],
    "too long": [[95, 100]],
    slow: [
      [30, 40],
      [70, 90],
    ],
    query: [[40, 70]],
    early: [[5, 25]],
  });
});

test("unknown times, running parents and missing roots are sane", () => {
  const running = trace(
    task(0, "root", 0, undefined, { outcome: "running" }),
    task(1, "done", 10, 30),
    task(1, "unknown", undefined, undefined, { outcome: "unknown" }),
  );
  assert.equal(running.endOf(0), 40);
  assert.equal(criticalPath(running).size, 0, "while it runs nobody knows what it waits for");
  assert.equal(criticalPath(trace(task(0, "lost", undefined, undefined))).size, 0);
  assert.equal(criticalPath(new Trace()).size, 0);
  assert.equal(ownTime(trace(...ORDER), 0), 30);
});

test("a thousand levels are no trouble", () => {
  const lines = Array.from({ length: 1000 }, (_, depth) => task(depth, `level ${depth}`, depth, 3000 - 2 * depth));
  const deep = trace(...lines);
  assert.equal(criticalPath(deep).size, 1000);
  const folding = new Folding(new Trace());
  folding.update(deep);
  assert.ok(folding.openTo(999));
  assert.equal(folding.seen.at(-1), 999);
});

test("words are found in names, messages, fields, errors and services", () => {
  const order = trace(...ORDER);
  const found = (words) => matches(order, pattern(words)).map((place) => order.name[place]);
  assert.deepEqual(found("RESERVE"), ["reserve", "reserved"]);
  assert.deepEqual(found("item=tea"), ["reserved"]);
  assert.deepEqual(found("code 51"), ["bank"]);
  assert.deepEqual(found("bank"), ["bank"]);
  assert.deepEqual(found("(.*"), []);
  assert.deepEqual(found("  "), []);
  assert.deepEqual([nextMatch([2, 5], 2, 1), nextMatch([2, 5], 5, 1), nextMatch([2, 5], 2, -1)], [1, 0, 1]);
  assert.equal(nextMatch([], 0, 1), -1);
  assert.deepEqual(pieces("reserved", pattern("SER")), ["re", "ser", "ved"]);
});

test("the steps of the axis are round", () => {
  const steps = [1, 3, 700, 3_000_000, 11e9, 29e9, 45e9, 400e9, 3 * 86_400e9].map(roundStep);
  assert.deepEqual(steps, [1, 5, 1000, 5_000_000, 20e9, 30e9, 60e9, 600e9, 3 * 86_400e9]);
});
