//! A layer of OpenTelemetry beside ours, in either order: both show the same spans, with the same ids.

mod callers;
mod sampling;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use distlog_bridge::otel_interop;
use distlog_layer::{Builder, Flush, Task};
use distlog_proto::{BatchRef, Kind, Record};
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    SdkTracer, SdkTracerProvider, SpanData, SpanExporter, TracerProviderBuilder,
};
use tracing::subscriber::with_default;
use tracing::{info, info_span};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

/// Where the layer of OpenTelemetry stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Otel {
    First,
    Last,
}

const ORDERS: [Otel; 2] = [Otel::First, Otel::Last];

/// What both have heard.
struct Heard {
    records: Vec<Record>,
    spans: Vec<SpanData>,
}

/// An exporter that keeps everything.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// Runs `work` with both layers. OpenTelemetry's does not see spans whose name begins with `hidden`.
fn heard(order: Otel, work: impl FnOnce()) -> Heard {
    heard_with(order, |provider| provider, |_| work())
}

fn heard_with(
    order: Otel,
    configure: impl FnOnce(TracerProviderBuilder) -> TracerProviderBuilder,
    work: impl FnOnce(&SdkTracer),
) -> Heard {
    heard_through(order, configure, |builder| builder, work)
}

fn heard_through(
    order: Otel,
    configure: impl FnOnce(TracerProviderBuilder) -> TracerProviderBuilder,
    build: impl FnOnce(Builder) -> Builder,
    work: impl FnOnce(&SdkTracer),
) -> Heard {
    let socket = zmq::Context::new().socket(zmq::PULL).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let builder = distlog_layer::builder().service("both");
    let (distlog, guard) = build(builder)
        .external_spans(otel_interop::external_span)
        .connect_push(socket.get_last_endpoint().unwrap().unwrap())
        .unwrap();
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone());
    let provider = configure(provider).build();
    let tracer = provider.tracer("both");
    let work = || {
        work(&tracer);
        info!("THE LAST");
    };
    let visible = || filter_fn(|metadata| !metadata.name().starts_with("hidden"));
    let registry = tracing_subscriber::registry();
    match order {
        Otel::First => {
            let otel = otel_interop::layer(tracing_opentelemetry::layer(), tracer.clone());
            with_default(
                registry.with(otel.with_filter(visible())).with(distlog),
                work,
            );
        }
        Otel::Last => {
            let otel = otel_interop::layer(tracing_opentelemetry::layer(), tracer.clone());
            with_default(
                registry.with(distlog).with(otel.with_filter(visible())),
                work,
            );
        }
    }
    assert_eq!(guard.close(Duration::from_secs(20)), Flush::Flushed);
    let mut records = Vec::new();
    while records
        .last()
        .is_none_or(|record: &Record| record.message != "THE LAST")
    {
        assert!(
            socket.poll(zmq::POLLIN, 20_000).unwrap() > 0,
            "{records:#?}"
        );
        let message = socket.recv_multipart(0).unwrap();
        let batch = BatchRef::parse(&message[1]).unwrap();
        records.extend(batch.records().map(|record| record.unwrap().to_record()));
    }
    let spans = kept.0.lock().unwrap().clone();
    Heard { records, spans }
}

impl Heard {
    fn span(&self, name: &str) -> &SpanData {
        let found = self.spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no span {name} in {:#?}", self.spans))
    }

    fn record(&self, kind: Kind, name: &str) -> &Record {
        let found = self
            .records
            .iter()
            .find(|record| record.kind == kind && record.callsite.template == name);
        found.unwrap_or_else(|| panic!("no {kind:?} of {name} in {:#?}", self.records))
    }

    fn event(&self, message: &str) -> &Record {
        let found = self.records.iter().find(|record| record.message == message);
        found.unwrap_or_else(|| panic!("no event {message} in {:#?}", self.records))
    }

    /// Trace, span and parent of a task, as hex.
    fn task(&self, name: &str) -> [String; 3] {
        let begin = ids(self.record(Kind::Begin, name));
        assert_eq!(ids(self.record(Kind::End, name)), begin, "{name}");
        begin
    }

    /// Both have it, with the same ids.
    fn same(&self, name: &str) -> [String; 3] {
        let span = self.span(name);
        let context = &span.span_context;
        let task = self.task(name);
        assert_eq!(
            task,
            [
                context.trace_id().to_string(),
                context.span_id().to_string(),
                span.parent_span_id.to_string()
            ],
            "{name}"
        );
        let begin = self.record(Kind::Begin, name).task.as_ref().unwrap();
        assert_eq!(begin.path, format!("~{}", context.span_id()), "{name}");
        task
    }

    /// An event of a task.
    fn happened_in(&self, message: &str, task: &[String; 3]) {
        assert_eq!(&ids(self.event(message)), task, "{message}");
    }
}

fn ids(record: &Record) -> [String; 3] {
    let task = record
        .task
        .as_ref()
        .unwrap_or_else(|| panic!("no task in {record:#?}"));
    let parent = task.parent_span_id.map_or(0, |id| id.get());
    [
        task.trace_id.to_hex(),
        task.span_id.to_string(),
        format!("{parent:016x}"),
    ]
}

fn none() -> String {
    "0".repeat(16)
}

#[test]
fn a_tree_is_the_same_in_both() {
    for order in ORDERS {
        let heard = heard(order, || {
            info_span!("top").in_scope(|| {
                info!("in top");
                info_span!("middle", user = "leo").in_scope(|| {
                    info_span!("low").in_scope(|| info!("in low"));
                    info!("in middle");
                });
            });
        });
        let [top, middle, low] = ["top", "middle", "low"].map(|name| heard.same(name));
        assert_eq!(top[2], none());
        assert_eq!((&middle[0], &middle[2]), (&top[0], &top[1]));
        assert_eq!((&low[0], &low[2]), (&top[0], &middle[1]));
        heard.happened_in("in top", &top);
        heard.happened_in("in middle", &middle);
        heard.happened_in("in low", &low);
        let context = &heard.event("in middle").task.as_ref().unwrap().context;
        assert_eq!(context.get("user"), Some(&"leo".into()));
        assert_eq!(heard.spans.len(), 3);
    }
}

#[test]
fn begin_is_written_at_the_first_enter_event_child_or_close() {
    for order in ORDERS {
        let heard = heard(order, || {
            let entered = info_span!("entered");
            let with_event = info_span!("with event");
            let with_child = info_span!("with child");
            let closed = info_span!("closed");
            info!("all are made");
            entered.in_scope(|| info!("entered it"));
            info!(parent: &with_event, "an event from outside");
            drop(info_span!(parent: &with_child, "child"));
            drop(closed);
            info!("all have begun");
        });
        let at = |wanted: &Record| {
            let found = heard.records.iter().position(|record| record == wanted);
            found.unwrap()
        };
        let made = at(heard.event("all are made"));
        for name in ["entered", "with event", "with child", "child", "closed"] {
            heard.same(name);
            let begin = heard.record(Kind::Begin, name);
            assert!(at(begin) > made, "{name}");
            assert!(at(begin) < at(heard.event("all have begun")), "{name}");
            if name != "child" {
                assert!(begin.time <= heard.records[made].time, "{name}: {order:?}");
            }
        }
        heard.happened_in("an event from outside", &heard.task("with event"));
        assert_eq!(heard.task("child")[2], heard.task("with child")[1]);
        assert!(at(heard.record(Kind::Begin, "entered")) < at(heard.event("entered it")));
    }
}

#[test]
fn a_span_that_opentelemetry_does_not_see_has_ids_of_its_own() {
    for order in ORDERS {
        let heard = heard(order, || {
            info_span!("seen").in_scope(|| {
                info_span!("hidden").in_scope(|| {
                    info!("in hidden");
                    info_span!("seen below").in_scope(|| info!("in seen below"));
                });
            });
        });
        let [seen, below] = ["seen", "seen below"].map(|name| heard.same(name));
        let hidden = heard.task("hidden");
        assert_eq!((&hidden[0], &hidden[2]), (&seen[0], &seen[1]));
        assert_eq!(&below[2], &seen[1], "as OpenTelemetry has it");
        let path = &heard
            .record(Kind::Begin, "hidden")
            .task
            .as_ref()
            .unwrap()
            .path;
        assert_eq!(path, &format!("~{}/1", seen[1]));
        heard.happened_in("in hidden", &hidden);
        heard.happened_in("in seen below", &below);
    }
}

#[test]
fn a_span_of_the_sdk_in_between_is_the_parent() {
    for order in ORDERS {
        let heard = heard_with(
            order,
            |provider| provider,
            |tracer| {
                info_span!("above").in_scope(|| {
                    tracer.in_span("plain", |_| info_span!("below").in_scope(|| {}));
                });
            },
        );
        let plain = heard.span("plain");
        let below = heard.same("below");
        assert_eq!(below[2], plain.span_context.span_id().to_string());
        assert_eq!(heard.same("above")[1], plain.parent_span_id.to_string());
    }
}

#[test]
fn follows_from_links_to_the_ids_of_opentelemetry() {
    for order in ORDERS {
        let heard = heard(order, || {
            let (cause, effect) = (info_span!("cause"), info_span!("effect"));
            effect.follows_from(&cause);
        });
        let (cause, _) = (heard.same("cause"), heard.same("effect"));
        let linked = heard.records.iter().flat_map(|record| &record.links);
        let linked: Vec<_> = linked.map(|link| link.span_id.to_string()).collect();
        assert_eq!(linked, [cause[1].clone()]);
        let links = &heard.span("effect").links.links;
        assert_eq!(links[0].span_context.span_id().to_string(), cause[1]);
    }
}

#[test]
fn threads_that_use_a_span_at_once_begin_it_once() {
    for order in ORDERS {
        let heard = heard(order, || {
            for _ in 0..50 {
                let span = info_span!("shared");
                let dispatch = tracing::dispatcher::get_default(Clone::clone);
                std::thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| {
                            tracing::dispatcher::with_default(&dispatch, || {
                                span.in_scope(|| info!("used"));
                            });
                        });
                    }
                });
            }
        });
        let begins = heard
            .records
            .iter()
            .filter(|record| record.kind == Kind::Begin);
        let mut tasks: Vec<_> = begins.map(ids).collect();
        tasks.sort();
        let mut spans: Vec<_> = heard
            .spans
            .iter()
            .map(|span| {
                let context = &span.span_context;
                let parent = span.parent_span_id.to_string();
                [
                    context.trace_id().to_string(),
                    context.span_id().to_string(),
                    parent,
                ]
            })
            .collect();
        spans.sort();
        assert_eq!(tasks, spans);
        assert_eq!(tasks.len(), 50);
        let used = heard
            .records
            .iter()
            .filter(|record| record.message == "used");
        assert!(used.clone().all(|record| tasks.contains(&ids(record))));
        assert_eq!(used.count(), 200);
    }
}

#[test]
fn what_is_said_of_a_task_before_it_begins_counts() {
    for order in ORDERS {
        let heard = heard(order, || {
            let span = info_span!(
                "named",
                "otel.name" = "a name",
                "otel.status_code" = "error",
                n = 0
            );
            for n in 1..=100 {
                span.record("n", n);
            }
            let task = Task::from(info_span!("failing"));
            task.bind("more", ["a", "b"]);
            task.fail(&std::io::Error::other("no way"));
        });
        let end = heard.record(Kind::End, "named");
        assert_eq!(end.outcome, distlog_proto::Outcome::Failed);
        let context = &end.task.as_ref().unwrap().context;
        assert_eq!(context.get("n"), Some(&100i64.into()));
        assert_eq!(heard.record(Kind::Begin, "named").name, "a name");
        let end = heard.record(Kind::End, "failing");
        assert_eq!(end.error.as_ref().unwrap().message, "no way");
        assert!(end.task.as_ref().unwrap().context.get("more").is_some());
        heard.same("failing");
    }
}
