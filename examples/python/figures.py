"""Adds up figures below a task of another process: figures.py ADDRESS ID."""

import logging
import sys

import distlog

address, task_id = sys.argv[1:]

handler = distlog.ZmqHandler(address, system="T")
handler.setFormatter(distlog.JSONFormatter())
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)

# The package's import_task has a bug (it logs the builtin `id`); Task does what it should.
with distlog.Task(task_id, "add up the figures") as task:
    figures = [3, 4, 5]
    logging.info("adding %d figures", len(figures))
    print(f"{task.id}/{task.get_next_task()}", sum(figures))
    task.success("added up")

# What is on its way when the interpreter ends is lost: wait for it, five seconds at most.
context = handler.socket.context
handler.socket.close(linger=5000)
context.term()
