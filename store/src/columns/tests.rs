//! Whatever is in a block comes back to the last byte.

use distlog_proto::wire::{BatchWriter, put};
use distlog_proto::{
    Kind, Outcome, ProducerId, Record, Severity, SpanId, Task, TaskId, TraceId, Value,
};
use proptest::prelude::*;

use super::*;
use crate::format::{BATCH_HEADER, BatchHeader, FRAME_HEADER, FrameHeader, padded, put as put_at};

/// Frames, each of some batches: bytes and number of records.
pub(super) fn frames(frames: &[Vec<(Vec<u8>, u32)>]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut first, mut from) = (1, 0);
    for batches in frames {
        let at = out.len();
        out.resize(at + FRAME_HEADER, 0);
        let mut records = 0;
        for (bytes, count) in batches {
            let header = BatchHeader {
                producer: ProducerId::from_bytes([*count as u8; 16]),
                from,
                to: from + u64::from(*count) + 3,
                received: 1_700_000_000_000_000_000 + from,
                count: *count,
                len: bytes.len() as u32,
                ordered: count % 2 == 0,
            };
            let place = out.len();
            out.resize(place + BATCH_HEADER, 0);
            put_at(&mut out, place, &header.encode());
            out.extend_from_slice(bytes);
            from += u64::from(*count) + 3;
            records += u64::from(*count);
        }
        let body = &out[at + FRAME_HEADER..];
        let header = FrameHeader {
            body: body.len() as u32,
            batches: batches.len() as u32,
            first,
            records,
            body_crc: crc32c::crc32c(body),
            salt: 77,
        };
        put_at(&mut out, at, &header.encode());
        out.resize(padded(out.len()), 0);
        first += records;
    }
    out
}

pub(super) fn unpack() -> Unpack {
    Unpack::default()
}

/// The length of the block in columns, if it has that form.
fn round(raw: &[u8]) -> Option<usize> {
    let body = encode(raw, &mut Pack::default()).unwrap()?.body;
    let mut back = b"before".to_vec();
    decode(&body, raw.len(), &mut unpack(), &mut back).unwrap();
    assert_eq!(&back[6..], raw);
    Some(body.len())
}

pub(super) fn batch(records: &[Record]) -> (Vec<u8>, u32) {
    let mut writer = BatchWriter::new();
    for record in records {
        writer.push(record);
    }
    (writer.finish(), records.len() as u32)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::U64),
        any::<f64>().prop_map(Value::F64),
        (0u32..10_000).prop_map(|n| Value::F64(f64::from(n) / 100.0)),
        "[a-z0-9 ]{0,12}".prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        proptest::collection::vec(inner, 0..3).prop_map(Value::List)
    })
}

fn task() -> impl Strategy<Value = Task> {
    let trace = (1u64..4).prop_map(|n| TraceId::from_bytes([n as u8; 16]).unwrap());
    let path = prop_oneof![
        "",
        "1",
        "1/3",
        "2/1\\.9f2c01ab/4",
        "~00f067aa0ba902b7",
        "~00f067aa0ba902b7/7"
    ];
    (trace, path, any::<bool>(), any::<u64>(), 0u32..3).prop_map(
        |(trace, path, right, id, flags)| {
            let mut task = Task::from(&TaskId::from_parts(trace, &path).unwrap());
            if !right {
                // Ids that do not follow from the path, as other programs may send.
                task.span_id = SpanId::new(id | 1).unwrap();
                task.parent_span_id = SpanId::new(id / 3);
            }
            task.flags = flags;
            task.context = [("user", Value::from("leo")), ("n", Value::U64(id % 5))]
                .into_iter()
                .take(flags as usize)
                .collect();
            task
        },
    )
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    let fields = proptest::collection::vec(("[a-d]", value()), 0..4);
    let texts = (
        "[a-z]{0,3} [0-9]{0,6} [0-9a-f]{0,8}",
        "(INFO)?",
        "(shop|bank)?",
    );
    (
        fields,
        texts,
        any::<u64>(),
        proptest::option::of(task()),
        0u64..50,
    )
        .prop_map(
            |(fields, (message, severity_text, service), time, task, small)| {
                let mut record = Record {
                    offset: small * 2,
                    time,
                    observed_time: time.wrapping_add(small),
                    message,
                    severity_text,
                    task,
                    thread_id: small,
                    ..Record::default()
                };
                record.source.service = service;
                record.callsite.line = small as u32 % 3;
                record.callsite.severity = Severity::new(small as u32 % 3 * 8);
                record.severity = Severity::new((small as u32 % 5).saturating_sub(2) * 7);
                record.kind = [Kind::Event, Kind::Begin, Kind::End][small as usize % 3];
                if record.kind == Kind::End {
                    record.outcome =
                        [Outcome::Unset, Outcome::Ok, Outcome::Failed][small as usize / 7 % 3];
                }
                record.callsite.template = "order {id}".into();
                record.fields = fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.clone()))
                    .collect();
                record
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_records_come_back(
        batches in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(record(), 0..12), 0..4), 0..4),
    ) {
        let batches: Vec<Vec<_>> = batches
            .iter()
            .map(|frame| frame.iter().map(|records| batch(records)).collect())
            .collect();
        prop_assert!(round(&frames(&batches)).is_some());
    }

    #[test]
    fn any_bytes_come_back(
        batches in proptest::collection::vec(
            proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), 0u32..4), 0..4), 0..4),
    ) {
        round(&frames(&batches));
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
        body[at] = byte;
        let mut out = Vec::new();
        if decode(&body, raw.len(), &mut unpack(), &mut out).is_some() {
            prop_assert_eq!(out.len(), raw.len());
        }
        let _ = decode(&body[..at], raw.len(), &mut unpack(), &mut out);
    }
}

#[test]
fn what_follows_from_the_rest_takes_no_room() {
    let size = |count: u64, depth: &str| {
        let records: Vec<Record> = (0..count)
            .map(|n| Record {
                offset: n + 1,
                time: 1_700_000_000_000_000_000 + n * 1000,
                message: format!("order {} is paid", 1_000_000 + n),
                task: Some(Task::from(
                    &TaskId::from_parts(TraceId::from_bytes([9; 16]).unwrap(), depth).unwrap(),
                )),
                number: n,
                ..Record::default()
            })
            .collect();
        round(&frames(&[vec![batch(&records)]])).unwrap()
    };
    for depth in ["1/2/3", "~00f067aa0ba902b7"] {
        assert!(
            size(4000, depth) < size(100, depth) + 32,
            "{depth}: {}",
            size(4000, depth)
        );
    }
}

#[test]
fn a_batch_that_is_written_otherwise_is_kept_as_it_is() {
    let good = batch(&[Record {
        message: "good".into(),
        ..Record::default()
    }]);
    let mut long = Vec::new();
    // A length in two bytes where one is enough.
    long.extend_from_slice(&[0x1a, 0x86, 0x00, 0x42, 0x04]);
    long.extend_from_slice(b"long");
    let raw = frames(&[vec![good.clone(), (long, 1), good]]);
    assert!(round(&raw).is_some());
    let odd = (vec![0x1a, 0x80, 0x00], 1);
    assert_eq!(round(&frames(&[vec![odd; 20]])), None);
}

/// A reader takes the severity of a callsite that stands behind the record, or of either of two.
#[test]
fn a_block_whose_callsites_are_not_clear_says_nothing_of_itself() {
    let callsite = |out: &mut Vec<u8>, severity| {
        put::nested(out, 2, |out| {
            put::varint(out, 1, 5);
            put::varint(out, 2, severity);
        });
    };
    let record = |out: &mut Vec<u8>| put::nested(out, 3, |out| put::varint(out, 3, 5));
    let (mut clear, mut late, mut twice) = (Vec::new(), Vec::new(), Vec::new());
    callsite(&mut clear, 17);
    record(&mut clear);
    record(&mut late);
    callsite(&mut late, 17);
    callsite(&mut twice, 9);
    callsite(&mut twice, 17);
    record(&mut twice);
    let known = |bytes| {
        let raw = frames(&[vec![(bytes, 1)]]);
        round(&raw).unwrap();
        encode(&raw, &mut Pack::default()).unwrap().unwrap().index
    };
    assert_eq!(known(clear).unwrap().counts[0].1[17], 1);
    assert_eq!(known(late), None);
    assert_eq!(known(twice), None);
}

#[test]
fn too_many_different_fields_stay_in_rows() {
    let records: Vec<Record> = (0..3000)
        .map(|n| Record {
            fields: [(format!("field{n}").as_str(), Value::U64(n))]
                .into_iter()
                .collect(),
            ..Record::default()
        })
        .collect();
    assert_eq!(round(&frames(&[vec![batch(&records)]])), None);
}

#[test]
fn names_that_records_give_by_number_make_one_column_each() {
    let mut bytes = Vec::new();
    put::nested(&mut bytes, 2, |out| {
        put::varint(out, 1, 5);
        put::bytes(out, 9, b"amount");
        put::bytes(out, 9, b"user");
    });
    for n in 0..200u64 {
        put::nested(&mut bytes, 3, |out| {
            put::varint(out, 3, 5);
            for key in [1, 2, 9] {
                put::nested(out, 13, |out| {
                    put::varint(out, 1, key);
                    put::varint_always(out, 5, n * key);
                });
            }
        });
    }
    assert!(round(&frames(&[vec![(bytes, 200)]])).unwrap() < 400);
}
