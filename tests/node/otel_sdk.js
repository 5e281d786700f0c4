// OpenTelemetry's SDK as a program sets it up: where to and how is in OpenTelemetry's own environment variables.
//
// OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_PROTOCOL (grpc, http/protobuf or http/json),
// OTEL_EXPORTER_OTLP_ENDPOINT. For a comparison, ALSO_TO names a second receiver, by gRPC.
'use strict';

const { detectResources, envDetector, defaultResource } = require('@opentelemetry/resources');
const { NodeTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-node');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');

const PACKAGES = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' };

/** A provider of tracers, registered with W3C Trace Context, and one of loggers. Shut down, they send what they have. */
function providers() {
  const way = PACKAGES[process.env.OTEL_EXPORTER_OTLP_PROTOCOL];
  const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${way}`);
  const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${way}`);
  const spans = [new OTLPTraceExporter()];
  const logs = [new OTLPLogExporter()];
  if (process.env.ALSO_TO) {
    const traces = require('@opentelemetry/exporter-trace-otlp-grpc');
    const others = require('@opentelemetry/exporter-logs-otlp-grpc');
    spans.push(new traces.OTLPTraceExporter({ url: process.env.ALSO_TO }));
    logs.push(new others.OTLPLogExporter({ url: process.env.ALSO_TO }));
  }
  const resource = defaultResource().merge(detectResources({ detectors: [envDetector] }));
  const traces = new NodeTracerProvider({ resource, spanProcessors: spans.map((e) => new BatchSpanProcessor(e)) });
  const loggers = new LoggerProvider({ resource, processors: logs.map((exporter) => new BatchLogRecordProcessor({ exporter })) });
  traces.register();
  return { traces, loggers, shutdown: () => Promise.all([traces.shutdown(), loggers.shutdown()]) };
}

module.exports = { providers };
