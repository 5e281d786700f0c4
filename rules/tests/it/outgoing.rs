//! What is changed for a processor.

use distlog_proto::{BatchRef, Record, RecordRef};
use distlog_rules::{Outgoing, Rule};

use super::{batch, read, redact, set, when};

fn record(n: u64) -> Record {
    let mut record = Record {
        offset: n,
        message: format!("message {n}"),
        ..Record::default()
    };
    record.callsite.template = format!("template {}", n % 3);
    record.source.service = "shop".into();
    record.source.resource.insert("token", "hunter2");
    record.fields.insert("n", n as i64);
    record
}

/// The records that a processor is shown, with their numbers in the store, and the values that failed.
fn shown(outgoing: &Outgoing, batches: &[Vec<u8>]) -> (Vec<(u64, Record)>, u64) {
    let parsed: Vec<BatchRef<'_>> = batches
        .iter()
        .map(|b| BatchRef::parse(b).unwrap())
        .collect();
    let records = parsed.iter().flat_map(BatchRef::records);
    let records: Vec<RecordRef<'_>> = (100..)
        .zip(records)
        .map(|(number, record)| {
            let mut record = record.unwrap();
            record.store_number = number;
            record
        })
        .collect();
    let mut failed = 0;
    let shown = outgoing.present(&records, &mut failed, |records| {
        let shown = records.iter().map(|r| (r.store_number, r.to_record()));
        shown.collect()
    });
    (shown, failed)
}

fn rules() -> Vec<Rule> {
    vec![
        Rule {
            when: when("fields.n >= 4"),
            to: vec!["a".into(), "b".into()],
            change: set(&[("fields.team", "'one'"), ("message", "message + '!'")]),
        },
        Rule {
            when: when("fields.n == 5"),
            to: vec!["a".into()],
            change: set(&[
                ("fields.team", "'two'"),
                ("fields.twice", "fields.missing * 2"),
            ]),
        },
        Rule {
            when: when("fields.n == 6 && message == 'message 6'"),
            to: vec!["a".into()],
            change: redact(&[], &["sage 6"]),
        },
    ]
}

#[test]
fn rules_in_order_then_the_processor_and_what_is_redacted_last() {
    let batches = [
        batch(&(0..3).map(record).collect::<Vec<_>>()),
        batch(&(3..8).map(record).collect::<Vec<_>>()),
    ];
    let own = set(&[("fields.own", "fields.n + 1"), ("severity", "WARN")]);
    let outgoing = Outgoing::new(&rules(), "a", None);
    let (found, failed) = shown(&outgoing, &batches);
    assert_eq!(failed, 1);
    let expected: Vec<(u64, Record)> = (0..8)
        .map(|n| {
            let mut record = record(n);
            if n >= 4 {
                record
                    .fields
                    .insert("team", if n == 5 { "two" } else { "one" });
                record.message.push('!');
            }
            if n == 6 {
                // After what was set, and a condition sees what is stored.
                record.message = "mes[redacted]!".into();
            }
            (100 + n, record)
        })
        .collect();
    assert_eq!(found, expected);

    let (found, failed) = shown(&Outgoing::new(&rules(), "b", Some(&own)), &batches);
    assert_eq!(failed, 0);
    for (n, (_, record)) in (0..8).zip(&found) {
        let team = record.fields.get("team").is_some();
        assert_eq!((team, record.fields.get("own").is_some()), (n >= 4, true));
        assert_eq!(record.severity, distlog_proto::Severity::WARN);
    }
}

#[test]
fn a_resource_is_redacted_for_the_records_that_a_rule_matches() {
    let batches = [
        batch(&(0..5).map(record).collect::<Vec<_>>()),
        batch(&(5..8).map(record).collect::<Vec<_>>()),
    ];
    let rule = |condition: &str, change| Rule {
        when: when(condition),
        to: vec!["a".into()],
        change,
    };
    let rules = [
        rule(
            "fields.n % 2 == 1 && fields.n < 6",
            redact(&[], &["hunter"]),
        ),
        // Not in the resource: makes no parts of its own.
        rule("fields.n == 2", set(&[("fields.team", "'shop'")])),
        // Finds something only in what the first rule has left.
        rule("fields.n == 3", redact(&[], &[r"\]2"])),
    ];
    let (found, failed) = shown(&Outgoing::new(&rules, "a", None), &batches);
    assert_eq!((found.len(), failed), (8, 0));
    let all = batches.iter().flat_map(|bytes| read(bytes));
    for (n, ((number, found), mut expected)) in (0..).zip(found.into_iter().zip(all)) {
        let token = match n {
            1 | 5 => "[redacted]2",
            3 => "[redacted[redacted]",
            _ => "hunter2",
        };
        expected.source.resource.insert("token", token);
        if n == 2 {
            expected.fields.insert("team", "shop");
        }
        assert_eq!((number, found), (100 + n, expected));
    }
}

#[test]
fn untouched_batches_are_those_that_were_given() {
    let batches = [
        batch(&(0..3).map(record).collect::<Vec<_>>()),
        batch(&(3..8).map(record).collect::<Vec<_>>()),
    ];
    let parsed: Vec<BatchRef<'_>> = batches
        .iter()
        .map(|b| BatchRef::parse(b).unwrap())
        .collect();
    let records = parsed.iter().flat_map(BatchRef::records);
    let records: Vec<RecordRef<'_>> = records.map(Result::unwrap).collect();
    let outgoing = Outgoing::new(&rules(), "a", None);
    outgoing.present(&records, &mut 0, |shown| {
        let same = |(a, b): (&RecordRef<'_>, &RecordRef<'_>)| a.is_beside(b);
        let beside: Vec<bool> = shown.iter().zip(&records).map(same).collect();
        assert_eq!(beside, [[true; 3].as_slice(), &[false; 5]].concat());
        // One that is changed has its neighbours beside it still.
        assert!(shown[3].is_beside(&shown[7]));
    });
    assert!(Outgoing::new(&rules(), "c", None).is_empty());
}
