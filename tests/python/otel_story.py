"""An order, told with OpenTelemetry's SDK and nothing of distlog; `tests/node/otel_story.js` tells the same."""

import logging
import warnings

from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggingHandler
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from otel_sdk import providers

# The handler moves to a package of its own one day.
warnings.simplefilter("ignore", DeprecationWarning)
traces, loggers = providers()
tracer = traces.get_tracer("shop.orders", "2.1.0", "https://opentelemetry.io/schemas/1.30.0", {"scope.kind": "by hand"})
logger = loggers.get_logger("shop.stock", "0.9")
logging.getLogger().addHandler(LoggingHandler(logging.INFO, loggers))
logging.getLogger().setLevel(logging.INFO)

earlier = SpanContext(0x5B8EFFF798038103D269B633813FC60C, 0xEEE19B7EC3C1B174, True, TraceFlags(1))

with tracer.start_as_current_span("POST /order", kind=SpanKind.SERVER) as order:
    order.set_attributes(
        {
            "user": "leo",
            "items.count": 3,
            "price": 2.5,
            "whole": 4.0,
            "paid": True,
            "tags": ["tea", "pot"],
            "sizes": [1, 2, 3],
            "raw": b"\x00\x01\xff",
        }
    )
    order.add_event("order received", {"queue": 7, "urgent": False})
    with tracer.start_as_current_span("reserve stock", links=[Link(earlier, {"why": "a second try"})]) as reserve:
        logging.getLogger("shop.shelf").warning("only %d left", 2, extra={"shelf": 4})
        logger.emit(
            severity_number=SeverityNumber.DEBUG2,
            severity_text="FINE",
            event_name="stock.changed",
            body={"item": "tea", "left": 2, "shelves": [3, 4], "raw": b"\x00\x01\xff"},
            attributes={"warehouse": "north"},
        )
        reserve.set_status(Status(StatusCode.OK))
    try:
        with tracer.start_as_current_span("charge card", kind=SpanKind.CLIENT):
            try:
                raise ValueError("card declined")
            except ValueError:
                logging.getLogger("shop.shelf").exception("not paid")
                raise
    except ValueError:
        pass
logging.getLogger("shop.shelf").info("outside of any span")

print(f"{order.get_span_context().trace_id:032x}", flush=True)
traces.shutdown()
loggers.shutdown()
