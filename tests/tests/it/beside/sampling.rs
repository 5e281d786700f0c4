//! Samplers and processors of OpenTelemetry's SDK.

use std::time::Duration;

use distlog_layer::IncomingSampled;
use distlog_proto::Kind;
use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingResult, ShouldSample, Span as SdkSpan, SpanData, SpanProcessor,
};
use tracing::{Span, error, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{ORDERS, heard_through, heard_with};

#[test]
fn spans_that_are_not_sampled_have_the_same_ids() {
    for order in ORDERS {
        let mut expected = Vec::new();
        let heard = heard_with(
            order,
            |provider| provider.with_sampler(Sampler::AlwaysOff),
            |_| {
                info_span!("top").in_scope(|| {
                    expected.push(own_ids());
                    info_span!("low").in_scope(|| expected.push(own_ids()));
                });
            },
        );
        assert!(heard.spans.is_empty());
        let (top, low) = (heard.task("top"), heard.task("low"));
        assert_eq!(
            [&top, &low].map(|task| [task[0].clone(), task[1].clone()])[..],
            expected
        );
        assert_eq!(low[2], top[1]);
        assert_eq!(
            heard
                .record(Kind::Begin, "low")
                .task
                .as_ref()
                .unwrap()
                .flags
                & 1,
            0
        );
    }
}

#[test]
fn the_decision_of_opentelemetry_counts_where_it_is_respected() {
    for order in ORDERS {
        for (sampler, is_sampled) in [(Sampler::AlwaysOff, false), (Sampler::AlwaysOn, true)] {
            let heard = heard_through(
                order,
                |provider| provider.with_sampler(sampler),
                |builder| builder.incoming_sampled(IncomingSampled::Respect),
                |_| info_span!("top").in_scope(|| info_span!("low").in_scope(|| info!("in low"))),
            );
            // Begin and end of both, the event, and the last one of the test.
            assert_eq!(heard.records.len(), if is_sampled { 6 } else { 1 });
            assert_eq!(heard.spans.len(), if is_sampled { 2 } else { 0 });
        }
    }
}

#[test]
fn errors_and_what_is_forced_are_recorded_with_the_ids_of_opentelemetry() {
    for order in ORDERS {
        let mut expected = Vec::new();
        let heard = heard_through(
            order,
            |provider| provider,
            |builder| builder.sample(0.0),
            |_| {
                info_span!("top", late = tracing::field::Empty).in_scope(|| {
                    Span::current().record("late", 7);
                    info_span!("low").in_scope(|| {
                        expected = own_ids().to_vec();
                        info!("not written");
                        error!("it broke");
                    });
                    info_span!("well").in_scope(|| info!("not written"));
                });
                info_span!("watched", distlog.force = true).in_scope(|| info!("written"));
            },
        );
        let (top, low) = (heard.same("top"), heard.same("low"));
        assert_eq!(low[..2], expected);
        assert_eq!(low[2], top[1]);
        heard.happened_in("it broke", &low);
        let top = heard.record(Kind::Begin, "top").task.as_ref().unwrap();
        assert_eq!(top.context.get("late"), Some(&7i64.into()));
        heard.happened_in("written", &heard.same("watched"));
        // Begin and end of three tasks, two events, and the last one of the test.
        assert_eq!(heard.records.len(), 9, "{:#?}", heard.records);
        heard.span("well");
    }
}

fn own_ids() -> [String; 2] {
    let context = Span::current().context();
    let span = context.span();
    let context = span.span_context();
    [
        context.trace_id().to_string(),
        context.span_id().to_string(),
    ]
}

/// A sampler and span processor that use `tracing` themselves.
#[derive(Debug, Clone)]
struct Talks;

fn talk(what: &str) {
    info!("{what} talks");
    info_span!("hidden talk").in_scope(|| info!("{what} talks in a span"));
}

impl ShouldSample for Talks {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        talk("sampler");
        Sampler::AlwaysOn.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

impl SpanProcessor for Talks {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {
        talk("start");
    }

    fn on_end(&self, _: SpanData) {
        // No span: the Registry does not forget one that is closed while another one is.
        info!("end talks");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn samplers_and_processors_may_log() {
    for order in ORDERS {
        let heard = heard_with(
            order,
            |provider| provider.with_sampler(Talks).with_span_processor(Talks),
            |_| {
                info_span!("top").in_scope(|| info_span!("low").in_scope(|| info!("in low")));
                drop(info_span!("never used"));
                let early = info_span!("early");
                early.context().span().end();
            },
        );
        for name in ["top", "low", "never used", "early"] {
            heard.same(name);
        }
        heard.happened_in("in low", &heard.task("low"));
        for what in ["sampler", "start", "end"] {
            heard.event(&format!("{what} talks"));
        }
        for what in ["sampler", "start"] {
            heard.event(&format!("{what} talks in a span"));
        }
    }
}
