//! What is sent, and what each answer leads to.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse;
use tokio_stream::Stream;

use super::receiver::{Receiver, bulk_answer};
use super::{open, records};
use crate::processor::{Error, Processor, Token};
use crate::processors::http::config::Format;
use crate::processors::http::index::Index;
use crate::processors::http::{Config, Http};
use crate::processors::http_client::{Compression, NEEDS_A_PERSON};

fn bulk() -> Format {
    Format::Elasticsearch(Index::default())
}

fn present(http: &mut Http, numbers: std::ops::Range<u64>) -> Result<Token, Error> {
    records(numbers, |records| http.process(records))?;
    http.flush()
}

#[test]
fn lines_are_those_of_the_file_and_repeated_ones_have_the_same_key() {
    for compression in [Compression::None, Compression::Gzip] {
        let receiver = Receiver::start();
        let mut config = receiver.config(Format::Ndjson);
        config.compression = compression;
        let secret = HeaderValue::from_static("Bearer x");
        config.headers.insert("authorization", secret);
        present(&mut open(&config), 1..4).unwrap();
        // As after a kill.
        present(&mut open(&config), 1..4).unwrap();
        present(&mut open(&config), 1..5).unwrap();
        let requests = receiver.requests();
        let mut lines = Vec::new();
        records(1..4, |records| {
            for record in records {
                distlog_python::json::encode(record, &mut lines);
                lines.push(b'\n');
            }
        });
        assert_eq!(requests[0].body.as_bytes(), lines);
        let headers = &requests[0].headers;
        assert_eq!(headers["content-type"], "application/x-ndjson");
        assert_eq!(headers["authorization"], "Bearer x");
        let key = |n: usize| requests[n].headers["idempotency-key"].to_str().unwrap();
        assert_eq!(key(0), key(1));
        assert_ne!(key(0), key(2));
        assert!(key(0).len() == 34 && key(0).starts_with('"') && key(0).ends_with('"'));
        assert_eq!(requests[0].uri, "/in");
    }
}

#[test]
fn the_bulk_api_gets_an_action_a_record() {
    let receiver = Receiver::start();
    let url = format!("http://{}/es/?_msg_field=message", receiver.address);
    let index = serde_json::from_str("\"logs-%Y.%m.%d\"").unwrap();
    present(
        &mut open(&Config::new(&url, Format::Elasticsearch(index))),
        1..3,
    )
    .unwrap();
    let [request] = &receiver.requests()[..] else {
        panic!("one request")
    };
    let query = request.uri.query().unwrap();
    assert_eq!(request.uri.path(), "/es/_bulk");
    assert!(
        query.starts_with("_msg_field=message&filter_path=errors,"),
        "{query}"
    );
    assert!(!request.headers.contains_key("idempotency-key"));
    let lines: Vec<&str> = request.body.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"create":{"_index":"logs-2025.11.23","_id":"abababababababababababababababab-101"}}"#
    );
    assert!(
        lines[1].starts_with(r#"{"@timestamp":"2025-11-23T04:11:38.000000001Z","asctime":"#),
        "{}",
        lines[1]
    );
    assert_eq!(request.lines()[3]["message"], "2");
    assert_eq!(lines.len(), 4);
}

#[test]
fn what_comes_again_after_a_failure_is_sent_once() {
    for format in [Format::Ndjson, bulk()] {
        let receiver = Receiver::start();
        let mut config = receiver.config(format);
        config.in_flight = 1;
        let mut http = open(&config);
        // 5000 records are more than two requests.
        receiver.answer((
            StatusCode::SERVICE_UNAVAILABLE,
            [("retry-after", "7")],
            "busy",
        ));
        let presented = records(1..2001, |records| http.process(records));
        presented.unwrap();
        match http.flush() {
            Err(Error::Retry { reason, after }) => {
                assert_eq!(after, Some(Duration::from_secs(7)));
                let said = "/in: the receiver answers 503 Service Unavailable: busy";
                assert!(reason.ends_with(said), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        records(1..4001, |records| http.process(records)).unwrap();
        receiver.answer(StatusCode::BAD_GATEWAY);
        let failed =
            records(4001..5001, |records| http.process(records)).and_then(|()| http.flush());
        // Which of the three is answered so is open.
        assert!(
            matches!(failed, Err(Error::Retry { after: None, .. })),
            "{failed:?}"
        );
        present(&mut http, 1..6001).unwrap();
        assert_eq!(receiver.messages(), (1..6001).collect::<Vec<_>>());
        // All is forgotten by then.
        assert!(http.poster.is_settled());
    }
}

#[test]
fn halves_of_what_was_refused_are_not_sent_twice_either() {
    let receiver = Receiver::start();
    let mut config = receiver.config(Format::Ndjson);
    config.in_flight = 1;
    let mut http = open(&config);
    records(1..2001, |records| http.process(records)).unwrap();
    records(2001..3001, |records| http.process(records)).unwrap();
    let taken = receiver.messages().len() as u64;
    receiver.answer((StatusCode::BAD_REQUEST, "line 7"));
    match http.flush() {
        Err(Error::Refused { reason }) => assert!(reason.ends_with("400 Bad Request: line 7")),
        other => panic!("{other:?}"),
    }
    // The worker presents halves.
    present(&mut http, 1..1501).unwrap();
    present(&mut http, 1501..3001).unwrap();
    assert_eq!(receiver.messages().len() as u64 + taken, 3000);
}

#[test]
fn a_request_that_is_too_large_is_made_smaller() {
    let receiver = Receiver::start();
    receiver.limit(100_000);
    let mut http = open(&receiver.config(bulk()));
    let mut presented = 0;
    while let Err(error) = present(&mut http, 1..3001) {
        assert!(matches!(error, Error::Again), "{error}");
        presented += 1;
        assert!(presented < 10);
    }
    assert!(presented > 1);
    assert_eq!(receiver.messages(), (1..3001).collect::<Vec<_>>());

    // A single record that is too large.
    receiver.limit(10);
    match present(&mut http, 3001..3002) {
        Err(Error::Reject { numbers, reason }) => {
            assert_eq!(numbers, [3001]);
            assert!(reason.contains("413"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    http.flush().unwrap();
    // Few that are too large: the worker finds out which.
    assert!(matches!(
        present(&mut http, 3002..3004),
        Err(Error::Refused { .. })
    ));
}

#[test]
fn single_items_are_rejected_and_others_come_again() {
    let receiver = Receiver::start();
    let mut http = open(&receiver.config(bulk()));
    receiver.answer(bulk_answer(&[201, 400, 409, 429]));
    match present(&mut http, 1..5) {
        Err(Error::Retry { reason, .. }) => assert!(reason.contains("429"), "{reason}"),
        other => panic!("{other:?}"),
    }
    receiver.answer(bulk_answer(&[409, 400, 409, 201]));
    match present(&mut http, 1..5) {
        Err(Error::Reject { numbers, reason }) => {
            assert_eq!(numbers, [2]);
            assert!(reason.ends_with("/in: an item is answered 400"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    // The worker asks again.
    http.flush().unwrap();
    assert!(receiver.requests().is_empty(), "both were answered above");
}

/// A body that breaks off.
fn broken(begin: &'static str) -> Body {
    let pieces: [Result<&str, std::io::Error>; 2] =
        [Ok(begin), Err(std::io::ErrorKind::BrokenPipe.into())];
    Body::from_stream(tokio_stream::iter(pieces))
}

/// A body without end.
fn endless() -> impl Stream<Item = Result<Vec<u8>, std::io::Error>> {
    tokio_stream::iter(std::iter::repeat_with(|| Ok(vec![b' '; 4096])))
}

#[test]
fn answers_that_say_nothing_are_errors_and_do_not_fill_the_memory() {
    let retry = |receiver: &Receiver, format: Format| match present(
        &mut open(&receiver.config(format)),
        1..3,
    ) {
        Err(Error::Retry { reason, after }) => (reason, after),
        other => panic!("{other:?}"),
    };
    let receiver = Receiver::start();
    receiver.answer(bulk_answer(&[201]));
    assert!(retry(&receiver, bulk()).0.contains("1 items for 2 records"));
    receiver.answer("<html>");
    assert_eq!(retry(&receiver, bulk()).1, Some(NEEDS_A_PERSON));
    receiver.answer(Body::from_stream(endless()));
    assert!(retry(&receiver, bulk()).0.contains("has over 67584 bytes"));
    // Before or after its head, as the connection has it.
    receiver.answer(broken(r#"{"errors":false,"items":[{"create":"#));
    assert!(retry(&receiver, bulk()).0.contains("connection"));
    receiver.answer(broken("tha"));
    assert!(retry(&receiver, Format::Ndjson).0.contains("connection"));
    receiver.answer((
        StatusCode::INTERNAL_SERVER_ERROR,
        Body::from_stream(endless()),
    ));
    assert!(retry(&receiver, Format::Ndjson).0.contains("500"));

    // The status says that lines are taken, whatever follows.
    receiver.answer(Body::from_stream(endless()));
    present(&mut open(&receiver.config(Format::Ndjson)), 1..3).unwrap();
}

#[test]
fn redirects_are_told_and_not_followed() {
    let (receiver, other) = (Receiver::start(), Receiver::start());
    let to = format!("http://{}/in", other.address);
    let answer = (StatusCode::PERMANENT_REDIRECT, [("location", to.clone())]);
    receiver.answer(answer.into_response());
    match present(&mut open(&receiver.config(Format::Ndjson)), 1..2) {
        Err(Error::Retry { reason, after }) => {
            assert!(reason.contains(&to), "{reason}");
            assert_eq!(after, Some(NEEDS_A_PERSON));
        }
        other => panic!("{other:?}"),
    }
    assert!(other.requests().is_empty());
}

#[test]
fn a_receiver_that_is_away_or_silent_is_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/in?token=secret", listener.local_addr().unwrap());
    let mut config = Config::new(&url, Format::Ndjson);
    config.timeout = Duration::from_millis(50);
    let reason = |config: &Config| match present(&mut open(config), 1..2) {
        Err(Error::Retry {
            reason,
            after: None,
        }) => reason,
        other => panic!("{other:?}"),
    };
    let silent = reason(&config);
    assert!(silent.contains("no answer within 50ms"), "{silent}");
    assert!(!silent.contains("secret"), "{silent}");
    drop(listener);
    config.timeout = Duration::from_secs(10);
    let away = reason(&config);
    assert!(away.contains("refused"), "{away}");
}
