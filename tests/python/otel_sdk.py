"""OpenTelemetry's SDK as a program sets it up: where to and how is in OpenTelemetry's own environment variables.

OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_PROTOCOL (grpc or http/protobuf), OTEL_EXPORTER_OTLP_ENDPOINT.
For a comparison, ALSO_TO names a second receiver, by gRPC.
"""

import os

from opentelemetry.exporter.otlp.proto.grpc import _log_exporter as grpc_logs
from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_traces
from opentelemetry.exporter.otlp.proto.http import _log_exporter as http_logs
from opentelemetry.exporter.otlp.proto.http import trace_exporter as http_traces
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def providers():
    """A provider of tracers and one of loggers. What they have is sent when they are shut down, or before."""
    if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
        spans, logs = [grpc_traces.OTLPSpanExporter()], [grpc_logs.OTLPLogExporter()]
    else:
        spans, logs = [http_traces.OTLPSpanExporter()], [http_logs.OTLPLogExporter()]
    if also_to := os.environ.get("ALSO_TO"):
        spans.append(grpc_traces.OTLPSpanExporter(endpoint=also_to, insecure=True))
        logs.append(grpc_logs.OTLPLogExporter(endpoint=also_to, insecure=True))
    resource = Resource.create()
    traces, loggers = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    for exporter in spans:
        traces.add_span_processor(BatchSpanProcessor(exporter))
    for exporter in logs:
        loggers.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return traces, loggers
