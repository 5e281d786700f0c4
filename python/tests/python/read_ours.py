#!/usr/bin/env python3
"""Reads ../golden/end.json and end.pickle as a Python program would, and checks that logging understands them."""
import json
import logging
import pathlib
import pickle

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"


def strict(word):
    raise ValueError(f"{word} is no JSON")


def main():
    text = json.loads((GOLDEN / "end.json").read_bytes(), parse_constant=strict)
    pickled = pickle.loads((GOLDEN / "end.pickle").read_bytes())
    for data in (text, pickled):
        record = logging.makeLogRecord(data)
        assert record.levelname == "ERROR" and record.levelno == logging.ERROR
        assert record.name == "shop.pay".replace(".", "::") and record.getMessage() == "charge {}"
        assert record.message == 'charge "7"\nfailed é'
        assert abs(record.created - 1763871098.123456) < 1e-6 and record.msecs == 123
        assert record.context["key"] == "5@e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3.9f2c01ab"
        assert record.context["user"] == "leo" and record.context["$key"] == "own"
        assert record.fields["amount"] == 12.0 and isinstance(record.fields["amount"], float)
        assert record.fields["id"] == 2**64 - 1 and record.fields["order"] == "Order { id: 7 }"
        assert record.distlog["outcome"] == "failed" and record.distlog["time"] == 1763871098123456789
        line = logging.Formatter("%(asctime)s %(name)s %(filename)s:%(lineno)d %(message)s").format(record)
        assert "pay.rs:42" in line and line.endswith("charge {}\nDeclined: card\ncaused by: timeout"), line
    assert pickled["fields"]["raw"] == b"\0\xff" and text["fields"]["raw"] == {"$bytes": "AP8="}
    print("Python reads what distlog writes")


if __name__ == "__main__":
    main()
