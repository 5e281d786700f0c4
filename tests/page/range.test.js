// Times as people type them, and marks at round times, in a zone whose clocks are changed.

import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Europe/Berlin";
const { durationOf, readTime, timeOf } = await import("../../distlogd/page/base/range.js");
const { ticks } = await import("../../distlogd/page/parts/ticks.js");

/** Saturday, 28 November 2026, 14:30 in Berlin. */
const NOW = Date.parse("2026-11-28T13:30:00Z");

test("times are read as people type them", () => {
  for (const [typed, expected] of [
    ["now", "now"],
    ["20m", "20m"],
    ["20 min ago", "20m"],
    ["1d 12h", "1d12h"],
    ["2 days ago", "2d"],
    ["1.5 hours", "1.5h"],
    ["500ms", "500ms"],
    ["14:05", "2026-11-28T13:05:00.000Z"],
    ["9:30:05.25", "2026-11-28T08:30:05.250Z"],
    // Still to come today: yesterday's.
    ["23:00", "2026-11-27T22:00:00.000Z"],
    ["today 23:00", "2026-11-28T22:00:00.000Z"],
    ["yesterday 9:30", "2026-11-27T08:30:00.000Z"],
    ["yesterday", "2026-11-26T23:00:00.000Z"],
    ["27 Nov 14:05", "2026-11-27T13:05:00.000Z"],
    ["1. July", "2026-06-30T22:00:00.000Z"],
    ["24 Dec", "2025-12-23T23:00:00.000Z"],
    ["2026-11-27", "2026-11-26T23:00:00.000Z"],
    ["2026-11-27 14:05:30", "2026-11-27T13:05:30.000Z"],
    ["2026-11-27T14:05:30", "2026-11-27T13:05:30.000Z"],
    ["2026-11-27T14:05:30Z", "2026-11-27T14:05:30.000Z"],
    ["2026-11-27T14:05:30-05:00", "2026-11-27T19:05:30.000Z"],
  ])
    assert.equal(readTime(typed, NOW), expected, typed);
  for (const typed of [
    "",
    "noonish",
    "25:00",
    "14:60",
    "31 Nov",
    "2026-13-01",
    "5 parsecs",
    "5 months",
    "ago",
    "14:05 or so",
  ])
    assert.equal(readTime(typed, NOW), undefined, typed);
});

test("times of the address are those of the API", () => {
  assert.equal(timeOf("15m", NOW), (NOW - 900_000) * 1e6);
  assert.equal(timeOf("now", NOW), NOW * 1e6);
  assert.equal(timeOf("2026-11-28T13:30:00Z", NOW), NOW * 1e6);
  assert.equal(timeOf("2026-11-28 13:30:00", NOW), NOW * 1e6);
  assert.equal(timeOf("someday", NOW), undefined);
  assert.equal(durationOf("1d12h"), 36 * 3_600_000);
});

test("marks stand at round times of the reader's zone", () => {
  const marks = (from, to, most) =>
    ticks(Date.parse(from) * 1e6, Date.parse(to) * 1e6, most).map(({ at, text }) => {
      assert.equal(at % 1e6, 0);
      return text;
    });
  assert.deepEqual(marks("2026-11-28T12:58:00Z", "2026-11-28T13:31:00Z", 4), ["14:00", "14:10", "14:20", "14:30"]);
  assert.deepEqual(marks("2026-11-27T20:00:00Z", "2026-11-28T08:00:00Z", 4), [
    "21:00",
    "28 Nov",
    "03:00",
    "06:00",
    "09:00",
  ]);
  // The night in which the hour from 2 to 3 comes twice.
  assert.deepEqual(marks("2026-10-24T20:00:00Z", "2026-10-25T08:00:00Z", 5), ["25 Oct", "03:00", "06:00", "09:00"]);
  assert.deepEqual(marks("2026-10-20T20:00:00Z", "2026-10-29T20:00:00Z", 5), ["22 Oct", "24 Oct", "26 Oct", "28 Oct"]);
});
