//! What is read of a block is what was wanted of it, as it is in the whole.

use distlog_proto::wire::Parts;
use distlog_proto::wire::field::record as field;
use distlog_proto::{BatchRef, Kind, Otlp, Outcome, Record, Severity, TraceId};
use proptest::prelude::*;

use super::tests::{batch, frames, record, unpack};
use super::*;
use crate::format::{BatchesOf, FramesIn};
use crate::text_part::TextPart;
use crate::words::any_text;

/// A record as a reader sees it.
#[derive(Debug)]
struct Seen {
    number: u64,
    severity: Severity,
    record: Record,
}

/// The records of a batch, with their numbers.
fn seen(bytes: &[u8], numbers: impl Iterator<Item = u64>) -> Vec<Seen> {
    let batch = BatchRef::parse(bytes).unwrap();
    let records: Vec<_> = batch.records().map(Result::unwrap).collect();
    let numbers: Vec<u64> = numbers.take(records.len()).collect();
    assert_eq!(records.len(), numbers.len());
    let seen = numbers.into_iter().zip(records);
    seen.map(|(number, record)| Seen {
        number,
        severity: record.severity,
        record: record.to_record(),
    })
    .collect()
}

/// All records of some frames.
fn all(raw: &[u8]) -> Vec<Seen> {
    let mut all = Vec::new();
    for (frame, range) in FramesIn::new(raw) {
        let bytes = &raw[range];
        for (_, first, body) in BatchesOf::new(&frame, bytes) {
            all.extend(seen(&bytes[body], first..));
        }
    }
    all
}

/// What is read of a block.
fn read(raw: &[u8], wanted: &Selection<'_>) -> Vec<Seen> {
    let body = encode(raw, &mut Pack::default()).unwrap().unwrap().body;
    let (mut out, mut batches) = (Vec::new(), Vec::new());
    let mut show = |some: SomeRecords<'_>| {
        batches.push((some.first, some.range, some.places.to_vec()));
    };
    select(
        &mut &*body,
        raw.len(),
        wanted,
        &mut unpack(),
        &mut out,
        &mut show,
    )
    .unwrap();
    let batches = batches.into_iter();
    batches
        .flat_map(|(first, range, places)| {
            let numbers = places.iter().map(|place| first + u64::from(*place));
            seen(&out[range], numbers)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_as_in_the_whole(
        batches in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(record(), 0..12), 0..4), 1..4),
        least in prop_oneof![Just(0u32), 1u32..24],
        numbers in proptest::option::of(proptest::collection::vec(1u32..25, 0..6)),
        names in proptest::collection::vec("[a-e]", 0..3),
        service in proptest::option::of("(shop|bank)?"),
    ) {
        let batches: Vec<Vec<_>> = batches
            .iter()
            .map(|frame| frame.iter().map(|records| batch(records)).collect())
            .collect();
        let raw = frames(&batches);
        let mut parts = Parts::default();
        for number in numbers.iter().flatten() {
            parts.add(*number);
        }
        names.iter().for_each(|name| parts.add_field(name));
        if numbers.is_none() {
            parts = Parts::ALL;
        }
        let least = Severity::new(least);
        let of_service = |head: &[u8]| {
            let head = BatchRef::parse(head).unwrap();
            service.as_ref().is_none_or(|service| head.source().service == service)
        };
        let wanted = Selection { severity: least, parts: &parts, source: &of_service, ..Selection::ALL };
        let read = read(&raw, &wanted);
        let mut whole = all(&raw).into_iter();
        for part in &read {
            let known = whole.find(|known| known.number == part.number).unwrap();
            let mut record = known.record;
            prop_assert!(service.as_ref().is_none_or(|service| record.source.service == *service));
            if [field::SEVERITY, field::SEVERITY_TEXT, field::LEVEL].into_iter().all(|n| parts.has(n)) {
                prop_assert_eq!(part.severity, known.severity);
            }
            let mut kept: Vec<_> = Vec::new();
            for (name, value) in record.fields.iter() {
                if parts.has(field::FIELDS) && parts.has_field(name) {
                    kept.push((name.to_owned(), value.clone()));
                }
            }
            record.fields = kept.into_iter().collect();
            let less = Record::default();
            if !parts.has(field::KIND) {
                record.kind = less.kind;
            }
            if !parts.has(field::OUTCOME) {
                record.outcome = less.outcome;
            }
            if !parts.has(field::OFFSET) { record.offset = less.offset; }
            if !parts.has(field::TIME) && !parts.has(field::OBSERVED_TIME) {
                record.time = less.time;
            }
            if !parts.has(field::OBSERVED_TIME) { record.observed_time = less.observed_time; }
            if !parts.has(field::SEVERITY) { record.severity = less.severity; }
            if !parts.has(field::SEVERITY_TEXT) { record.severity_text = less.severity_text; }
            if !parts.has(field::MESSAGE) { record.message = less.message; }
            if !parts.has(field::TASK) { record.task = less.task; }
            if !parts.has(field::THREAD_ID) { record.thread_id = less.thread_id; }
            prop_assert_eq!(&part.record, &record);
        }
        // Nothing that was wanted is missing.
        let numbers: Vec<u64> = read.iter().map(|part| part.number).collect();
        for known in all(&raw) {
            let is_wanted = known.severity >= least
                && service.as_ref().is_none_or(|service| known.record.source.service == *service);
            prop_assert!(!is_wanted || numbers.contains(&known.number), "{:?} is missing", known);
        }
    }

    #[test]
    fn rows_are_those_that_are_wanted(
        batches in proptest::collection::vec(proptest::collection::vec(record(), 0..12), 1..4),
        outcome in prop::sample::select(vec![Outcome::Ok, Outcome::Failed, Outcome::Unset]),
        trace in 1u8..4,
    ) {
        let batches: Vec<_> = batches.iter().map(|records| batch(records)).collect();
        let raw = frames(&[batches]);
        let trace = TraceId::from_bytes([trace; 16]).unwrap();
        let ended = |record: &Record| match record.kind {
            Kind::End => record.outcome == outcome,
            Kind::Begin => record.task.as_ref().is_none_or(|task| task.parent_span_id.is_none()),
            Kind::Event | Kind::Bind => false,
        };
        let of_trace = |record: &Record| {
            record.task.as_ref().is_some_and(|task| task.trace_id == trace)
        };
        let tasks = |record: &Record| {
            of_trace(record) && matches!(record.kind, Kind::Begin | Kind::End)
        };
        let numbers = |seen: &[Seen]| seen.iter().map(|seen| seen.number).collect::<Vec<_>>();
        let expected = |is_wanted: &dyn Fn(&Record) -> bool| {
            let mut seen = all(&raw);
            seen.retain(|seen| is_wanted(&seen.record));
            numbers(&seen)
        };
        let rows = |rows| numbers(&read(&raw, &Selection { rows, ..Selection::ALL }));
        let (outcomes, traces) = ([outcome], [trace]);
        prop_assert_eq!(rows(Rows::Ended(&outcomes)), expected(&ended));
        prop_assert_eq!(rows(Rows::OfTraces(&traces)), expected(&of_trace));
        prop_assert_eq!(rows(Rows::TasksOf(&traces)), expected(&tasks));
        // Where there are no columns.
        for (frame, range) in FramesIn::new(&raw) {
            for (_, _, body) in BatchesOf::new(&frame, &raw[range.clone()]) {
                let batch = BatchRef::parse(&raw[range.clone()][body]).unwrap();
                let all: Vec<_> = batch.records().map(|record| record.unwrap().to_record()).collect();
                let read = |rows: Rows<'_>| -> Vec<usize> {
                    let records = batch.records_from(Severity::UNSET, |bytes| rows.may_have(bytes));
                    records.map(|(at, _)| at).collect()
                };
                let expected = |is_wanted: &dyn Fn(&Record) -> bool| -> Vec<usize> {
                    (0..all.len()).filter(|at| is_wanted(&all[*at])).collect()
                };
                prop_assert_eq!(read(Rows::OfTraces(&traces)), expected(&of_trace));
                prop_assert_eq!(read(Rows::TasksOf(&traces)), expected(&tasks));
                let begins_or_ended = |record: &Record| record.kind == Kind::Begin || ended(record);
                prop_assert_eq!(read(Rows::Ended(&outcomes)), expected(&begins_or_ended));
            }
        }
    }

    #[test]
    fn what_has_a_part_of_a_text_is_read(
        batches in proptest::collection::vec(proptest::collection::vec(record(), 1..9), 1..4),
        orders in proptest::collection::vec((any::<u64>(), 0u32..99, any::<bool>()), 16..60),
        part in prop_oneof!["[a-f]{1,3}", "[0-9a-f]{1,3}", "[a-zA-Z]{2}", "[a-z0-9 .:_]{1,4}", "(Order|in_db|Cafe|took)"],
    ) {
        let mut batches: Vec<_> = batches.iter().map(|records| batch(records)).collect();
        let orders = orders.iter().map(|(n, ms, cafe)| Record {
            message: match cafe {
                true => format!("order {n} is in_cafe{n:04x} of {n:08x}"),
                false => format!("order{n} took {ms:03}.{ms:02} ms"),
            },
            ..Record::default()
        });
        batches.push(batch(&orders.collect::<Vec<_>>()));
        let raw = frames(&[batches]);
        let part_of_text = TextPart::new(&part).unwrap();
        let texts = [part_of_text.clone()];
        let read = read(&raw, &Selection { texts: &texts, ..Selection::ALL });
        let lowercase = part.to_ascii_lowercase();
        let has = |record: &Record| {
            let bytes = batch(std::slice::from_ref(record)).0;
            let parsed = BatchRef::parse(&bytes).unwrap();
            parsed.records().flatten().any(|record| {
                any_text(&record, &mut |text| {
                    // What is all digits may be a number, which stands in no text.
                    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                    !is_number && text.to_ascii_lowercase().contains(&lowercase)
                })
            })
        };
        let all = all(&raw);
        let read: Vec<u64> = read.iter().map(|seen| seen.number).collect();
        for seen in all.iter().filter(|seen| has(&seen.record)) {
            prop_assert!(read.contains(&seen.number), "{:?}", seen.record.message);
        }
        if !part_of_text.is_in(&raw) {
            prop_assert!(read.is_empty());
        }
    }

    #[test]
    fn marks_keep_the_places_of_records(
        batches in proptest::collection::vec(proptest::collection::vec(record(), 1..9), 1..5),
        trace in 1u8..4,
    ) {
        let batches: Vec<_> = batches.iter().map(|records| batch(records)).collect();
        let raw = frames(&[batches]);
        let traces = [TraceId::from_bytes([trace; 16]).unwrap()];
        let wanted = Selection { rows: Rows::OfTraces(&traces), marked: true, ..Selection::ALL };
        let body = encode(&raw, &mut Pack::default()).unwrap().unwrap().body;
        let (mut out, mut read) = (Vec::new(), Vec::new());
        let mut show = |some: SomeRecords<'_>| read.push((some.first, some.range));
        select(&mut &*body, raw.len(), &wanted, &mut unpack(), &mut out, &mut show).unwrap();
        let mut found = Vec::new();
        for (first, range) in read {
            let batch = BatchRef::parse(&out[range]).unwrap();
            let placed = (first..).zip(batch.records());
            found.extend(placed.filter_map(|(number, record)| Some((number, record.ok()?.to_record()))));
        }
        let mut expected = all(&raw);
        expected.retain(|seen| seen.record.task.as_ref().is_some_and(|task| traces.contains(&task.trace_id)));
        let expected: Vec<_> = expected.into_iter().map(|seen| (seen.number, seen.record)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn damage_is_borne(
        records in proptest::collection::vec(record(), 1..12),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let raw = frames(&[vec![batch(&records)]]);
        let mut body = encode(&raw, &mut Pack::default()).unwrap().unwrap().body;
        let at = at.index(body.len());
        body[at] ^= byte;
        let least = Selection { severity: Severity::WARN, ..Selection::ALL };
        let trace = TraceId::from_bytes([1; 16]).unwrap();
        let traces = [trace];
        let rows = [Rows::OfTraces(&traces), Rows::TasksOf(&traces), Rows::Ended(&[Outcome::Failed])];
        let [of_trace, tasks, ended] = rows.map(|rows| Selection { rows, ..Selection::ALL });
        let part = [TextPart::new("ab").unwrap()];
        let with_text = Selection { texts: &part, ..Selection::ALL };
        for wanted in [least, of_trace, tasks, ended, with_text, Selection::ALL] {
            let _ = select(&mut &*body, raw.len(), &wanted, &mut unpack(), &mut Vec::new(), &mut |_| {});
            let _ = select(&mut &body[..at], raw.len(), &wanted, &mut unpack(), &mut Vec::new(), &mut |_| {});
        }
    }
}

#[test]
fn what_is_not_severe_is_not_put_together() {
    let records: Vec<Record> = (0..1000u64)
        .map(|n| {
            let mut record = Record {
                time: n + 1,
                message: format!("order {n}"),
                ..Record::default()
            };
            // Half of them say it themselves, the others where they are logged.
            let severity = Severity::new(if n % 100 < 2 { 17 } else { 9 });
            match n % 2 {
                0 => record.severity = severity,
                _ => record.callsite.severity = severity,
            }
            record
        })
        .collect();
    let raw = frames(&[vec![batch(&records)]]);
    let mut parts = Parts::default();
    parts.add_severity();
    let wanted = Selection {
        severity: Severity::ERROR,
        parts: &parts,
        ..Selection::ALL
    };
    let read = read(&raw, &wanted);
    let numbers: Vec<u64> = read.iter().map(|part| part.number % 100).collect();
    assert_eq!(numbers, [1, 2].repeat(10));
    assert!(
        read.iter()
            .all(|part| part.record.message.is_empty() && part.record.time == 0)
    );
}

#[test]
fn records_that_only_name_their_trace_are_of_it() {
    let traces = [TraceId::from_bytes([2; 16]).unwrap()];
    let records: Vec<Record> = (1..4u8)
        .map(|n| Record {
            otlp: Some(Box::new(Otlp {
                trace_id: TraceId::from_bytes([n; 16]),
                ..Otlp::default()
            })),
            ..Record::default()
        })
        .collect();
    let (bytes, count) = batch(&records);
    let rows = Rows::OfTraces(&traces);
    let parsed = BatchRef::parse(&bytes).unwrap();
    let mut of_trace = parsed.records_from(Severity::UNSET, |bytes| rows.may_have(bytes));
    assert_eq!(of_trace.next().unwrap().0, 1);
    assert!(of_trace.next().is_none());
    let raw = frames(&[vec![(bytes.clone(), count)]]);
    let wanted = Selection {
        rows,
        ..Selection::ALL
    };
    let numbers: Vec<u64> = read(&raw, &wanted).iter().map(|seen| seen.number).collect();
    assert_eq!(numbers, [2]);
}
