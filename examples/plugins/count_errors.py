#!/usr/bin/env python3
"""Counts errors by service, as a processor of distlogd.

In distlogd's configuration:

    processors:
      errors: { exec: { command: [python3, count_errors.py, errors.json] } }
    rules:
      - when: severity >= ERROR
        to: [errors]

The counts are in errors.json, by service. distlogd starts the program, writes records to it, one JSON object in a
line, and waits for the number of the last one that was dealt with.
"""
import json
import os
import sys


def load(path):
    """What was counted until now, and the number of the last record in it."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {"last": 0, "errors": {}}


def save(path, counts):
    """Whole or not at all."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(counts, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def main(path):
    counts = load(path)
    for line in sys.stdin:
        entry = json.loads(line)
        number, record = entry["n"], entry["record"]
        # After a crash some records come again: they are counted already.
        if number > counts["last"]:
            service = record.get("distlog", {}).get("service", "unknown")
            counts["errors"][service] = counts["errors"].get(service, 0) + 1
            counts["last"] = number
            save(path, counts)
        # Everything up to here is done.
        print(number, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
