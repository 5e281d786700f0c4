"""Logs a record by a connection with keys: keys.py ADDRESS NUMBER SERVER KEYS. Or makes keys: keys.py make FOLDER."""

import logging
import sys
import time

import distlog
import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

if sys.argv[1] == "make":
    zmq.auth.create_certificates(sys.argv[2], "own")
    sys.exit()

address, number, server, keys = sys.argv[1:]
deadline = time.monotonic() + 60
while True:
    socket = zmq.Context.instance().socket(zmq.PUSH)
    socket.curve_serverkey, _ = zmq.auth.load_certificate(server)
    socket.curve_publickey, socket.curve_secretkey = zmq.auth.load_certificate(keys)
    events = socket.get_monitor_socket()
    socket.connect(address.replace("localhost", "127.0.0.1"))
    done = (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    while (event := recv_monitor_message(events)["event"]) not in done:
        pass
    socket.disable_monitor()
    events.close()
    if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
        break
    # A key that was put there just now is known within a second. A socket that was refused does not try again.
    assert time.monotonic() < deadline
    socket.close(linger=0)

handler = distlog.ZmqHandler(socket, system="T")
handler.setFormatter(distlog.JSONFormatter())
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.INFO)
logging.info("a record", extra={"n": int(number)})
socket.close(linger=60_000)
zmq.Context.instance().term()
