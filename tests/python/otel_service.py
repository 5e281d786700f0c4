"""A service with OpenTelemetry's SDK and nothing of distlog: otel_service.py NAME NEXT. `tests/node/otel_service.js` is another.

It prints its address, answers each request with its name and what the service NEXT answers, and takes and gives W3C Trace Context.
"""

import logging
import sys
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

from opentelemetry.sdk._logs import LoggingHandler
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from otel_sdk import providers

name, next_address = sys.argv[1:]
# The handler moves to a package of its own one day.
warnings.simplefilter("ignore", DeprecationWarning)
traces, loggers = providers()
tracer = traces.get_tracer("chain")
logging.getLogger().addHandler(LoggingHandler(logging.INFO, loggers))
logging.getLogger().setLevel(logging.INFO)
propagator = TraceContextTextMapPropagator()


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        caller = propagator.extract({key.lower(): value for key, value in self.headers.items()})
        with tracer.start_as_current_span(f"{name} answers", caller, SpanKind.SERVER):
            logging.info("%s was asked", name)
            with tracer.start_as_current_span(f"{name} asks", kind=SpanKind.CLIENT):
                headers = {}
                propagator.inject(headers)
                answer = urlopen(Request(next_address, headers=headers)).read().decode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{name}, {answer}".encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
