"""Logs secrets by the published package, as JSON and pickle, and by OpenTelemetry's SDK: log_secrets.py ADDRESS CARD PASSWORD."""

import logging
import sys

import distlog
from opentelemetry.sdk._logs import LoggingHandler

from otel_sdk import providers

address, card, password = sys.argv[1:4]


def pay(logger, way):
    """Puts the secrets in every place that a program has."""
    logger.info("%s: paid with %s", way, card, extra={"password": password, "card": card, "way": way})
    try:
        raise ValueError(f"card {card} was refused")
    except ValueError:
        logger.exception("%s: refused", way)


for formatter, way in [(distlog.JSONFormatter(), "json"), (distlog.PickleFormatter(), "pickle")]:
    handler = distlog.ZmqHandler(address, system="T")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    with distlog.Task("pay with %s", card, password=password) as task:
        pay(logging.getLogger("shop"), way)
        root.info({"password": password, "cards": [card]})
        task.success(f"paid with {card}")
    handler.socket.close(linger=5000)

traces, logs = providers()
root.handlers = []
shop = logging.getLogger("otel shop")
shop.addHandler(LoggingHandler(logger_provider=logs))
with traces.get_tracer("shop").start_as_current_span(f"pay with {card}", attributes={"password": password}) as span:
    span.add_event(f"asked for {card}", {"authorization": password})
    pay(shop, "grpc")
traces.shutdown()
logs.shutdown()
