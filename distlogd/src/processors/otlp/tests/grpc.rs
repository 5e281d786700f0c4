//! Processor `otlp` against a real receiver by gRPC.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Delivery, NOW, Store, record, task, whole};
use crate::processor::Error;
use crate::processors::http_client::Compression;
use crate::processors::otlp::{Config, Events, MAX_REQUEST_ITEMS};
use distlog_bridge::otlp::trace::v1::Span;
use distlog_bridge::otlp::trace::v1::span::SpanKind;
use distlog_proto::{Kind, Record, Task};
use distlog_testkit::otlp::{Collector, body, text};
use tonic::{Code, Status};

#[test]
fn spans_and_log_records_arrive_whatever_the_compression() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let collector = Collector::start();
        let store = Store::of(&whole(1));
        let mut config = Config::new(collector.endpoint());
        config.compression = compression;
        config
            .headers
            .insert("authorization", "Bearer secret".parse().unwrap());
        let mut delivery = Delivery::new(&store, &config);
        delivery.run();
        assert_eq!(delivery.retries, Vec::<String>::new());

        let spans = collector.spans();
        assert_eq!(spans.len(), 1);
        let (span, id) = (&spans[0], task(1));
        assert_eq!(
            (&span.trace_id[..], &span.span_id[..]),
            (&id.trace_id.to_bytes()[..], &id.span_id.to_bytes()[..])
        );
        assert_eq!(span.parent_span_id, id.parent_span_id.unwrap().to_bytes());
        assert_eq!(
            (span.name.as_str(), span.kind),
            ("task 1", SpanKind::Internal as i32)
        );
        assert_eq!(
            (span.start_time_unix_nano, span.end_time_unix_nano),
            (NOW, NOW + 1_000_000)
        );
        assert_eq!(text(&span.attributes, "user").as_deref(), Some("leo"));
        assert_eq!(span.status, None);
        assert!(span.events.is_empty(), "events are log records here");

        let logs = collector.logs();
        assert_eq!(logs.len(), 1);
        assert_eq!(body(&logs[0]), "event of 1");
        assert_eq!(logs[0].span_id, id.span_id.to_bytes());

        let seen = collector.seen();
        let resource = seen.traces[0].resource_spans[0].resource.as_ref().unwrap();
        assert_eq!(
            text(&resource.attributes, "service.name").as_deref(),
            Some("shop")
        );
        let scope = seen.traces[0].resource_spans[0].scope_spans[0]
            .scope
            .as_ref()
            .unwrap();
        assert_eq!(scope.name, "shop::orders");
        assert_eq!(seen.metadata.len(), 2);
        for metadata in &seen.metadata {
            assert_eq!(metadata.get("authorization").unwrap(), "Bearer secret");
            let encoding = metadata
                .get("grpc-encoding")
                .map(|v| v.to_str().unwrap().to_owned());
            let expected = match compression {
                Compression::None => None,
                Compression::Gzip => Some("gzip".to_owned()),
                Compression::Zstd => Some("zstd".to_owned()),
            };
            assert_eq!(encoding, expected);
        }
        let counters = delivery.otlp.counters();
        assert_eq!((counters.spans.get(), counters.log_records.get()), (1, 1));
    }
}

#[test]
fn where_log_records_are_not_taken_events_go_to_their_spans() {
    let collector = Collector::start();
    collector.seen().log_answers = (0..9)
        .map(|_| Err(Status::unimplemented("unknown service")))
        .collect();
    let store = Store::of(&whole(1));
    let mut delivery = Delivery::new(&store, &Config::new(collector.endpoint()));
    delivery.run();
    assert_eq!(delivery.retries.len(), 1);
    store.add(&whole(2));
    store.add(&[record(Kind::Begin, task(3), "three")]);
    delivery.run();
    assert_eq!(delivery.retries.len(), 1, "known from then on");
    assert_eq!(collector.seen().log_calls, 1);
    let events = |span: &Span| {
        span.events
            .iter()
            .map(|event| event.name.clone())
            .collect::<Vec<_>>()
    };
    let names: Vec<_> = collector
        .spans()
        .iter()
        .map(|span| (span.name.clone(), events(span)))
        .collect();
    let expected = |n: u64| (format!("task {n}"), vec![format!("event of {n}")]);
    assert_eq!(names, [expected(1), expected(2)]);
    assert!(collector.logs().is_empty());
}

#[test]
fn log_records_that_are_wanted_wait_for_a_receiver_that_takes_them() {
    let collector = Collector::start();
    collector.seen().log_answers = VecDeque::from([Err(Status::unimplemented("not yet"))]);
    let store = Store::of(&whole(1));
    let config = Config {
        events: Events::Logs,
        ..Config::new(collector.endpoint())
    };
    let mut delivery = Delivery::new(&store, &config);
    match delivery.attempt(1, 4) {
        Err(Error::Retry { reason, after }) => {
            assert!(
                reason.contains("not yet") && reason.contains("`events: auto`"),
                "{reason}"
            );
            assert!(after > Some(Duration::from_secs(1)));
        }
        other => panic!("{other:?}"),
    }
    delivery.run();
    assert_eq!(collector.logs().len(), 1);
}

#[test]
fn what_is_unavailable_is_tried_again_and_nothing_is_lost_or_doubled_in_a_span() {
    let collector = Collector::start();
    let unavailable = || Err(Status::unavailable("busy"));
    collector.seen().trace_answers =
        VecDeque::from([unavailable(), Err(Status::aborted("again")), unavailable()]);
    let store = Store::of(&whole(1));
    store.add(&whole(2));
    let mut config = Config::new(collector.endpoint());
    config.events = Events::Span;
    let mut delivery = Delivery::new(&store, &config);
    delivery.run();
    assert_eq!(delivery.retries.len(), 3);
    assert!(
        delivery.retries[0].contains("busy"),
        "{:?}",
        delivery.retries
    );
    let spans = collector.spans();
    assert_eq!(
        spans
            .iter()
            .map(|span| span.name.as_str())
            .collect::<Vec<_>>(),
        ["task 1", "task 2"]
    );
    for span in spans {
        assert_eq!(span.events.len(), 1);
        assert!(text(&span.attributes, "user").is_some());
    }
    assert_eq!(
        delivery.otlp.counters().store_lookups.get(),
        0,
        "memory is enough for what is sent again"
    );
}

#[test]
fn every_status_means_what_the_specification_says() {
    let collector = Collector::start();
    let store = Store::of(&whole(1));
    let mut delivery = Delivery::new(&store, &Config::new(collector.endpoint()));
    let mut answer = |status: Status| {
        collector.seen().trace_answers = VecDeque::from([Err(status)]);
        delivery.attempt(1, 4).unwrap_err()
    };
    for code in [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ] {
        assert!(
            matches!(
                answer(Status::new(code, "x")),
                Error::Retry { after: None, .. }
            ),
            "{code:?}"
        );
    }
    // google.rpc.Status { details: [Any { RetryInfo { retry_delay: { seconds: 2 } } }] }, by hand.
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let mut details = vec![3 << 3 | 2, url.len() as u8 + 8, 1 << 3 | 2, url.len() as u8];
    details.extend_from_slice(url);
    details.extend_from_slice(&[2 << 3 | 2, 4, 1 << 3 | 2, 2, 1 << 3, 2]);
    let busy = Status::with_details(Code::ResourceExhausted, "slow down", details.clone().into());
    assert!(
        matches!(answer(busy), Error::Retry { after: Some(after), .. } if after == Duration::from_secs(2))
    );
    let busy = Status::with_details(Code::Unavailable, "slow down", details.into());
    assert!(
        matches!(answer(busy), Error::Retry { after: Some(after), .. } if after == Duration::from_secs(2))
    );
    for code in [
        Code::ResourceExhausted,
        Code::InvalidArgument,
        Code::Internal,
        Code::Unknown,
        Code::FailedPrecondition,
    ] {
        assert!(
            matches!(answer(Status::new(code, "x")), Error::Refused { .. }),
            "{code:?}"
        );
    }
    for code in [
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Unimplemented,
        Code::NotFound,
    ] {
        assert!(
            matches!(
                answer(Status::new(code, "x")),
                Error::Retry { after: Some(_), .. }
            ),
            "{code:?}"
        );
    }
}

#[test]
fn partial_success_is_counted_and_not_sent_again() {
    let collector = Collector::start();
    {
        let mut seen = collector.seen();
        seen.trace_answers = VecDeque::from([Ok((1, "a name is too long"))]);
        seen.log_answers = VecDeque::from([Ok((0, "only a warning"))]);
    }
    let store = Store::of(&whole(1));
    store.add(&whole(2));
    let mut delivery = Delivery::new(&store, &Config::new(collector.endpoint()));
    delivery.run();
    assert!(delivery.retries.is_empty() && delivery.refused.is_empty());
    let counters = delivery.otlp.counters();
    assert_eq!(counters.rejected_items.get(), 1);
    assert_eq!(counters.spans.get(), 1);
    assert_eq!(counters.log_records.get(), 2);
    assert_eq!(collector.seen().traces.len(), 1);
}

#[test]
fn of_what_is_refused_only_the_one_record_is_lost() {
    let collector = Collector::start();
    collector.seen().judge = Some(Box::new(|spans| {
        match spans.iter().any(|span| span.name == "task 5") {
            true => Err(Status::invalid_argument("I do not like fives")),
            false => Ok(()),
        }
    }));
    let store = Store::default();
    (1..=9).for_each(|number| store.add(&whole(number)));
    let mut delivery = Delivery::new(&store, &Config::new(collector.endpoint()));
    delivery.run();
    assert_eq!(delivery.refused, [15], "the end of the fifth task");
    let mut names: Vec<_> = collector
        .spans()
        .into_iter()
        .map(|span| span.name)
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names, [1, 2, 3, 4, 6, 7, 8, 9].map(|n| format!("task {n}")));
}

#[test]
fn nobody_there_is_a_reason_to_try_again() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let store = Store::of(&whole(1));
    let mut delivery = Delivery::new(&store, &Config::new(format!("http://{address}")));
    match delivery.attempt(1, 4) {
        Err(Error::Retry { reason, .. }) => assert!(reason.contains("refused"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let collector = Collector::start_with(None, &address.to_string());
    delivery.run();
    assert_eq!(collector.spans().len(), 1);
}

#[test]
fn a_receiver_that_says_nothing_is_given_up() {
    let collector = Collector::start();
    collector.seen().hold_until = usize::MAX;
    let store = Store::of(&whole(1));
    let config = Config {
        timeout: Duration::from_millis(50),
        ..Config::new(collector.endpoint())
    };
    let mut delivery = Delivery::new(&store, &config);
    match delivery.attempt(1, 4) {
        Err(Error::Retry { reason, .. }) => {
            assert!(reason.ends_with("no answer within 50ms"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_stay_below_what_receivers_take() {
    let collector = Collector::start();
    let store = Store::default();
    let mut records = Vec::new();
    for number in 1..=300 {
        let [begin, event, end]: [Record; 3] = whole(number).try_into().unwrap();
        let begin = Record {
            message: "x".repeat(40_000),
            ..begin
        };
        records.extend([begin, event, end]);
    }
    let small = (0..5000).map(|i| {
        record(
            Kind::Event,
            Task {
                path: String::new(),
                ..task(1)
            },
            &i.to_string(),
        )
    });
    records.extend(small);
    store.add(&records);
    let mut delivery = Delivery::new(&store, &Config::new(collector.endpoint()));
    delivery.run();
    // The receiver's own limit is 4 MiB: had it refused one, that would have been refused here.
    assert!(
        delivery.retries.is_empty() && delivery.refused.is_empty(),
        "{:?}",
        delivery.retries
    );
    assert_eq!(collector.spans().len(), 300);
    assert_eq!(collector.logs().len(), 5300);
    let seen = collector.seen();
    assert!(seen.traces.len() >= 3);
    let largest = seen
        .logs
        .iter()
        .map(|request| request.resource_logs[0].scope_logs[0].log_records.len())
        .max();
    assert_eq!(largest, Some(MAX_REQUEST_ITEMS));
}

#[test]
fn no_more_is_under_way_than_configured() {
    for (in_flight, at_once) in [(1, 1), (64 << 20, 3)] {
        let collector = Collector::start();
        collector.seen().hold_until = at_once;
        let count = 5 * MAX_REQUEST_ITEMS;
        let events: Vec<_> = (0..count)
            .map(|_| record(Kind::Event, task(1), "event"))
            .collect();
        let store = Store::of(&events);
        let config = Config {
            in_flight,
            events: Events::Logs,
            ..Config::new(collector.endpoint())
        };
        Delivery::new(&store, &config).run();
        assert_eq!(collector.logs().len(), count);
        match at_once {
            1 => assert_eq!(collector.busiest(), 1),
            _ => assert!(collector.busiest() >= at_once),
        }
    }
}
