//! The headers of W3C Trace Context as a program with the SDK of OpenTelemetry sees them.

use std::collections::HashMap;

use distlog_bridge::{Propagator, ids};
use distlog_proto::TaskId;
use distlog_proto::trace_context::{Incoming, NEW_TRACE, Outgoing};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use proptest::prelude::*;

const T: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
const PARENT: &str = "00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01";

/// Headers, of which each may be there several times.
struct Headers<'a>(&'a [(&'a str, &'a str)]);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.get_all(key)?.first().copied()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(key, _)| *key).collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        let named = self.0.iter().filter(|(name, _)| *name == key);
        let values: Vec<_> = named.map(|(_, value)| *value).collect();
        (!values.is_empty()).then_some(values)
    }
}

fn extract(headers: &[(&str, &str)]) -> SpanContext {
    let context = Propagator::new().extract_with_context(&Context::new(), &Headers(headers));
    context.span().span_context().clone()
}

fn inject(context: &Context) -> HashMap<String, String> {
    let mut headers = HashMap::new();
    Propagator::new().inject_context(context, &mut headers);
    headers
}

/// What a service in between sends on: with a span of its own, or without.
fn through(state: &str, own_span: bool) -> (String, Option<String>) {
    let mut context = Propagator::new().extract_with_context(
        &Context::new(),
        &Headers(&[("traceparent", PARENT), ("tracestate", state)]),
    );
    if own_span {
        let tracer = SdkTracerProvider::builder().build().tracer("between");
        context = context.with_span(tracer.start_with_context("work", &context));
    }
    let mut headers = inject(&context);
    let parent = headers.remove("traceparent").unwrap();
    (parent, headers.remove("tracestate"))
}

#[test]
fn a_call_that_goes_on_as_it_came_keeps_its_reserved_place() {
    let (parent, state) = through("a=1,distlog=1/3;later:x,b@v=2", false);
    assert_eq!(parent, PARENT);
    assert_eq!(state.as_deref(), Some("distlog=1/3,a=1,b@v=2"));
}

#[test]
fn a_span_in_between_is_the_parent_and_the_members_of_others_go_on() {
    let (parent, state) = through("a=1,distlog=1/3,b@v=2", true);
    assert_eq!(state.as_deref(), Some("a=1,b@v=2"));
    assert_eq!(parent[..36], PARENT[..36]);
    assert_ne!(parent, PARENT);
    let state = state.unwrap();
    let callee = Incoming::parse([parent.as_bytes()], [state.as_bytes()]).unwrap();
    let anchor = format!("{T}/~{}/", &parent[36..52]);
    assert!(callee.import().to_string().starts_with(&anchor));
}

#[test]
fn a_member_that_does_not_follow_from_the_parent_is_dropped() {
    for state in [
        "distlog=2/3",
        "distlog=nonsense",
        "distlog=~99134579e8496ab7",
    ] {
        assert_eq!(through(state, false).1, None, "{state}");
    }
}

#[test]
fn headers_that_are_not_valid_leave_the_context_alone() {
    let upper = PARENT.to_uppercase();
    let signed = PARENT.replace("-01", "-+1");
    for parent in ["", "00", &upper, &signed, &format!("{PARENT}-x")] {
        let got = extract(&[("traceparent", parent), ("tracestate", "a=1")]);
        assert_eq!(got, SpanContext::NONE, "{parent}");
    }
    assert_eq!(extract(&[("tracestate", "a=1")]), SpanContext::NONE);
    let twice = [("traceparent", PARENT), ("traceparent", PARENT)];
    assert_eq!(extract(&twice), SpanContext::NONE);

    let before = Context::new().with_remote_span_context(extract(&[("traceparent", PARENT)]));
    let after = Propagator::new().extract_with_context(&before, &Headers(&twice));
    assert_eq!(after.span().span_context(), before.span().span_context());
    assert!(inject(&Context::new()).is_empty());
}

#[test]
fn all_trace_state_headers_are_read_and_a_malformed_one_costs_only_them() {
    let got = |states: &[&str]| {
        let mut headers = vec![("traceparent", PARENT)];
        headers.extend(states.iter().map(|state| ("tracestate", *state)));
        extract(&headers)
    };
    assert_eq!(
        got(&["a=1", " b=2\t,,a=3"]).trace_state().header(),
        "a=1,b=2"
    );
    let bad = got(&["a=1", "bad"]);
    assert!(bad.is_valid() && bad.trace_state().header().is_empty());
    // Valid to the recommendation, not to the API of OpenTelemetry.
    let long = format!("a=1,t@{}=x,b=2", "v".repeat(20));
    assert_eq!(got(&[&long]).trace_state().header(), "a=1,b=2");
}

#[test]
fn the_flags_sampled_and_random_are_copied() {
    for (sent, kept) in [("00", 0), ("01", 1), ("02", 2), ("ff", NEW_TRACE)] {
        let got = extract(&[("traceparent", &format!("{}{sent}", &PARENT[..53]))]);
        assert_eq!(got.trace_flags().to_u8(), kept);
        let context = Context::new().with_remote_span_context(got);
        let written = inject(&context).remove("traceparent").unwrap();
        assert_eq!(written[53..], format!("{kept:02x}"));
    }
}

#[test]
fn the_fields_are_the_two_headers() {
    let fields: Vec<_> = Propagator::new().fields().map(str::to_owned).collect();
    assert_eq!(fields, ["traceparent", "tracestate"]);
}

fn members() -> impl Strategy<Value = Vec<(String, String)>> {
    let member = ("[a-z0-9][a-z0-9_*/-]{0,20}", "[!-+.-<>-~]{1,20}");
    prop::collection::btree_map(member.0, member.1, 0..32).prop_map(|map| {
        let others = map.into_iter().filter(|(key, _)| key != "distlog");
        others.collect()
    })
}

fn span_ids() -> impl Strategy<Value = (u128, u64)> {
    (1u128.., 1u64..)
}

proptest! {
    #[test]
    fn both_propagators_read_and_write_valid_headers_alike((trace, span) in span_ids(), sampled: bool,
        members in members()) {
        let state = TraceState::from_key_value(members).unwrap();
        let sent = SpanContext::new(
            TraceId::from(trace),
            SpanId::from(span),
            if sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED },
            true,
            state,
        );
        let context = Context::new().with_remote_span_context(sent.clone());
        let (ours, theirs) = (Propagator::new(), TraceContextPropagator::new());
        let (mut by_us, mut by_them) = (HashMap::new(), HashMap::new());
        ours.inject_context(&context, &mut by_us);
        theirs.inject_context(&context, &mut by_them);
        by_them.retain(|_, value: &mut String| !value.is_empty());
        prop_assert_eq!(&by_us, &by_them);
        for reader in [&ours as &dyn TextMapPropagator, &theirs] {
            let read = reader.extract_with_context(&Context::new(), &by_us);
            let read = read.span().span_context().clone();
            prop_assert_eq!(&read, &sent);
        }
    }

    #[test]
    fn any_headers_are_read_or_left_out(parent in "\\PC{0,70}", state in "\\PC{0,70}") {
        let _ = extract(&[("traceparent", &parent), ("tracestate", &state)]);
        let got = extract(&[("traceparent", PARENT), ("tracestate", &state)]);
        prop_assert!(got.is_valid());
    }

    #[test]
    fn what_a_task_sends_is_its_span((trace, _) in span_ids(), n in 1u64.., m in 1u64.., flags in 0u8..4) {
        let top = TaskId::top(ids::trace_id(TraceId::from(trace)).unwrap());
        let caller = top.child(n.try_into().unwrap());
        let sent = Outgoing::new(&caller.child(m.try_into().unwrap()), flags, "v=1");
        let state = sent.tracestate.unwrap();
        let read = extract(&[("traceparent", &sent.traceparent), ("tracestate", &state)]);
        let expected = ids::span_context(&caller, flags);
        prop_assert_eq!((read.trace_id(), read.span_id()), (expected.trace_id(), expected.span_id()));
        prop_assert_eq!(read.trace_flags(), expected.trace_flags());
        prop_assert_eq!(ids::task_id(&read).unwrap().span_id(), caller.span_id());
    }

    #[test]
    fn ids_come_back((trace, span) in span_ids()) {
        let (trace, span) = (TraceId::from(trace), SpanId::from(span));
        prop_assert_eq!(ids::otel_trace_id(ids::trace_id(trace).unwrap()), trace);
        prop_assert_eq!(ids::otel_span_id(ids::span_id(span).unwrap()), span);
    }
}

#[test]
fn invalid_ids_are_none() {
    assert_eq!(ids::trace_id(TraceId::INVALID), None);
    assert_eq!(ids::span_id(SpanId::INVALID), None);
    assert_eq!(ids::task_id(&SpanContext::NONE), None);
}
