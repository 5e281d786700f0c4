//! Strategies for records: every field of them takes every kind of value.

use distlog_proto::wire::BatchWriter;
use distlog_proto::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Texts: empty, plain, with everything that an encoding must escape, and names that mean something.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(String::new()),
        4 => "[a-z./:_]{1,12}",
        2 => any::<String>(),
        1 => "[\\\\\"\n\t\u{0}\u{1f}\u{7f}é€😀$]{0,24}",
        1 => prop::sample::select(vec!["key", "$key", "$$key", "$text", "$bytes", "$$", "distlog", "message", "INFO", "WARN", "WARNING", "a\\nb"]).prop_map(str::to_owned),
    ]
}

/// Values; lists and maps up to four deep.
pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        (-3i64..300).prop_map(Value::I64),
        (i64::MAX as u64 + 1..).prop_map(Value::U64),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        (-1e6..1e6f64).prop_map(|v| Value::F64(v.trunc())),
        prop::sample::select(vec![
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0
        ])
        .prop_map(Value::F64),
        text().prop_map(Value::Str),
        text().prop_map(Value::Text),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            vec((text(), inner), 0..6)
                .prop_map(|entries| Value::Map(entries.into_iter().collect()))
        ]
    })
}

/// Named values.
pub fn map() -> impl Strategy<Value = Map> {
    vec((text(), value()), 0..5).prop_map(|entries| entries.into_iter().collect())
}

fn u64s() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..1000u64, any::<u64>()]
}

fn u32s() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1..1000u32, any::<u32>()]
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        any::<u64>(),
        (0..4_294_967_296_000_000u64).prop_map(|micros| micros * 1000),
        1_700_000_000_000_000_000..1_800_000_000_000_000_000u64
    ]
}

fn trace_id() -> impl Strategy<Value = TraceId> {
    any::<[u8; 16]>().prop_filter_map("nil", TraceId::from_bytes)
}

fn span_id() -> impl Strategy<Value = SpanId> {
    any::<u64>().prop_filter_map("nil", SpanId::new)
}

fn severity() -> impl Strategy<Value = Severity> {
    (0..=24u32).prop_map(Severity::new)
}

prop_compose! {
    fn source()(
        producer in any::<[u8; 16]>(), (host, process_name, service) in (text(), text(), text()), process_id in u64s(),
        resource in map(), schema_url in text(), dropped_attributes in u32s(),
        environment in prop::sample::select(vec![Environment::Test, Environment::Staging, Environment::Production]),
        channel in prop::sample::select(vec![Channel::Log, Channel::Performance]),
    ) -> Source {
        Source { producer: ProducerId::from_bytes(producer), host, process_id, process_name, service, resource,
            schema_url, environment, channel, dropped_attributes }
    }
}

prop_compose! {
    fn callsite()(
        severity in severity(), (target, file, module) in (text(), text(), text()), line in u32s(),
            function in text(), template in text(),
    ) -> Callsite {
        Callsite { severity, target, file, line, module, function, template }
    }
}

fn task() -> impl Strategy<Value = Task> {
    let head = prop_oneof![
        (trace_id(), span_id(), prop::option::of(span_id()), text()),
        (trace_id(), prop::option::of(1..50u64)).prop_map(|(trace, child)| {
            let top = TaskId::top(trace);
            let id = child.map_or(top.clone(), |n| top.child(n.try_into().unwrap()));
            (
                trace,
                id.span_id(),
                id.parent_span_id(),
                id.path().to_owned(),
            )
        }),
    ];
    (head, any::<u32>(), text(), map()).prop_map(
        |((trace_id, span_id, parent_span_id, path), flags, trace_state, context)| Task {
            trace_id,
            span_id,
            parent_span_id,
            path,
            flags,
            trace_state,
            context,
        },
    )
}

fn error() -> impl Strategy<Value = ErrorInfo> {
    (text(), text(), vec(text(), 0..3), text()).prop_map(|(kind, message, chain, traceback)| {
        ErrorInfo {
            kind,
            message,
            chain,
            traceback,
        }
    })
}

fn link() -> impl Strategy<Value = Link> {
    (
        trace_id(),
        span_id(),
        text(),
        any::<u32>(),
        text(),
        map(),
        u32s(),
    )
        .prop_map(
            |(trace_id, span_id, path, flags, trace_state, attributes, dropped_attributes)| Link {
                trace_id,
                span_id,
                path,
                flags,
                trace_state,
                attributes,
                dropped_attributes,
            },
        )
}

prop_compose! {
    fn otlp()(
        (scope_name, scope_version, scope_schema_url, event_name) in (text(), text(), text(), text()),
            scope_attributes in map(),
        dropped in any::<[u16; 4]>(), body in prop::option::of(value()), (span_event, no_time) in any::<(bool, bool)>(),
        trace_id in prop::option::of(trace_id()), flags in any::<u32>(),
    ) -> Otlp {
        let [scope_dropped_attributes, dropped_attributes, dropped_events, dropped_links] = dropped.map(u32::from);
        Otlp { scope_name, scope_version, scope_attributes, scope_dropped_attributes, scope_schema_url,
            dropped_attributes, dropped_events, dropped_links, event_name, body, span_event, no_time, trace_id, flags }
    }
}

/// Records with anything in every field. The own severity is set only where it is not the callsite's, since it means
/// the same then.
pub fn record() -> impl Strategy<Value = Record> {
    // Boxed, since all of it at once nearly fills a test's stack.
    let head = (
        source().boxed(),
        callsite().boxed(),
        u64s(),
        0..4u64,
        time(),
        prop_oneof![Just(0), any::<u64>()],
        prop::option::of(severity()),
        text(),
    );
    let middle = (
        text(),
        any::<bool>(),
        prop::option::of(task()).boxed(),
        u64s(),
        u64s(),
        text(),
        map().boxed(),
        0..5u64,
        u64s(),
    );
    let tail = (
        prop::option::of(error()).boxed(),
        text(),
        vec(link(), 0..3).boxed(),
        0..6u64,
        u32s(),
        text(),
        text(),
        prop::option::of(otlp()).boxed(),
        prop_oneof![6 => Just(0), 1 => any::<i64>(), 1 => -100..2000i64],
    );
    (head.boxed(), middle.boxed(), tail.boxed()).prop_map(|(head, middle, tail)| {
        let (source, callsite, offset, kind, time, observed_time, severity, severity_text) = head;
        let (message, literal, task, number, thread_id, thread_name, fields, outcome, duration) =
            middle;
        let (error, stack, links, span_kind, status_code, status_message, name, otlp, level) = tail;
        // It is the record's own only where it does not follow.
        let told = severity.unwrap_or(callsite.severity);
        let named = Severity::from_text(&severity_text).unwrap_or_default();
        let follows = [told, named]
            .iter()
            .any(|severity| severity.levelno() == level);
        let level = if follows { 0 } else { level };
        Record {
            severity: severity
                .filter(|own| *own != callsite.severity)
                .unwrap_or_default(),
            message: if literal {
                callsite.template.clone()
            } else {
                message
            },
            source,
            callsite,
            offset,
            kind: Kind::from_number(kind),
            time,
            observed_time,
            severity_text,
            task,
            number,
            thread_id,
            thread_name,
            fields,
            outcome: Outcome::from_number(outcome),
            duration,
            error,
            stack,
            links,
            span_kind: SpanKind::from_number(span_kind),
            status_code,
            status_message,
            name,
            otlp: otlp.map(Box::new),
            level,
        }
    })
}

/// The bytes of a batch with this record alone.
pub fn batch(record: &Record) -> Vec<u8> {
    let mut batch = BatchWriter::new();
    batch.push(record);
    batch.finish()
}

/// The topic of the record's messages.
pub fn topic(record: &Record, encoding: Encoding) -> Topic {
    Topic {
        environment: record.source.environment,
        channel: record.source.channel,
        encoding,
    }
}
