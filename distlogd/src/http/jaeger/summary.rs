//! Traces in a line: when, how many spans, of which services, how many failed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use distlog_bridge::names::SERVICE_NAME;
use distlog_bridge::otlp::common::v1::any_value::Value as AnyValue;
use distlog_bridge::otlp::resource::v1::Resource;
use distlog_bridge::otlp::trace::v1::TracesData;
use distlog_bridge::otlp::trace::v1::status::StatusCode as SpanStatus;
use distlog_proto::TraceId;
use prost::Message;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::super::problem::Problem;
use crate::query::trace_spans;
use crate::storage::Storage;

/// A service that has no name.
const NO_NAME: &str = "missing-service-name";

/// A trace.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    trace_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    root_service_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    root_operation_name: String,
    min_start_time_unix_nano: String,
    max_end_time_unix_nano: String,
    span_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    error_span_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    orphan_span_count: u64,
    services: Vec<ServiceSummary>,
}

/// A service in a trace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSummary {
    name: String,
    span_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    error_span_count: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The name of the service of a resource.
pub(super) fn service_of(resource: Option<&Resource>) -> String {
    let attributes = resource.into_iter().flat_map(|r| r.attributes.iter());
    let name = attributes
        .filter(|attribute| attribute.key == SERVICE_NAME)
        .find_map(
            |attribute| match attribute.value.as_ref()?.value.as_ref()? {
                AnyValue::StringValue(name) if !name.is_empty() => Some(name.clone()),
                _ => None,
            },
        );
    name.unwrap_or_else(|| NO_NAME.to_owned())
}

/// Sums traces up.
///
/// # Errors
/// If the storage cannot be read.
pub(super) async fn summaries(
    storage: Arc<dyn Storage>,
    trees: &Arc<Semaphore>,
    traces: Vec<TraceId>,
) -> Result<Vec<Summary>, Problem> {
    let permit = Arc::clone(trees).acquire_owned().await;
    let permit = permit.map_err(Problem::failed)?;
    let summed = tokio::task::spawn_blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        let all = traces.into_iter().map(|trace| sum(&*storage, trace));
        let all: Result<Vec<Summary>, Problem> = all.collect();
        all
    });
    let mut all = summed.await.map_err(Problem::failed)??;
    // Retention may have taken one.
    all.retain(|summary| summary.span_count > 0);
    Ok(all)
}

fn sum(storage: &dyn Storage, trace: TraceId) -> Result<Summary, Problem> {
    let mut sums = Sums::default();
    trace_spans(storage, trace, |data| {
        // It is what was just written.
        if let Ok(data) = TracesData::decode(&data[..]) {
            sums.add(data);
        }
        true
    })
    .map_err(Problem::failed)?;
    Ok(sums.finish(trace))
}

/// What is known of a trace.
#[derive(Default)]
struct Sums {
    /// By service: spans, and those that failed.
    services: BTreeMap<String, (u64, u64)>,
    /// First begin and last end.
    times: Option<(u64, u64)>,
    /// Begin, service and name of the earliest without one above it.
    root: Option<(u64, String, String)>,
    spans: HashSet<Vec<u8>>,
    parents: Vec<Vec<u8>>,
}

impl Sums {
    fn add(&mut self, data: TracesData) {
        for resource in data.resource_spans {
            let service = service_of(resource.resource.as_ref());
            let spans = resource.scope_spans.into_iter().flat_map(|s| s.spans);
            for span in spans {
                let counts = self.services.entry(service.clone()).or_default();
                let error = SpanStatus::Error as i32;
                let failed = span.status.is_some_and(|status| status.code == error);
                counts.0 += 1;
                counts.1 += u64::from(failed);
                let (begin, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
                let (first, last) = self.times.unwrap_or((begin, end));
                self.times = Some((first.min(begin), last.max(end)));
                if !span.parent_span_id.is_empty() {
                    self.parents.push(span.parent_span_id);
                } else if self.root.as_ref().is_none_or(|root| begin < root.0) {
                    self.root = Some((begin, service.clone(), span.name));
                }
                self.spans.insert(span.span_id);
            }
        }
    }

    fn finish(self, trace: TraceId) -> Summary {
        let (first, last) = self.times.unwrap_or_default();
        let (_, root_service_name, root_operation_name) = self.root.unwrap_or_default();
        let orphans = self.parents.iter().filter(|id| !self.spans.contains(*id));
        let services = self.services.into_iter();
        let services: Vec<ServiceSummary> = services
            .map(|(name, (span_count, error_span_count))| ServiceSummary {
                name,
                span_count,
                error_span_count,
            })
            .collect();
        Summary {
            trace_id: hex(&trace.to_bytes()),
            root_service_name,
            root_operation_name,
            min_start_time_unix_nano: first.to_string(),
            max_end_time_unix_nano: last.to_string(),
            span_count: services.iter().map(|service| service.span_count).sum(),
            error_span_count: services.iter().map(|s| s.error_span_count).sum(),
            orphan_span_count: orphans.count() as u64,
            services,
        }
    }
}

/// Digits as Jaeger writes ids.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
