//! What comes in by OTLP leaves by OTLP as it came.

use distlog_bridge::otlp::collector::logs::v1::ExportLogsServiceRequest;
use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
use distlog_bridge::otlp::common::v1::any_value::Value;
use distlog_bridge::otlp::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use distlog_bridge::otlp::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use distlog_bridge::otlp::resource::v1::Resource;
use distlog_bridge::otlp::trace::v1::span::{Event, Link};
use distlog_bridge::otlp::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use distlog_bridge::receive::{self, Batch, PartialSuccess, Take};
use distlog_bridge::{OpenSpan, Origins, Request, put_log_record};
use distlog_proto::{BatchRef, Kind, ProducerId};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;

/// Takes everything.
#[derive(Default)]
struct All(Vec<Batch>);

impl Take for All {
    fn offsets(&mut self, _: &[u8], _: u64) -> (ProducerId, u64) {
        (ProducerId::from_bytes([7; 16]), 100)
    }

    fn batch(&mut self, batch: Batch) {
        self.0.push(batch);
    }
}

/// The daemon's way: in, through the store, out.
fn through(batches: &[Batch]) -> (Vec<u8>, Vec<u8>) {
    let mut origins = Origins::default();
    let (mut spans, mut logs) = (Request::new(1 << 30), Request::new(1 << 30));
    for batch in batches {
        let parsed = BatchRef::parse(&batch.bytes).unwrap();
        let mut recent = origins.recent();
        let mut open: Option<OpenSpan> = None;
        let (mut count, mut next) = (0, batch.from);
        for record in parsed.records() {
            let record = record.unwrap();
            assert!(record.offset >= next && record.offset < batch.to);
            (count, next) = (count + 1, record.offset + 1);
            match record.kind {
                Kind::Begin => open = OpenSpan::begin(&record),
                Kind::Event if record.otlp().unwrap().span_event => {
                    open.as_mut().unwrap().event(&record);
                }
                Kind::Event => {
                    assert!(logs.push_with(&recent.of(&record), |out| put_log_record(out, &record)))
                }
                Kind::End => {
                    let mut span = open.take().unwrap();
                    span.end(&record);
                    assert!(spans.push_with(&recent.of(&record), |out| span.put(out)));
                }
                Kind::Bind => panic!("nothing is bound"),
            }
        }
        assert_eq!(count, batch.count);
    }
    (spans.finish(), logs.finish())
}

/// Each item with who logged it, in an order of its own: groups may be put together.
type Flat<T> = Vec<(Resource, String, InstrumentationScope, String, T)>;

fn flat_spans(request: ExportTraceServiceRequest) -> Flat<Span> {
    let mut flat = Vec::new();
    for group in request.resource_spans {
        let resource = group.resource.unwrap_or_default();
        for scopes in group.scope_spans {
            let scope = scopes.scope.unwrap_or_default();
            for mut span in scopes.spans {
                span.status.get_or_insert_default();
                if span.parent_span_id == [0; 8] {
                    span.parent_span_id.clear();
                }
                flat.push((
                    resource.clone(),
                    group.schema_url.clone(),
                    scope.clone(),
                    scopes.schema_url.clone(),
                    span,
                ));
            }
        }
    }
    flat.sort_by_key(|(.., span)| span.encode_to_vec());
    flat
}

fn flat_logs(request: ExportLogsServiceRequest) -> Flat<LogRecord> {
    let mut flat = Vec::new();
    for group in request.resource_logs {
        let resource = group.resource.unwrap_or_default();
        for scopes in group.scope_logs {
            let scope = scopes.scope.unwrap_or_default();
            for mut log in scopes.log_records {
                // A span without trace means nothing.
                if log.trace_id.is_empty() {
                    log.span_id.clear();
                }
                flat.push((
                    resource.clone(),
                    group.schema_url.clone(),
                    scope.clone(),
                    scopes.schema_url.clone(),
                    log,
                ));
            }
        }
    }
    flat.sort_by_key(|(.., log)| log.encode_to_vec());
    flat
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "",
        "[a-z.]{1,9}",
        "\\PC{0,12}",
        Just("exception".to_owned()),
        "x{200,300}"
    ]
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(None),
        any::<bool>().prop_map(|v| Some(Value::BoolValue(v))),
        any::<i64>().prop_map(|v| Some(Value::IntValue(v))),
        any::<f64>()
            .prop_filter("NaN equals nothing", |v| !v.is_nan())
            .prop_map(|v| Some(Value::DoubleValue(v))),
        text().prop_map(|v| Some(Value::StringValue(v))),
        vec(any::<u8>(), 0..5).prop_map(|v| Some(Value::BytesValue(v))),
    ]
    .prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| AnyValue {
                value: Some(Value::ArrayValue(ArrayValue { values }))
            }),
            btree_map(text(), inner, 0..4).prop_map(|entries| AnyValue {
                value: Some(Value::KvlistValue(KeyValueList {
                    values: key_values(entries)
                }))
            }),
        ]
    })
}

fn key_values(entries: impl IntoIterator<Item = (String, AnyValue)>) -> Vec<KeyValue> {
    entries
        .into_iter()
        .map(|(key, value)| KeyValue {
            key,
            value: Some(value),
            ..KeyValue::default()
        })
        .collect()
}

/// Names that distlog knows are among them, with values of any type.
fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let known = proptest::sample::select(vec![
        "service.name",
        "host.name",
        "process.pid",
        "code.file.path",
        "code.line.number",
        "thread.id",
        "thread.name",
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "distlog.task",
        "distlog.outcome",
        "level",
        "telemetry.sdk.language",
        "deployment.environment.name",
    ]);
    btree_map(
        prop_oneof![known.prop_map(str::to_owned), text()],
        value(),
        0..5,
    )
    .prop_map(key_values)
}

fn id<const N: usize>() -> impl Strategy<Value = Vec<u8>> {
    any::<[u8; N]>()
        .prop_filter("zero is no id", |id| *id != [0; N])
        .prop_map(|id| id.to_vec())
}

fn optional_id<const N: usize>() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), id::<N>()]
}

prop_compose! {
    fn event()(time_unix_nano in time(), name in text(), attributes in attributes(),
        dropped_attributes_count in any::<u32>()) -> Event {
        Event { time_unix_nano, name, attributes, dropped_attributes_count }
    }
}

/// Also none at all.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        any::<u64>(),
        1_700_000_000_000_000_000..1_700_000_000_000_001_000u64
    ]
}

prop_compose! {
    fn link()(trace_id in id::<16>(), span_id in id::<8>(), trace_state in text(), attributes in attributes(),
              dropped_attributes_count in any::<u32>(), flags in any::<u32>()) -> Link {
        Link { trace_id, span_id, trace_state, attributes, dropped_attributes_count, flags }
    }
}

prop_compose! {
    fn span()(
        trace_id in id::<16>(), span_id in id::<8>(), parent_span_id in optional_id::<8>(), trace_state in text(),
            flags in any::<u32>(),
        name in text(), kind in 0..6i32, (start_time_unix_nano, end_time_unix_nano) in (time(), time()),
            attributes in attributes(),
        dropped in any::<[u32; 3]>(), events in vec(event(), 0..4), links in vec(link(), 0..3),
        status in prop::option::of((0..3i32, text()).prop_map(|(code, message)| Status { code, message })),
    ) -> Span {
        let [dropped_attributes_count, dropped_events_count, dropped_links_count] = dropped;
        Span { trace_id, span_id, parent_span_id, trace_state, flags, name, kind, start_time_unix_nano,
            end_time_unix_nano, attributes,
               dropped_attributes_count, events, dropped_events_count, links, dropped_links_count, status }
    }
}

prop_compose! {
    fn log()(
        (time_unix_nano, observed_time_unix_nano) in (time(), time()), severity_number in 0..25i32,
            severity_text in text(),
        body in prop::option::of(value()), attributes in attributes(), dropped_attributes_count in any::<u32>(),
            flags in any::<u32>(),
        trace_id in optional_id::<16>(), span_id in optional_id::<8>(), event_name in text(),
    ) -> LogRecord {
        LogRecord { time_unix_nano, observed_time_unix_nano, severity_number, severity_text, body, attributes,
            dropped_attributes_count,
                    flags, trace_id, span_id, event_name }
    }
}

prop_compose! {
    fn resource()(attributes in attributes(), dropped_attributes_count in any::<u32>()) -> Resource {
        Resource { attributes, dropped_attributes_count, ..Resource::default() }
    }
}

prop_compose! {
    fn scope()(name in text(), version in text(), attributes in attributes(),
        dropped_attributes_count in any::<u32>()) -> InstrumentationScope {
        InstrumentationScope { name, version, attributes, dropped_attributes_count }
    }
}

prop_compose! {
    fn scope_spans()(scope in prop::option::of(scope()), spans in vec(span(), 0..4),
        schema_url in text()) -> ScopeSpans {
        ScopeSpans { scope, spans, schema_url }
    }
}

prop_compose! {
    fn scope_logs()(scope in prop::option::of(scope()), log_records in vec(log(), 0..4),
        schema_url in text()) -> ScopeLogs {
        ScopeLogs { scope, log_records, schema_url }
    }
}

fn trace_request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let group = (
        prop::option::of(resource()),
        vec(scope_spans(), 0..3),
        text(),
    )
        .prop_map(|(resource, scope_spans, schema_url)| ResourceSpans {
            resource,
            scope_spans,
            schema_url,
        });
    vec(group, 0..3).prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

fn logs_request() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let group = (
        prop::option::of(resource()),
        vec(scope_logs(), 0..3),
        text(),
    )
        .prop_map(|(resource, scope_logs, schema_url)| ResourceLogs {
            resource,
            scope_logs,
            schema_url,
        });
    vec(group, 0..3).prop_map(|resource_logs| ExportLogsServiceRequest { resource_logs })
}

proptest! {
    #[test]
    fn spans_leave_as_they_came(request in trace_request()) {
        let mut all = All::default();
        let partial_success = receive::traces(&request.encode_to_vec(), &mut all).unwrap();
        let expected = flat_spans(request);
        let all_taken = PartialSuccess { accepted: expected.len() as u64, ..PartialSuccess::default() };
        prop_assert_eq!(partial_success, all_taken);
        let (spans, logs) = through(&all.0);
        prop_assert!(logs.is_empty());
        prop_assert_eq!(flat_spans(ExportTraceServiceRequest::decode(&spans[..]).unwrap()), expected);
    }

    #[test]
    fn logs_leave_as_they_came(request in logs_request()) {
        let mut all = All::default();
        let partial_success = receive::logs(&request.encode_to_vec(), 1, &mut all).unwrap();
        let expected = flat_logs(request);
        let all_taken = PartialSuccess { accepted: expected.len() as u64, ..PartialSuccess::default() };
        prop_assert_eq!(partial_success, all_taken);
        let (spans, logs) = through(&all.0);
        prop_assert!(spans.is_empty());
        prop_assert_eq!(flat_logs(ExportLogsServiceRequest::decode(&logs[..]).unwrap()), expected);
    }

    #[test]
    fn no_bytes_are_a_danger(bytes in vec(any::<u8>(), 0..200)) {
        let mut all = All::default();
        let _ = receive::traces(&bytes, &mut all);
        let _ = receive::logs(&bytes, 1, &mut all);
        through(&all.0);
    }

    #[test]
    fn a_byte_more_or_less_or_another_is_no_danger(request in trace_request(), at in any::<prop::sample::Index>(),
        byte in any::<u8>()) {
        let mut bytes = request.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        let mut cut = bytes.clone();
        cut.truncate(at);
        bytes[at] = byte;
        for bytes in [bytes, cut] {
            let mut all = All::default();
            let _ = receive::traces(&bytes, &mut all);
            through(&all.0);
        }
    }
}
