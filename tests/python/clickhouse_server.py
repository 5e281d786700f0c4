"""ClickHouse's HTTP interface around its engine in this process (`chdb`): `clickhouse_server.py FOLDER PORT [PASSWORD]`.

It answers what the processor `clickhouse` and `distlogd view` ask: queries in the address or the body, the rows of an insert in the
body, settings and parameters of queries (`param_NAME`), `X-ClickHouse-Exception-Code`. With PASSWORD, requests need the user `leo`
and that. Queries run one by one.
"""

import gzip
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

FOLDER, PORT = sys.argv[1], int(sys.argv[2])
PASSWORD = sys.argv[3] if len(sys.argv) > 3 else None
# Settings of the interface itself.
OF_THE_INTERFACE = ("query", "wait_end_of_query", "database")
STATUS = {16: 404, 60: 404, 81: 404, 27: 400, 33: 400, 53: 400, 62: 400, 117: 400, 497: 403, 516: 403}


class Failed(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        try:
            if PASSWORD and (self.headers["x-clickhouse-user"], self.headers["x-clickhouse-key"]) != ("leo", PASSWORD):
                raise Failed(516, "Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)")
            status, code, answer = 200, None, self.run(dict(parse_qsl(urlsplit(self.path).query)), body)
        except Failed as failed:
            status, code, answer = STATUS.get(failed.code, 500), failed.code, str(failed).encode()
        self.send_response(status)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def run(self, parameters, body):
        settings = ", ".join(f"{key}='{value}'" for key, value in parameters.items() if key not in OF_THE_INTERFACE)
        with self.server.lock:
            insert = re.fullmatch(r"(INSERT INTO \S+ \(.*\)) FORMAT (\w+)", parameters.get("query", ""), re.S)
            if not insert:
                given = {name.removeprefix("param_"): v for name, v in parameters.items() if name.startswith("param_")}
                return self.ask(parameters.get("query") or body.decode(), given)
            rows = os.path.join(FOLDER, "rows")
            with open(rows, "wb") as file:
                file.write(body)
            return self.ask(f"{insert[1]} FROM INFILE '{rows}' SETTINGS {settings} FORMAT {insert[2]}")

    def ask(self, sql, given=None):
        try:
            return self.server.session.query(sql, "TSV", params=given or {}).bytes()
        except Exception as error:
            code = re.search(r"Code: (\d+)", str(error))
            raise Failed(int(code[1]) if code else 1002, str(error)) from error

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
server.lock = threading.Lock()
server.session = session.Session(os.path.join(FOLDER, "data"))
print(f"listening 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
