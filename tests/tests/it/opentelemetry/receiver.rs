//! A receiver of OTLP by gRPC, for what comes out of a daemon or another server.

use distlog_testkit::eventually;
use distlog_testkit::otlp::{Collector, Seen};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

/// A span or log record with all that it came with.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<T> {
    pub resource: Option<Resource>,
    pub resource_schema_url: String,
    pub scope: Option<InstrumentationScope>,
    pub scope_schema_url: String,
    pub item: T,
}

/// Runs until it is dropped.
pub struct Receiver(Collector);

impl Receiver {
    pub fn start() -> Receiver {
        Receiver(Collector::start())
    }

    /// `http://host:port`.
    pub fn address(&self) -> String {
        self.0.endpoint()
    }

    /// Waits for so many spans and log records, and gives them, ordered by what does not depend on the way: id and
    /// time.
    pub fn wait_for(&self, spans: usize, logs: usize) -> (Vec<Item<Span>>, Vec<Item<LogRecord>>) {
        eventually("what the receiver is to get", || {
            let seen = self.0.seen();
            let (mut got_spans, mut got_logs) = (all_spans(&seen), all_logs(&seen));
            if got_spans.len() < spans || got_logs.len() < logs {
                return Err((got_spans.len(), got_logs.len()));
            }
            for span in &mut got_spans {
                // Means the same as none: unset.
                span.item
                    .status
                    .take_if(|status| *status == Status::default());
            }
            got_spans.sort_by(|a, b| a.item.span_id.cmp(&b.item.span_id));
            got_logs.sort_by_key(|log| (log.item.observed_time_unix_nano, log.item.time_unix_nano));
            Ok((got_spans, got_logs))
        })
    }
}

fn all_spans(seen: &Seen) -> Vec<Item<Span>> {
    let mut spans = Vec::new();
    for group in seen
        .traces
        .iter()
        .flat_map(|request| &request.resource_spans)
    {
        for scoped in &group.scope_spans {
            spans.extend(scoped.spans.iter().map(|span| Item {
                resource: group.resource.clone(),
                resource_schema_url: group.schema_url.clone(),
                scope: scoped.scope.clone(),
                scope_schema_url: scoped.schema_url.clone(),
                item: span.clone(),
            }));
        }
    }
    spans
}

fn all_logs(seen: &Seen) -> Vec<Item<LogRecord>> {
    let mut logs = Vec::new();
    for group in seen.logs.iter().flat_map(|request| &request.resource_logs) {
        for scoped in &group.scope_logs {
            logs.extend(scoped.log_records.iter().map(|log| Item {
                resource: group.resource.clone(),
                resource_schema_url: group.schema_url.clone(),
                scope: scoped.scope.clone(),
                scope_schema_url: scoped.schema_url.clone(),
                item: log.clone(),
            }));
        }
    }
    logs
}
