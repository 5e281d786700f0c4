//! The tasks in which records are logged, as spans: one of each service in a trace, below that of the first service.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::{
    BATCH, BLOCK, Generator, INSTANCES, SERVICES, STEP, TRACES, Trace, hex, random, resource,
    scope, text,
};
use crate::expected::Expected;

/// A trace's root has come after so long, but for one in a thousand.
const LONGEST: u64 = 250_000_000;
const SLOW: u64 = 3_000_000_000;
/// Kinds of OpenTelemetry.
const SERVER: i32 = 2;

impl Generator {
    /// The spans of the traces that begin while the request with this number is logged.
    pub fn spans(&self, number: u64, expected: &mut Expected) -> ExportTraceServiceRequest {
        let instance = number % INSTANCES;
        let service = (instance % SERVICES.len() as u64) as usize;
        let first = number / INSTANCES * BATCH;
        let blocks = first.div_ceil(BLOCK)..(first + BATCH).div_ceil(BLOCK);
        let traces = blocks.start * TRACES..blocks.end * TRACES;
        let spans = traces.map(|number| {
            let trace = Trace {
                instance: instance / SERVICES.len() as u64,
                number,
            };
            self.span(trace, service, expected)
        });
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: resource(service, instance),
                scope_spans: vec![ScopeSpans {
                    scope: scope(service),
                    spans: spans.collect(),
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }

    fn span(&self, trace: Trace, service: usize, expected: &mut Expected) -> Span {
        let part = self.part(trace, service);
        let mut random = random(self.seed, [3, trace.instance, trace.number]);
        let begin = self.begin
            + trace.number / TRACES * BLOCK * INSTANCES * STEP
            + random.u64(0..LONGEST / 8);
        let slow = if random.u32(0..1000) == 0 { SLOW } else { 0 };
        let end = begin + random.u64(LONGEST / 2..LONGEST) + slow;
        let failed = random.u32(0..100) == 0;
        let is_root = service == 0;
        if failed && is_root {
            expected.failed.insert((begin, hex(part.trace_id)));
        }
        // Calls of other services lie within the root.
        let inset = service as u64 * LONGEST / 32;
        Span {
            trace_id: part.trace_id.to_vec(),
            span_id: part.span_id.to_vec(),
            parent_span_id: if is_root {
                Vec::new()
            } else {
                self.part(trace, 0).span_id.to_vec()
            },
            name: part.route.into(),
            kind: SERVER,
            start_time_unix_nano: begin + inset,
            end_time_unix_nano: end - inset,
            attributes: vec![text("route", part.route), text("customer", &part.customer)],
            status: failed.then(|| Status {
                message: "the order was not paid".into(),
                code: StatusCode::Error.into(),
            }),
            flags: 0x101,
            ..Span::default()
        }
    }
}
