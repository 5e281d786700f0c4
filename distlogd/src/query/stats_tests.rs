//! Counts by the text of a field, compared with a plain look at all records: blocks tell them by that column alone
//! where they can.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{Kind, Outcome, ProducerId, Record, Severity, Task, TaskId, Value};
use distlog_store::{Append, AppendOutcome, Options, Store};
use distlog_testkit::eventually;
use fastrand::Rng;

use super::tests::{block_on, engine};
use super::{Counters, Filter, Grouping};

const THEN: u64 = 1_700_000_000_000_000_000;
const LONG: Duration = Duration::from_secs(60);

/// Records that name a route, mostly: in all blocks, in some, or as a number.
fn record(rng: &mut Rng, number: u64, odd: bool) -> Record {
    let mut record = Record {
        severity: Severity::new(rng.u32(1..25)),
        time: THEN + number,
        message: format!("request {number} {number:0>200}"),
        ..Record::default()
    };
    if rng.u32(..5) > 0 {
        record
            .fields
            .insert("http.route", format!("/route/{}", rng.u32(..9)));
    }
    record.fields.insert("status", rng.u64(200..210));
    match rng.u32(..20) {
        0 if odd => record.fields = [("http.route", Value::U64(7))].into_iter().collect(),
        1 if odd => record.severity = Severity::UNSET,
        2 if odd => {
            record.task = Some(Task::from(&TaskId::random()));
            record.kind = Kind::End;
            record.outcome = Outcome::Ok;
        }
        _ => {}
    }
    record
}

/// How many of the records that are so severe, from a time on, have which value in a field.
fn plain(records: &[Record], least: Severity, from: u64, field: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let passes = |record: &&Record| record.severity >= least && record.time >= from;
    for record in records.iter().filter(passes) {
        let value = match record.fields.get(field) {
            None => "null".to_owned(),
            Some(Value::Str(text)) => format!("{text:?}"),
            Some(Value::U64(number)) => number.to_string(),
            Some(Value::I64(number)) => number.to_string(),
            Some(other) => panic!("{other:?}"),
        };
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
}

#[test]
fn counts_by_a_field_are_what_a_plain_look_counts() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        segment_size: 1 << 20,
        reserve: 0,
        ..Options::default()
    };
    let mut store = Store::open(folder.path(), options).unwrap();
    let (mut rng, mut records) = (Rng::with_seed(23), Vec::new());
    while records.len() < 20_000 {
        let from = records.len() as u64;
        let count = rng.u64(1..400);
        // Some blocks have what their columns do not tell.
        let odd = records.len() > 15_000;
        let new: Vec<Record> = (from..from + count)
            .map(|number| record(&mut rng, number, odd))
            .collect();
        let mut writer = BatchWriter::new();
        new.iter().for_each(|record| writer.push(record));
        let bytes = writer.finish();
        let batch = Append {
            producer: ProducerId::from_bytes([3; 16]),
            from,
            to: from + count,
            count: u32::try_from(count).unwrap(),
            received: THEN,
            ordered: true,
            bytes: &bytes,
        };
        let outcome = store.append(&batch).unwrap();
        assert_eq!(outcome, AppendOutcome::Taken { first: from + 1 });
        store.commit().unwrap();
        records.extend(new);
    }
    eventually("all is in columns", || {
        let stats = store.stats();
        match (stats.unsealed, stats.in_rows) {
            (0, 0) => Ok(()),
            left => Err(left),
        }
    });
    assert!(store.stats().segments > 2);
    let engine = engine(&store);
    for (condition, least) in [
        (None, Severity::UNSET),
        (Some("severity >= ERROR"), Severity::ERROR),
        (Some("13 <= severity"), Severity::WARN),
        (Some("severity > 20 && severity > 12"), Severity::new(21)),
    ] {
        for (asked, from) in [(0, 0), (19, 0), (0, THEN + 7_777)] {
            for by in [
                "fields.http.route",
                "fields[\"http.route\"]",
                "fields.status",
                "fields.http",
            ] {
                let filter = Filter {
                    condition: condition.map(|text| text.parse().unwrap()),
                    severity: Severity::new(asked),
                    from,
                    ..Filter::default()
                };
                let grouping = Grouping::parse(by, None).unwrap();
                let counters = Arc::<Counters>::default();
                let mut running = engine
                    .stats(filter, grouping, LONG, Arc::clone(&counters))
                    .unwrap();
                let rows = block_on(running.outcome()).unwrap().found.rows(100);
                let field = if by.contains("route") {
                    "http.route"
                } else {
                    &by[7..]
                };
                let least = least.max(Severity::new(asked));
                let expected = plain(&records, least, from, field);
                let all: u64 = expected.values().sum();
                assert_eq!(
                    (rows.records, counters.progress().found),
                    (all, all),
                    "{by}"
                );
                let rows = rows.rows.iter().map(|row| {
                    let row: serde_json::Value = serde_json::from_slice(row).unwrap();
                    (row[by].to_string(), row["count"].as_u64().unwrap())
                });
                assert_eq!(
                    rows.collect::<BTreeMap<_, _>>(),
                    expected,
                    "{by}, {condition:?}"
                );
            }
        }
    }
}
