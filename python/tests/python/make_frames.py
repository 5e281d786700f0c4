#!/usr/bin/env python3
"""Writes frames/: the bodies that the published Python package sends, one file each, named SITUATION.TOPIC.

Needs `pip install distlog==0.1.dev0 pyzmq six`. What differs from run to run (ids, times, hosts, paths) is made the
same, so that the files change only when what they show does.
"""
import collections
import copy as copies
import datetime
import decimal
import io
import ipaddress
import logging
import os
import pathlib
import pickle
import random
import sys
import time
import uuid

import distlog

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "frames"
TRACE = uuid.UUID("e252a11f-d33d-483d-ba08-bc8f642b2f10")
uuid.uuid4 = lambda: TRACE
time.time = lambda: 1763871098.1234567
os.getpid = lambda: 812
os.environ["TZ"] = "UTC"
time.tzset()
_uname = os.uname()
os.uname = lambda: os.uname_result(("Linux", "web1", _uname.release, _uname.version, _uname.machine))
FORMATTERS = {"J": distlog.JSONFormatter(), "P": distlog.PickleFormatter()}


class Keep(logging.Handler):
    """Takes each record in both encodings, under the name of the situation."""

    situation = ""
    only = "JP"
    count = 0

    def emit(self, record):
        if not self.situation:
            return
        for letter in self.only:
            # A formatter changes the record; each gets its own, as each handler of a real program would its own process.
            copy = copies.copy(record)
            copy.pathname = copy.pathname.replace(str(pathlib.Path(distlog.__file__).parent.parent), "/site-packages")
            copy.pathname = copy.pathname.replace(str(HERE), "/app")
            if copy.stack_info:
                copy.stack_info = copy.stack_info.replace(str(HERE), "/app")
            copy.relativeCreated = 12.5
            copy.thread = 140234
            if copy.exc_info:
                text = FORMATTERS["J"].formatException(copy.exc_info).replace(str(HERE), "/app")
                text = text.replace(str(pathlib.Path(distlog.__file__).parent.parent), "/site-packages")
                copy.exc_text = text.replace("\n", "\\n")
            body = FORMATTERS[letter].format(copy)
            name = f"{self.situation}-{self.count}" if self.count else self.situation
            (OUT / f"{name}.TL{letter}").write_bytes(body.encode("ascii") if isinstance(body, str) else body)
        self.count += 1


keep = Keep()
root = logging.getLogger()
root.setLevel(5)
root.addHandler(keep)


def situation(name, only="JP"):
    keep.situation, keep.only, keep.count = name, only, 0


class Refused(Exception):
    pass


def everything():
    situation("plain")
    logging.getLogger("shop.cart").warning("only %d left", 2)
    situation("newline")
    logging.info("first\nsecond %s", "x")
    situation("backslash")
    logging.info("C:\\new")
    situation("extra")
    logging.info("hello", extra={"user": "leo", "tags": ["a", 1, None], "levels": {"x": 0.5}})
    situation("level")
    logging.addLevelName(25, "NOTICE")
    logging.log(25, "custom")
    situation("msg-dict")
    logging.info({"order": 7, "items": ["apple"]})
    situation("stack")
    logging.info("here", stack_info=True)
    situation("numbers")
    logging.info("numbers", extra={
        "nan": float("nan"), "inf": float("inf"), "ninf": float("-inf"), "big": 2**70, "negative": -(2**70),
        "u64": 2**64 - 1, "i64": -(2**63), "small": -7, "float": 1.0, "tiny": 5e-324, "huge": 1e300, "yes": True,
    })
    situation("surrogate")
    logging.info("name", extra={"file": "a\udcffb", "pair": "\U0001f600", "lone": "\ud800"})
    situation("exception")
    try:
        try:
            {}["a"]
        except KeyError as e:
            raise Refused("card declined\nsecond line") from e
    except Refused:
        logging.exception("payment")

    situation("objects", only="P")
    loop = [1]
    loop.append(loop)
    logging.info("objects", extra={
        "datetime": datetime.datetime(2026, 11, 23, 4, 11, 38, 123456),
        "aware": datetime.datetime(2026, 11, 23, 4, 11, 38, tzinfo=datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))),
        "utc": datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc),
        "date": datetime.date(2026, 11, 23), "time": datetime.time(4, 11), "delta": datetime.timedelta(days=2, seconds=1),
        "uuid": TRACE, "decimal": decimal.Decimal("1.50"), "bytes": b"\x00\xff", "bytearray": bytearray(b"ab"),
        "tuple": (1, "a"), "set": {3}, "frozenset": frozenset([4]), "complex": 1 + 2j,
        "ordered": collections.OrderedDict(b=1, a=2), "default": collections.defaultdict(list, x=[1]),
        "counter": collections.Counter("aab"), "deque": collections.deque([1, 2]),
        "path": pathlib.PurePosixPath("/var/log/x"), "ip": ipaddress.ip_address("10.0.0.1"),
        "error": ValueError("bad", 7), "class": dict, "range": range(3), "keys": {1: "a", (1, 2): "b", None: "c"},
        "loop": loop,
    })
    situation("msg-exception", only="P")
    logging.error(Refused("no"))

    situation("task")
    with distlog.task("handle order %d", 7, user="leo", amount=12.5) as task:
        logging.info("inside")
        task.bind(step=2)
        with distlog.to("charge", card="visa"):
            logging.info("charging")
        task.success("handled %d", 7)
    situation("failed")
    try:
        with distlog.task("pay %s", "leo"):
            logging.error("FAILED to connect")
            raise Refused("card declined")
    except Refused:
        pass
    situation("import")
    with distlog.Task(f"{TRACE}/1/3", "imported"):
        pass
    situation("import-inside")
    with distlog.task("outer"):
        with distlog.Task("11111111-2222-3333-4444-555555555555/4", "imported"):
            pass
    situation("import-broken")
    with distlog.import_task("anything", "imported", user="leo"):
        pass
    situation("foreign-broken")
    with distlog.task("outer") as task:
        foreign = task.get_foreign_task()
        with distlog.Task(foreign, "imported"):
            pass
    situation("foreign-broken-elsewhere")
    with distlog.Task("None/1", "imported"):
        pass
    situation("key")
    with distlog.task("outer", key="mine", user="leo"):
        pass


def protocols():
    """The same dict in every protocol that a pickle can have."""
    record = {"name": "n", "message": "é€", "levelno": 40, "created": 1763871098.5, "x": [1, -1, 2**40, 2**70, 0.5, True, None],
              "when": datetime.datetime(2026, 11, 23, 4, 11, 38), "id": TRACE, "raw": b"\x00\xe9", "t": ((), (1,), (1, 2), (1, 2, 3, 4)),
              "s": {1}, "o": collections.OrderedDict(a=1), "d": decimal.Decimal("2.5"), "long": "x" * 300}
    for protocol in range(6):
        out = io.BytesIO()
        pickle._Pickler(out, protocol).dump(record) if protocol == 0 else pickle.Pickler(out, protocol).dump(record)
        (OUT / f"protocol-{protocol}.TLP").write_bytes(out.getvalue())


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    random.seed(1)
    everything()
    protocols()
    print(f"{len(list(OUT.iterdir()))} frames in {OUT}", file=sys.stderr)
