//! The `.proto` files are the contract: what is written by hand must be what generated code reads, and the other way
//! round.

use std::path::Path;

use distlog_proto::wire::{self, BatchWriter};
use distlog_proto::*;
use prost::Message;

mod generated {
    #![allow(dead_code, missing_docs, clippy::all)]
    include!("../generated/distlog.v1.rs");
}

fn generate(into: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        "distlog/v1/record.proto",
        "distlog/v1/batch.proto",
        "distlog/v1/session.proto",
    ];
    let set = protox::compile(files, [root]).expect("the .proto files are valid");
    prost_build::Config::new()
        .out_dir(into)
        .compile_fds(set)
        .expect("code is generated");
}

/// `UPDATE=1 cargo test -p distlog-proto --test it` writes it anew.
#[test]
fn the_generated_code_is_that_of_the_proto_files() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generated");
    if std::env::var_os("UPDATE").is_some() {
        return generate(&kept);
    }
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path());
    let read = |dir: &Path| std::fs::read_to_string(dir.join("distlog.v1.rs")).unwrap();
    assert_eq!(
        read(&kept),
        read(fresh.path()),
        "run this test with UPDATE=1"
    );
}

/// A record with every field set.
fn full() -> Record {
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3".parse().unwrap();
    let all: Map = [
        ("null", Value::Null),
        ("bool", Value::Bool(false)),
        ("int", Value::I64(-3)),
        ("uint", Value::U64(u64::MAX)),
        ("double", Value::F64(0.0)),
        ("string", Value::Str(String::new())),
        ("text", Value::Text("Point { x: 1 }".into())),
        ("bytes", Value::Bytes(vec![0, 255])),
        (
            "list",
            Value::List(vec![Value::I64(1), Value::Null, Value::List(vec![])]),
        ),
        ("map", Value::Map([("deep", "ä")].into_iter().collect())),
    ]
    .into_iter()
    .collect();
    let mut context = Map::new();
    context.insert("user", "leo");
    Record {
        source: Source {
            producer: ProducerId::from_bytes([9; 16]),
            host: "h".into(),
            process_id: 42,
            process_name: "p".into(),
            service: "shop".into(),
            resource: [("k", 1i64)].into_iter().collect(),
            schema_url: "s".into(),
            environment: Environment::Production,
            channel: Channel::Performance,
            dropped_attributes: 1,
        },
        callsite: Callsite {
            severity: Severity::WARN,
            target: "shop::cart".into(),
            file: "src/cart.rs".into(),
            line: 17,
            module: "shop::cart".into(),
            function: "add".into(),
            template: "add {}".into(),
        },
        offset: 4096,
        kind: Kind::End,
        time: 1_700_000_000_000_000_001,
        observed_time: 2,
        severity: Severity::ERROR,
        severity_text: "NOTICE".into(),
        message: "add ä".into(),
        task: Some(Task {
            flags: 0x303,
            trace_state: "a=1".into(),
            context,
            ..Task::from(&id)
        }),
        number: 5,
        thread_id: 6,
        thread_name: "main".into(),
        fields: all,
        outcome: Outcome::Failed,
        duration: 7,
        error: Some(ErrorInfo {
            kind: "Io".into(),
            message: "no".into(),
            chain: vec!["a".into(), String::new()],
            traceback: "tb".into(),
        }),
        stack: "st".into(),
        links: vec![Link {
            path: "9".into(),
            flags: 1,
            trace_state: "b=2".into(),
            attributes: [("l", true)].into_iter().collect(),
            dropped_attributes: 2,
            ..Link::from(&id)
        }],
        span_kind: SpanKind::Consumer,
        status_code: 2,
        status_message: "bad".into(),
        name: "otel".into(),
        otlp: Some(Box::new(Otlp {
            scope_name: "sn".into(),
            scope_version: "sv".into(),
            scope_attributes: [("sa", 1i64)].into_iter().collect(),
            scope_dropped_attributes: 1,
            scope_schema_url: "ss".into(),
            dropped_attributes: 2,
            dropped_events: 3,
            dropped_links: 4,
            event_name: "en".into(),
            body: Some(Value::List(vec![Value::Bool(true)])),
            span_event: true,
            no_time: true,
            trace_id: Some(id.trace_id()),
            flags: 0x300,
        })),
        level: -5,
    }
}

fn batch(records: &[Record]) -> Vec<u8> {
    let mut writer = BatchWriter::new();
    records.iter().for_each(|record| writer.push(record));
    writer.finish()
}

#[test]
fn every_field_comes_back() {
    let bytes = batch(&[
        full(),
        Record {
            source: full().source,
            ..Record::default()
        },
    ]);
    let parsed = BatchRef::parse(&bytes).unwrap();
    let read: Vec<Record> = parsed
        .records()
        .map(|record| record.unwrap().to_record())
        .collect();
    assert_eq!(
        read,
        [
            full(),
            Record {
                source: full().source,
                ..Record::default()
            }
        ]
    );
}

#[test]
fn generated_code_reads_what_we_write_and_we_read_what_it_writes() {
    let bytes = batch(&[full()]);
    let generated = generated::RecordBatch::decode(&bytes[..]).unwrap();
    // Equal bytes: nothing was unknown to the generated code, and both leave out the same things in the same order,
    // except that we write callsites where they are first needed.
    assert_eq!(generated.encode_to_vec(), bytes);
    let record = &generated.records[0];
    assert_eq!(
        (record.kind, record.outcome, record.span_kind),
        (
            generated::Kind::End as i32,
            generated::Outcome::Failed as i32,
            generated::SpanKind::Consumer as i32
        )
    );
    assert_eq!(record.task.as_ref().unwrap().span_id, 0x14cc_9aa2_0165_2fe0);
}

#[test]
fn the_bytes_are_the_published_ones() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/full.batch.hex");
    let bytes: String = batch(&[full()])
        .chunks(32)
        .map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n")
        .collect();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &bytes).unwrap();
    }
    assert_eq!(bytes, std::fs::read_to_string(golden).unwrap());
}

#[test]
fn field_names_come_from_the_callsite_where_a_number_stands() {
    let mut bytes = Vec::new();
    let mut record = Vec::new();
    wire::encode::callsite(&mut bytes, 900, &full().callsite, ["a", "b"]);
    wire::encode::record(&mut record, &Record::default(), 900);
    wire::encode::scalar(
        &mut record,
        wire::field::record::FIELDS,
        wire::encode::Key::Index(1),
        wire::encode::Scalar::U64(7),
    );
    wire::encode::text_with(
        &mut record,
        wire::field::record::FIELDS,
        wire::encode::Key::Index(0),
        |buf| buf.extend_from_slice(b"t"),
    );
    wire::put_record(&mut bytes, 0, &record);
    let parsed = BatchRef::parse(&bytes).unwrap();
    let read = parsed.records().next().unwrap().unwrap();
    let fields: Vec<_> = read
        .fields
        .iter()
        .map(|(name, value)| (name, value.to_value()))
        .collect();
    assert_eq!(
        fields,
        [("b", Value::I64(7)), ("a", Value::Text("t".into()))]
    );
    assert_eq!(
        read.severity,
        Severity::WARN,
        "the callsite's, as the record has none"
    );

    wire::encode::scalar(
        &mut record,
        wire::field::record::FIELDS,
        wire::encode::Key::Index(2),
        wire::encode::Scalar::Null,
    );
    let mut bad = bytes.clone();
    wire::put_record(&mut bad, 0, &record);
    let results: Vec<_> = BatchRef::parse(&bad)
        .unwrap()
        .records()
        .map(|r| r.map(|_| ()).map_err(|e| e.to_string()))
        .collect();
    assert_eq!(
        results,
        [
            Ok(()),
            Err("a field names key 3, which its callsite does not have".into())
        ]
    );
}

#[test]
fn long_texts_get_the_room_that_their_length_needs() {
    for len in [0, 1, 127, 128, 129, 16_383, 16_384, 70_000] {
        let mut record = Record {
            message: "m".into(),
            ..Record::default()
        };
        record.fields.insert("long", Value::Text("x".repeat(len)));
        record.fields.insert("after", 1i64);
        let bytes = batch(std::slice::from_ref(&record));
        assert_eq!(
            BatchRef::parse(&bytes)
                .unwrap()
                .records()
                .next()
                .unwrap()
                .unwrap()
                .to_record(),
            record,
            "{len}"
        );
    }
}

#[test]
fn values_nested_too_deep_are_refused_and_do_no_harm() {
    let nest = |depth| (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    let mut record = Record::default();
    record.fields.insert("deep", nest(50));
    let deep = batch(std::slice::from_ref(&record));
    assert!(BatchRef::parse(&deep).unwrap().records().all(|r| r.is_ok()));
    record.fields.insert("deep", nest(1000));
    let too_deep = batch(&[record]);
    assert!(
        BatchRef::parse(&too_deep)
            .unwrap()
            .records()
            .all(|r| r.is_err())
    );
}

#[test]
fn of_a_batch_cut_anywhere_the_whole_records_are_kept() {
    let (one, two) = (batch(&[full()]).len(), batch(&[full(), full()]));
    for len in 1..two.len() {
        let Ok(parsed) = BatchRef::parse(&two[..len]) else {
            assert!(len < one, "cut at {len}");
            continue;
        };
        let good = parsed.records().filter(Result::is_ok).count();
        assert_eq!(good, usize::from(len >= one), "cut at {len}");
        if good == 1 {
            let cut = parsed.records().any(|record| record.is_err());
            assert_eq!(cut, len != one, "cut at {len}");
        }
    }
}

#[test]
fn a_record_has_one_task() {
    use wire::{field, put};
    let task = |out: &mut Vec<u8>, ids: &[u64]| {
        put::nested(out, field::record::TASK, |out| {
            put::bytes(out, field::task::TRACE_ID, &[7; 16]);
            for id in ids {
                put::fixed64(out, field::task::SPAN_ID, *id);
            }
        });
    };
    let read = |records: &[&[u64]]| {
        let (mut bytes, mut record) = (Vec::new(), Vec::new());
        records.iter().for_each(|ids| task(&mut record, ids));
        wire::put_record(&mut bytes, 0, &record);
        let batch = BatchRef::parse(&bytes).unwrap();
        batch.records().next().unwrap().map(|_| ())
    };
    assert_eq!(read(&[&[1]]), Ok(()));
    assert_eq!(
        read(&[&[1, 2]]).unwrap_err().to_string(),
        "field 2 of Task stands there twice"
    );
    assert_eq!(
        read(&[&[1], &[1]]).unwrap_err().to_string(),
        "field 9 of Record stands there twice"
    );
}

#[test]
fn a_malformed_callsite_spoils_only_its_own_records() {
    let mut bytes = Vec::new();
    wire::encode::callsite(&mut bytes, 1, &full().callsite, ["a"]);
    // A target that is not UTF-8.
    wire::put::nested(&mut bytes, wire::field::batch::CALLSITES, |buf| {
        wire::put::varint(buf, 1, 2);
        wire::put::bytes(buf, 3, b"\xff");
    });
    for callsite in [1, 2, 1] {
        let mut record = Vec::new();
        wire::encode::record(&mut record, &Record::default(), callsite);
        wire::put_record(&mut bytes, 0, &record);
    }
    let parsed = BatchRef::parse(&bytes).unwrap();
    let good: Vec<bool> = parsed.records().map(|record| record.is_ok()).collect();
    assert_eq!(good, [true, false, true]);
}

#[test]
fn trace_ids_are_found_without_reading_the_rest() {
    let mut other = full();
    other.task = Some(Task::from(&TaskId::random()));
    let bytes = batch(&[
        full(),
        other.clone(),
        Record {
            task: None,
            ..full()
        },
        Record::default(),
    ]);
    let mut found = Vec::new();
    wire::trace_ids(&bytes, &mut |id| found.push(id));
    assert_eq!(
        found,
        [
            full().task.unwrap().trace_id,
            other.task.unwrap().trace_id,
            // Without a task, by OTLP.
            full().otlp.unwrap().trace_id.unwrap(),
        ]
    );
    let parsed = BatchRef::parse(&bytes).unwrap();
    let read = parsed
        .records()
        .filter_map(|record| record.unwrap().trace_id());
    assert_eq!(read.collect::<Vec<_>>(), found);
    let named = full().task.unwrap().trace_id;
    let of_it: Vec<bool> = parsed
        .records()
        .map(|record| record.unwrap().is_of_trace(named))
        .collect();
    assert_eq!(of_it, [true, false, true, false]);
}

/// Fields may stand in any order, and several times: what finds the traces in bytes agrees with what reads records.
#[test]
fn odd_records_are_of_the_trace_that_is_found_in_them() {
    use wire::field::{OTLP_TRACE_ID, record, task};
    let id = |n: u8| {
        let mut field = vec![];
        wire::put::bytes(&mut field, OTLP_TRACE_ID, &[n; 16]);
        field
    };
    let field = |number: u32, body: &[u8]| {
        let mut field = vec![];
        wire::put::bytes(&mut field, number, body);
        field
    };
    let otlp = |n: u8| field(record::OTLP, &id(n));
    let of_task = |n: u8| {
        let mut body = vec![];
        // One that is none stands before it.
        wire::put::bytes(&mut body, task::TRACE_ID, &[n; 3]);
        wire::put::bytes(&mut body, task::TRACE_ID, &[n; 16]);
        wire::put::fixed64(&mut body, task::SPAN_ID, 7);
        field(record::TASK, &body)
    };
    let twice = field(record::OTLP, &[id(1), id(2)].concat());
    for (bytes, expected) in [
        ([otlp(1), of_task(2)].concat(), 2),
        ([of_task(2), otlp(1)].concat(), 2),
        ([otlp(1), otlp(2)].concat(), 2),
        (twice, 2),
    ] {
        let mut batch = Vec::new();
        wire::put_record(&mut batch, 0, &bytes);
        let mut found = Vec::new();
        wire::trace_ids(&batch, &mut |id| found.push(id));
        assert_eq!(found, [TraceId::from_bytes([expected; 16]).unwrap()]);
        let parsed = BatchRef::parse(&batch).unwrap();
        let record = parsed.records().next().unwrap().unwrap();
        assert_eq!(record.trace_id(), found.pop());
    }
}

#[test]
fn a_header_says_the_same_as_the_record() {
    let plain = Record {
        source: full().source,
        time: 5,
        ..Record::default()
    };
    let mut root = full();
    if let Some(task) = &mut root.task {
        task.parent_span_id = None;
    }
    let end = |outcome, duration| Record {
        kind: Kind::End,
        outcome,
        duration,
        ..root.clone()
    };
    let of_callsite = Record {
        callsite: full().callsite,
        ..plain.clone()
    };
    let of_text = Record {
        severity_text: "ERROR".into(),
        ..plain.clone()
    };
    let records = [
        full(),
        root.clone(),
        end(Outcome::Failed, 7),
        end(Outcome::Lost, 0),
        of_callsite,
        of_text,
        plain,
    ];
    let bytes = batch(&records);
    let parsed = BatchRef::parse(&bytes).unwrap();
    let mut count = 0;
    for (header, record) in parsed.headers().zip(parsed.records()) {
        let (header, record) = (header.unwrap(), record.unwrap());
        let task = record.task.map(|task| (task.trace_id, task.span_id));
        let parent = record.task.and_then(|task| task.parent_span_id);
        for header in [header, record.header()] {
            assert_eq!(
                (header.kind, header.time, header.task),
                (record.kind, record.time, task)
            );
            assert_eq!(
                (header.severity(), header.outcome, header.took()),
                (record.severity, record.outcome, record.took())
            );
            assert_eq!(header.has_parent, parent.is_some());
            assert_eq!(header.run(), record.run());
            assert_eq!(header.source().service, record.source.service);
            assert_eq!(header.read().unwrap().to_record(), record.to_record());
        }
        count += 1;
    }
    assert_eq!(count, records.len());
    // Cut off within the last record: both say so at the same place.
    let cut = BatchRef::parse(&bytes[..bytes.len() - 1]).unwrap();
    let headers: Vec<bool> = cut.headers().map(|header| header.is_ok()).collect();
    let records: Vec<bool> = cut.records().map(|record| record.is_ok()).collect();
    let mut whole = vec![true; count];
    whole[count - 1] = false;
    assert_eq!((headers, records), (whole.clone(), whole));
}
