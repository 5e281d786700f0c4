"""Imports the task that it is handed, logs in it, and hands one of its own back: peer.py ADDRESS ID [ENCODING]."""

import logging
import sys

import distlog
import zmq

address, task_id = sys.argv[1:3]
encoding = sys.argv[3] if len(sys.argv) > 3 else "json"

handler = distlog.ZmqHandler(address, system="T")
handler.setFormatter(distlog.PickleFormatter() if encoding == "pickle" else distlog.JSONFormatter())
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.DEBUG)

with distlog.Task(task_id, "work in %s", "Python", user="guido") as task:
    logging.getLogger("peer").info("hello from Python, %d times", 3)
    with distlog.to("a part in Python"):
        logging.warning("line one\nline two")
    try:
        with distlog.to("divide"):
            1 / 0
    except ZeroDivisionError:
        pass
    print(f"{task.id}/{task.get_next_task()}")
    task.success("worked in Python")

handler.socket.close(linger=5000)
