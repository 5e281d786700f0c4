// An order, told with OpenTelemetry's SDK and nothing of distlog; `tests/python/otel_story.py` tells the same.
'use strict';

const { SpanKind, SpanStatusCode } = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { providers } = require('./otel_sdk');

const { traces, loggers, shutdown } = providers();
const tracer = traces.getTracer('shop.orders', '2.1.0', { schemaUrl: 'https://opentelemetry.io/schemas/1.30.0' });
const shelf = loggers.getLogger('shop.shelf');
const logger = loggers.getLogger('shop.stock', '0.9');

const earlier = { traceId: '5b8efff798038103d269b633813fc60c', spanId: 'eee19b7ec3c1b174', isRemote: true, traceFlags: 1 };

tracer.startActiveSpan('POST /order', { kind: SpanKind.SERVER }, (order) => {
  order.setAttributes({
    user: 'leo',
    'items.count': 3,
    price: 2.5,
    paid: true,
    tags: ['tea', 'pot'],
    sizes: [1, 2, 3],
  });
  order.addEvent('order received', { queue: 7, urgent: false });
  tracer.startActiveSpan('reserve stock', { links: [{ context: earlier, attributes: { why: 'a second try' } }] }, (reserve) => {
    shelf.emit({ severityNumber: SeverityNumber.WARN, severityText: 'WARN', body: 'only 2 left', attributes: { shelf: 4 } });
    logger.emit({
      severityNumber: SeverityNumber.DEBUG2,
      severityText: 'FINE',
      eventName: 'stock.changed',
      body: { item: 'tea', left: 2, shelves: [3, 4], raw: new Uint8Array([0, 1, 255]) },
      attributes: { warehouse: 'north' },
    });
    reserve.setStatus({ code: SpanStatusCode.OK });
    reserve.end();
  });
  tracer.startActiveSpan('charge card', { kind: SpanKind.CLIENT }, (charge) => {
    const error = new TypeError('card declined');
    charge.recordException(error);
    charge.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    charge.end();
    shelf.emit({ severityNumber: SeverityNumber.ERROR, severityText: 'ERROR', body: 'not paid' });
  });
  order.end();
  console.log(order.spanContext().traceId);
});
shelf.emit({ severityNumber: SeverityNumber.INFO, severityText: 'INFO', body: 'outside of any span' });

shutdown();
