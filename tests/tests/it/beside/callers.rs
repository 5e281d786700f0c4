//! Parents that callers name: of requests that come in, and of those that go out.

use distlog_bridge::Propagator;
use distlog_layer::{RemoteParent, Task, Trust};
use distlog_proto::Kind;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use tracing::{info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{ORDERS, heard};

#[test]
fn a_parent_from_the_headers_of_a_request_is_the_parent_of_both() {
    let headers = [(
        "traceparent".to_owned(),
        "00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-03".to_owned(),
    )];
    for order in ORDERS {
        let heard = heard(order, || {
            let headers = std::collections::HashMap::from(headers.clone());
            let caller = Propagator::new().extract(&headers);
            let span = info_span!("answer", status = tracing::field::Empty);
            span.record("status", 200);
            span.set_parent(caller).unwrap();
            span.in_scope(|| info!("answering"));
        });
        let task = heard.same("answer");
        assert_eq!(task[0], "e252a11fd33d483dba08bc8f642b2f10");
        assert_eq!(task[2], "99134579e8496ab7");
        heard.happened_in("answering", &task);
        let event = heard.event("answering").task.as_ref().unwrap();
        assert_eq!(event.context.get("status"), Some(&200i64.into()));
        assert_eq!(event.flags, 3);
        // begin, the record of the status, the event, end
        let numbers = heard.records.iter().filter(|record| record.task.is_some());
        let numbers: Vec<_> = numbers.map(|record| (record.kind, record.number)).collect();
        assert_eq!(
            numbers,
            [
                (Kind::Begin, 0),
                (Kind::Bind, 1),
                (Kind::Event, 2),
                (Kind::End, 3)
            ]
        );
    }
}

#[test]
fn what_is_called_gets_the_span_of_opentelemetry_as_its_parent() {
    for order in ORDERS {
        let mut sent = Vec::new();
        let heard = heard(order, || {
            let call = info_span!("call");
            let ours = Task::from(call.clone()).foreign_trace_context();
            let mut theirs = std::collections::HashMap::new();
            Propagator::new().inject_context(&call.context(), &mut theirs);
            sent = vec![ours.traceparent, theirs.remove("traceparent").unwrap()];
            assert_eq!(
                ours.tracestate.unwrap(),
                format!(
                    "distlog=~{}/1",
                    call.context().span().span_context().span_id()
                )
            );
        });
        let [trace, span, _] = heard.same("call");
        for header in sent {
            assert_eq!(header[..52], format!("00-{trace}-{span}"));
        }
    }
}

#[test]
fn a_context_that_was_asked_for_early_has_its_parent_too() {
    for order in ORDERS {
        let heard = heard(order, || {
            info_span!("above").in_scope(|| {
                let span = info_span!("asked");
                assert!(span.context().span().span_context().is_valid());
            });
        });
        assert_eq!(heard.same("asked")[2], heard.same("above")[1]);
    }
}

#[test]
fn an_import_is_told_to_opentelemetry() {
    let parent: &[u8] = b"00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01";
    for order in ORDERS {
        for start in [0, 1, 2] {
            let heard = heard(order, || {
                info_span!("elsewhere").in_scope(|| {
                    let import = RemoteParent::from_trace_context(
                        [parent],
                        [&b"distlog=1/3,a=1"[..]],
                        Trust::Continue,
                    );
                    let task = distlog_layer::import_task!(import, "imported");
                    match start {
                        0 => task.in_scope(|| info!("in it")),
                        1 => drop(info_span!(parent: task.span(), "below")),
                        _ => {}
                    }
                });
            });
            let [trace, _, above] = heard.same("imported");
            assert_eq!(
                trace, "e252a11fd33d483dba08bc8f642b2f10",
                "{order:?} {start}"
            );
            assert_eq!(above, "99134579e8496ab7");
            let state = heard.span("imported").span_context.trace_state().header();
            assert_eq!(state, "a=1");
            let begin = heard.record(Kind::Begin, "imported");
            assert_eq!(begin.task.as_ref().unwrap().trace_state, "a=1");
            assert_eq!(begin.links, []);
        }
    }
}

#[test]
fn what_the_program_told_opentelemetry_of_the_caller_counts_and_ours_becomes_a_link() {
    let parent: &[u8] = b"00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01";
    let other = [(
        "traceparent".to_owned(),
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
    )];
    for order in ORDERS {
        let heard = heard(order, || {
            let import = RemoteParent::from_trace_context([parent], [], Trust::Continue);
            let task = distlog_layer::import_task!(import, "imported");
            let headers = std::collections::HashMap::from(other.clone());
            let caller = Propagator::new().extract(&headers);
            task.span().set_parent(caller).unwrap();
        });
        let task = heard.same("imported");
        assert_eq!(task[0], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(task[2], "b7ad6b7169203331");
        let links = &heard.record(Kind::Begin, "imported").links;
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].span_id.to_string(), "99134579e8496ab7");
    }
}
