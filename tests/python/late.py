"""Logs to a daemon that is not there yet, and ends as the README says: late.py ADDRESS."""

import logging
import sys

import distlog

handler = distlog.ZmqHandler(sys.argv[1], system="T")
handler.setFormatter(distlog.JSONFormatter())
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)
logging.info("before the daemon was there")
print("logged", flush=True)

context = handler.socket.context
handler.socket.close(linger=30000)
context.term()
