#!/usr/bin/env python3
"""The daemon of the published Python package, as it is, with a plugin that writes each record as a line of JSON.

    daemon.py ADDRESS FILE RECORDS

Needs `pip install distlog==0.1.dev0 pyzmq six`. The bench `throughput` starts it.
"""
import importlib
import json
import sys

import distlogd

address, path, records = sys.argv[1], sys.argv[2], int(sys.argv[3])


class Lines(distlogd.Plugin):
    """Buffers like any file; what is left in the buffer goes out with the last record."""

    left = records
    file = open(path, "w")

    def match(self, data):
        return True

    def handle(self, data):
        self.file.write(json.dumps(data) + "\n")
        self.left -= 1
        if not self.left:
            self.file.flush()


# The module; the package has a function of the same name.
daemon = importlib.import_module("distlogd.main")
daemon.ENDPOINT = address
# It would end after a minute.
daemon.MEASURE_INTERVAL = float("inf")
distlogd.add_plugin(Lines())
distlogd.main()
