//! A span that is too large for a batch goes into several, or nowhere.

use distlog_bridge::otlp::collector::trace::v1::ExportTraceServiceRequest;
use distlog_bridge::otlp::trace::v1::span::Event;
use distlog_bridge::otlp::trace::v1::{ResourceSpans, ScopeSpans, Span};
use distlog_bridge::receive::{self, Batch, Take};
use distlog_proto::{BatchRef, Kind, ProducerId};
use prost::Message;

#[derive(Default)]
struct Taken(Vec<Batch>);

impl Take for Taken {
    fn offsets(&mut self, _: &[u8], _: u64) -> (ProducerId, u64) {
        (ProducerId::from_bytes([1; 16]), 0)
    }

    fn batch(&mut self, batch: Batch) {
        self.0.push(batch);
    }
}

/// A request with a small span before and behind one with so many events; in the bytes of the last one `from` becomes
/// `to`.
fn request(events: usize, from: &[u8], to: &[u8]) -> Vec<u8> {
    let span = |id: u8, count: usize| Span {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        name: format!("span {id}"),
        events: (0..count)
            .map(|n| Event {
                name: format!("event {n:06}"),
                ..Event::default()
            })
            .collect(),
        ..Span::default()
    };
    let spans = vec![span(1, 0), span(2, events), span(3, 0)];
    let mut bytes = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec();
    if let Some(at) = bytes.windows(from.len()).rposition(|bytes| bytes == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

/// Names of the records in order; offsets follow each other, over all batches.
fn records(taken: &Taken) -> Vec<(Kind, String)> {
    let (mut all, mut next) = (Vec::new(), 0);
    for batch in &taken.0 {
        assert!(batch.bytes.len() < 1 << 20);
        assert_eq!(batch.from, next);
        next = batch.to;
        let parsed = BatchRef::parse(&batch.bytes).unwrap();
        for record in parsed.records() {
            let record = record.unwrap();
            assert_eq!(
                record.callsite.severity.number(),
                9,
                "its callsite is there"
            );
            all.push((record.kind, record.message.to_owned()));
        }
    }
    assert_eq!(next, all.len() as u64);
    all
}

#[test]
fn a_large_span_is_divided() {
    let mut taken = Taken::default();
    let verdict = receive::traces(&request(50_000, b"-", b"-"), &mut taken).unwrap();
    assert_eq!((verdict.accepted, verdict.refused), (3, 0));
    assert!(taken.0.len() > 10);
    let records = records(&taken);
    assert_eq!(records.len(), 50_006);
    for (n, (kind, message)) in records[3..50_003].iter().enumerate() {
        assert_eq!((*kind, message), (Kind::Event, &format!("event {n:06}")));
    }
}

#[test]
fn of_a_large_span_with_a_bad_event_nothing_is_taken() {
    let mut taken = Taken::default();
    let bad = request(50_000, b"event 049999", b"event \xff49999");
    let verdict = receive::traces(&bad, &mut taken).unwrap();
    assert_eq!((verdict.accepted, verdict.refused), (2, 1));
    let messages: Vec<String> = records(&taken).into_iter().map(|(_, text)| text).collect();
    assert_eq!(messages, ["span 1", "span 1", "span 3", "span 3"]);
}
