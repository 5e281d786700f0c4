//! Processor `otlp`: a task becomes one span, wherever its begin is.

use std::sync::Arc;

use super::{Delivery, NOW, Store, end, record, source, task, whole};
use crate::processor::{Error, Processor};
use crate::processors::otlp::{Config, Events, FindError, open};
use crate::thread_pool::ThreadPool;
use distlog_bridge::otlp::trace::v1::status::StatusCode;
use distlog_proto::{Kind, Otlp as Extras, Outcome, Record, Source};
use distlog_testkit::otlp::{Collector, body, text};

fn names(collector: &Collector) -> Vec<String> {
    collector
        .spans()
        .into_iter()
        .map(|span| span.name)
        .collect()
}

#[test]
fn a_begin_from_before_the_restart_is_found_in_the_store() {
    let collector = Collector::start();
    let store = Store::of(&whole(1)[..2]);
    let config = Config {
        events: Events::Span,
        ..Config::new(collector.endpoint())
    };
    let next = Delivery::new(&store, &config).run().next;
    assert!(collector.spans().is_empty(), "it has not ended");

    let mut bind = record(Kind::Bind, task(1), "");
    bind.fields.insert("amount", 5);
    store.add(&[bind, end(1, Outcome::Success)]);
    let mut delivery = Delivery {
        next,
        ..Delivery::new(&store, &config)
    };
    delivery.run();
    let spans = collector.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].name, "task 1");
    assert_eq!(
        (spans[0].start_time_unix_nano, spans[0].end_time_unix_nano),
        (NOW, NOW + 1_000_000)
    );
    assert_eq!(spans[0].events[0].name, "event of 1");
    assert_eq!(text(&spans[0].attributes, "user").as_deref(), Some("leo"));
    assert_eq!(
        text(&spans[0].attributes, "amount").as_deref(),
        Some("IntValue(5)")
    );
    assert_eq!(
        spans[0].status.as_ref().unwrap().code,
        StatusCode::Ok as i32
    );
    assert_eq!(delivery.otlp.counters().store_lookups.get(), 1);
}

#[test]
fn more_tasks_than_memory_is_meant_for_are_all_exported_whole() {
    let collector = Collector::start();
    let store = Store::default();
    for kind in 0..3 {
        (1..=20).for_each(|number| store.add(&whole(number)[kind..=kind]));
    }
    let config = Config {
        events: Events::Both,
        open_tasks: 3,
        ..Config::new(collector.endpoint())
    };
    let mut delivery = Delivery::new(&store, &config);
    delivery.run();
    let spans = collector.spans();
    assert_eq!(
        names(&collector),
        (1..=20).map(|n| format!("task {n}")).collect::<Vec<_>>()
    );
    assert!(
        spans
            .iter()
            .all(|span| span.events.len() == 1 && text(&span.attributes, "user").is_some())
    );
    assert_eq!(collector.logs().len(), 20);
    let looked_up = delivery.otlp.counters().store_lookups.get();
    assert!((17..=20).contains(&looked_up), "{looked_up}");
}

#[test]
fn a_lost_task_is_exported_once_even_if_its_end_comes_later() {
    for flush_between in [false, true] {
        let collector = Collector::start();
        let store = Store::of(&whole(1)[..1]);
        // The tracker writes the end of a lost task; the daemon is the source of that.
        let lost = Record {
            source: Source {
                service: "distlogd".into(),
                ..source()
            },
            ..end(1, Outcome::Lost)
        };
        store.add(&[lost]);
        let mut delivery = Delivery::new(&store, &Config::new(collector.endpoint()));
        if flush_between {
            delivery.run();
        }
        store.add(&[end(1, Outcome::Ok)]);
        delivery.run();
        let spans = collector.spans();
        assert_eq!(spans.len(), 1);
        assert_eq!(spans[0].name, "task 1");
        assert_eq!(
            spans[0].status.as_ref().unwrap().code,
            StatusCode::Error as i32
        );
        assert_eq!(
            text(&spans[0].attributes, "distlog.outcome").as_deref(),
            Some("lost")
        );
        let seen = collector.seen();
        let resource = seen.traces[0].resource_spans[0].resource.as_ref().unwrap();
        assert_eq!(
            text(&resource.attributes, "service.name").as_deref(),
            Some("shop"),
            "that of the begin"
        );
        assert_eq!(delivery.otlp.counters().repeated_ends.get(), 1);
    }
}

#[test]
fn an_end_whose_begin_is_nowhere_is_a_span_all_the_same() {
    let collector = Collector::start();
    let store = Store::of(&[Record {
        name: "orphan".into(),
        time: NOW + 5_000_000,
        ..end(1, Outcome::Ok)
    }]);
    Delivery::new(&store, &Config::new(collector.endpoint())).run();
    let spans = collector.spans();
    assert_eq!(spans[0].name, "orphan");
    assert_eq!(
        (spans[0].start_time_unix_nano, spans[0].end_time_unix_nano),
        (NOW + 4_000_000, NOW + 5_000_000)
    );
}

#[test]
fn a_store_that_cannot_be_read_is_no_reason_to_lose_a_span() {
    let collector = Collector::start();
    let store = Store::of(&[end(1, Outcome::Ok)]);
    let broken = |_,
                  _,
                  _: &mut dyn FnMut(&distlog_proto::RecordRef<'_>)|
     -> Result<(), FindError> { Err("disk on fire".into()) };
    let mut otlp = open(
        "test",
        &Config::new(collector.endpoint()),
        &crate::self_telemetry::Metrics::default(),
        &super::threads(),
        &super::runtime(),
        Box::new(broken),
    )
    .unwrap();
    match store.read(1, 2, |records| otlp.process(records)) {
        Err(Error::Retry { reason, .. }) => assert!(reason.contains("disk on fire"), "{reason}"),
        other => panic!("{other:?}"),
    }
    otlp.flush().unwrap();
    assert!(collector.spans().is_empty());
}

#[test]
fn events_outside_of_tasks_are_log_records_or_counted() {
    let collector = Collector::start();
    let stray = Record {
        task: None,
        ..record(Kind::Event, task(1), "stray")
    };
    let store = Store::of(&[stray]);
    Delivery::new(&store, &Config::new(collector.endpoint())).run();
    assert_eq!(
        collector.logs().iter().map(body).collect::<Vec<_>>(),
        ["stray"]
    );
    let mut delivery = Delivery::new(
        &store,
        &Config {
            events: Events::Span,
            ..Config::new(collector.endpoint())
        },
    );
    delivery.run();
    assert_eq!(delivery.otlp.counters().unplaced_events.get(), 1);
    assert_eq!(collector.logs().len(), 1);
}

#[test]
fn what_came_as_event_of_a_span_leaves_as_one() {
    let collector = Collector::start();
    let by_otlp = |span_event| {
        Some(Box::new(Extras {
            span_event,
            ..Extras::default()
        }))
    };
    let mut records = whole(1);
    records
        .iter_mut()
        .for_each(|record| record.otlp = by_otlp(false));
    records[1].otlp = by_otlp(true);
    records.insert(
        2,
        Record {
            otlp: by_otlp(false),
            ..record(Kind::Event, task(1), "a log")
        },
    );
    let store = Store::of(&records);
    Delivery::new(&store, &Config::new(collector.endpoint())).run();
    let spans = collector.spans();
    assert_eq!(
        spans[0]
            .events
            .iter()
            .map(|event| event.name.as_str())
            .collect::<Vec<_>>(),
        ["event of 1"]
    );
    assert_eq!(
        collector.logs().iter().map(body).collect::<Vec<_>>(),
        ["a log"]
    );
    let attributes: Vec<_> = spans[0].attributes.iter().map(|a| a.key.as_str()).collect();
    assert_eq!(attributes, ["user"], "nothing is added");
}

#[test]
fn a_log_that_came_before_its_span_is_an_event_of_it_where_the_receiver_takes_no_logs() {
    let collector = Collector::start();
    let by_otlp = |span_event| {
        Some(Box::new(Extras {
            span_event,
            ..Extras::default()
        }))
    };
    let mut span = whole(1);
    span.iter_mut()
        .for_each(|record| record.otlp = by_otlp(true));
    let log = |text| Record {
        otlp: by_otlp(false),
        ..record(Kind::Event, task(1), text)
    };
    let other = Record {
        otlp: by_otlp(false),
        ..record(Kind::Event, task(2), "of another span")
    };
    let mut records = vec![log("first"), other, log("second")];
    records.extend(span);
    let store = Store::of(&records);
    let mut config = Config::new(collector.endpoint());
    config.events = Events::Span;
    Delivery::new(&store, &config).run();
    let spans = collector.spans();
    let names: Vec<_> = spans[0].events.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(
        (spans.len(), names),
        (1, vec!["event of 1", "first", "second"])
    );
}

#[test]
fn each_service_has_its_own_resource() {
    let collector = Collector::start();
    let mut records = whole(1);
    let mut other = whole(2);
    other
        .iter_mut()
        .for_each(|record| record.source.service = "bank".into());
    records.extend(other);
    let store = Store::of(&records);
    Delivery::new(&store, &Config::new(collector.endpoint())).run();
    let seen = collector.seen();
    let resources = seen
        .traces
        .iter()
        .flat_map(|request| &request.resource_spans);
    let services: Vec<_> = resources
        .map(|resource| {
            let name = text(
                &resource.resource.as_ref().unwrap().attributes,
                "service.name",
            )
            .unwrap();
            (name, resource.scope_spans[0].spans[0].name.clone())
        })
        .collect();
    assert_eq!(
        services,
        [
            ("shop".into(), "task 1".into()),
            ("bank".into(), "task 2".to_owned())
        ]
    );
}

/// A span that comes by OTLP in two batches, with those of another one that has the same id in between.
#[test]
fn two_spans_with_one_id_stay_apart_also_where_they_do_not_come_whole() {
    let span = |producer: u8, kind, name: &str| -> Vec<Record> {
        let mut records = whole(1);
        records[0].message = name.into();
        records[0].span_kind = kind;
        records[1].message = format!("event of {name}");
        records[2].duration = u64::from(producer) * 1_000_000;
        records[2].time = NOW + records[2].duration;
        for (number, record) in (0..).zip(&mut records) {
            record.source.producer = distlog_proto::ProducerId::from_bytes([producer; 16]);
            (record.offset, record.number) = (40 + number, number);
            record.otlp = Some(Box::new(Extras {
                span_event: record.kind == Kind::Event,
                ..Extras::default()
            }));
        }
        records
    };
    let client = span(2, distlog_proto::SpanKind::Client, "ask");
    let server = span(1, distlog_proto::SpanKind::Server, "answer");
    let orders = [
        vec![
            &client[0], &server[0], &client[1], &server[1], &server[2], &client[2],
        ],
        vec![
            &client[0], &server[0], &server[1], &client[1], &client[2], &server[2],
        ],
        vec![
            &client[0], &client[1], &server[0], &server[1], &server[2], &client[2],
        ],
    ];
    for order in orders {
        for restarts_at in 0..=6 {
            let collector = Collector::start();
            let store = Store::default();
            let config = Config::new(collector.endpoint());
            let mut next = Delivery::new(&store, &config).next;
            for (at, record) in order.iter().enumerate() {
                store.add(&[(*record).clone()]);
                if at + 1 == restarts_at {
                    next = Delivery::new(&store, &config).run().next;
                }
            }
            let mut delivery = Delivery {
                next,
                ..Delivery::new(&store, &config)
            };
            delivery.run();
            let mut spans = collector.spans();
            spans.sort_by(|a, b| a.name.cmp(&b.name));
            let seen: Vec<_> = spans
                .iter()
                .map(|span| {
                    let events: Vec<_> = span.events.iter().map(|e| e.name.as_str()).collect();
                    (
                        span.name.as_str(),
                        events,
                        span.end_time_unix_nano - span.start_time_unix_nano,
                    )
                })
                .collect();
            let expected = [
                ("answer", vec!["event of answer"], 1_000_000),
                ("ask", vec!["event of ask"], 2_000_000),
            ];
            assert_eq!(seen, expected, "restarted at {restarts_at}");
        }
    }
}

/// Of log records only the bytes are made elsewhere.
#[test]
fn several_threads_make_the_requests_that_one_makes() {
    let mut records = Vec::new();
    for number in 1..400 {
        let [begin, event, end] = whole(number).try_into().unwrap();
        records.push(begin);
        for n in 0..10 {
            let mut event = event.clone();
            event.fields.insert("n", n);
            event.source.service = format!("service {}", number % 3);
            // Some came by OTLP: events of their span.
            event.otlp = (n == 7).then(|| {
                Box::new(Extras {
                    span_event: true,
                    ..Extras::default()
                })
            });
            records.push(event);
        }
        records.push(end);
    }
    let store = Store::of(&records);
    for events in [Events::Auto, Events::Both] {
        let seen = [0, 3].map(|threads| {
            let collector = Collector::start();
            let config = Config {
                events,
                in_flight: 1,
                ..Config::new(collector.endpoint())
            };
            let threads = Arc::new(ThreadPool::new("test", threads));
            let mut delivery = Delivery {
                otlp: store.open_with(&config, &threads),
                ..Delivery::new(&store, &config)
            };
            delivery.run();
            (collector.logs(), collector.spans())
        });
        let [(logs, spans), (logs_too, spans_too)] = seen;
        assert!(logs.len() > 3_500 && spans.len() == 399);
        assert!(logs == logs_too && spans == spans_too);
    }
}
