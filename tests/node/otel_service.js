// A service with OpenTelemetry's SDK and nothing of distlog: otel_service.js NAME NEXT. `tests/python/otel_service.py` is another.
//
// It prints its address, answers each request with its name and what the service NEXT answers, and takes and gives W3C Trace
// Context.
'use strict';

const http = require('http');
const { ROOT_CONTEXT, SpanKind, context, propagation, trace } = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { providers } = require('./otel_sdk');

const [name, next] = process.argv.slice(2);
const { traces, loggers } = providers();
const tracer = traces.getTracer('chain');
const logger = loggers.getLogger('chain');

const server = http.createServer((request, response) => {
  const caller = propagation.extract(ROOT_CONTEXT, request.headers);
  tracer.startActiveSpan(`${name} answers`, { kind: SpanKind.SERVER }, caller, (answers) => {
    logger.emit({ severityNumber: SeverityNumber.INFO, severityText: 'INFO', body: `${name} was asked` });
    const asks = tracer.startSpan(`${name} asks`, { kind: SpanKind.CLIENT });
    const headers = {};
    propagation.inject(trace.setSpan(context.active(), asks), headers);
    http.get(next, { headers }, (answer) => {
      let body = '';
      answer.on('data', (part) => (body += part));
      answer.on('end', () => {
        asks.end();
        answers.end();
        response.end(`${name}, ${body}`);
      });
    });
  });
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
