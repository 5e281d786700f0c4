//! What the intake stores of a batch.

use distlog_proto::sampling::{Randomness, Threshold};
use distlog_proto::trace_context::with_threshold;
use distlog_proto::*;
use distlog_rules::{Action, Change, Counted, Edited, IntakeRule, IntakeRules};
use proptest::prelude::*;

use super::{batch, read, redact, rule, set, when};

fn record(n: u64) -> Record {
    let mut record = Record {
        offset: n,
        message: format!("message {n}"),
        ..Record::default()
    };
    record.source.producer = ProducerId::from_bytes([7; 16]);
    record.source.service = "shop".into();
    record.callsite.template = format!("template {}", n % 3);
    record.fields.insert("n", n as i64);
    record
}

fn records(count: u64) -> Vec<Record> {
    (0..count).map(record).collect()
}

fn keep(sample: Option<f64>, change: Change) -> Action {
    Action::Keep {
        sample: sample.map(|ratio| Threshold::from_ratio(ratio).unwrap()),
        change,
    }
}

fn of(action: Change) -> Action {
    keep(None, action)
}

/// What was stored, and what was counted by rule: dropped, redacted, failed.
fn apply(rules: &IntakeRules, bytes: &[u8]) -> (Option<Edited>, Vec<[u64; 3]>) {
    let mut counts = vec![[0; 3]; rules.rules().len()];
    let edited = rules.apply(bytes, 1 << 24, &mut |rule, what, n| {
        counts[rule][match what {
            Counted::Matched => return,
            Counted::Dropped => 0,
            Counted::Redacted => 1,
            Counted::Failed => 2,
        }] += n;
    });
    (edited, counts)
}

fn stored(rules: &[IntakeRule], records: &[Record]) -> (Vec<Record>, Vec<[u64; 3]>) {
    let bytes = batch(records);
    let (edited, counts) = apply(&IntakeRules::new(rules.to_vec()), &bytes);
    let stored = match edited {
        None => records.to_vec(),
        Some(Edited {
            count: 0, bytes, ..
        }) => {
            assert!(bytes.is_empty());
            Vec::new()
        }
        Some(edited) => {
            let stored = read(&edited.bytes);
            assert_eq!((stored.len(), edited.left_out), (edited.count as usize, 0));
            stored
        }
    };
    (stored, counts)
}

#[test]
fn a_batch_that_no_rule_touches_stays_as_it_is() {
    let rules = [
        rule(when("service == 'other'"), Action::Drop),
        rule(None, keep(Some(1.0), Change::default())),
        rule(None, of(redact(&["password"], &["[0-9]{13}"]))),
        rule(when("fields.n > 100"), of(set(&[("message", "'x'")]))),
    ];
    let rules = IntakeRules::new(rules.to_vec());
    assert_eq!(apply(&rules, &batch(&records(20))), (None, vec![[0; 3]; 4]));
    assert_eq!(apply(&rules, b"no batch \xff"), (None, vec![[0; 3]; 4]));
}

#[test]
fn dropped_records_leave_a_hole_and_all_of_them_nothing() {
    let (kept, counts) = stored(
        &[rule(when("fields.n % 3 == 1"), Action::Drop)],
        &records(9),
    );
    let expected: Vec<Record> = records(9)
        .into_iter()
        .filter(|r| r.offset % 3 != 1)
        .collect();
    assert_eq!((kept, counts), (expected, vec![[3, 0, 0]]));
    let (kept, counts) = stored(&[rule(None, Action::Drop)], &records(9));
    assert_eq!((kept, counts), (Vec::new(), vec![[9, 0, 0]]));
}

#[test]
fn later_rules_see_what_earlier_ones_have_set() {
    let rules = [
        rule(
            when("fields.n == 3"),
            of(set(&[("fields.team", "'payments'"), ("severity", "ERROR")])),
        ),
        rule(
            when("severity == ERROR"),
            of(set(&[("message", "fields.team + ': ' + message")])),
        ),
        rule(
            when("message == 'payments: message 3'"),
            of(redact(&["team"], &[" 3$"])),
        ),
        rule(when("fields.team == 'payments'"), Action::Drop),
        rule(
            when("has(fields.team)"),
            of(set(&[("fields.more", "fields.missing")])),
        ),
    ];
    let mut expected = records(5);
    expected[3].message = "payments: message[redacted]".into();
    expected[3].fields.insert("team", "[redacted]");
    expected[3].severity = Severity::ERROR;
    let counts = vec![[0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]];
    assert_eq!(stored(&rules, &records(5)), (expected, counts));
}

#[test]
fn a_severity_that_is_set_replaces_what_its_origin_called_it() {
    let mut record = record(0);
    (record.severity, record.severity_text, record.level) = (Severity::INFO, "NOTICE".into(), 25);
    let rules = [
        rule(
            None,
            of(set(&[
                ("severity", "fields.n + 9"),
                ("fields.was", "severity"),
            ])),
        ),
        rule(
            None,
            of(set(&[("severity", "99"), ("message", "fields.n")])),
        ),
    ];
    let (stored, counts) = stored(&rules, &[record.clone()]);
    (record.severity, record.severity_text, record.level) = (Severity::INFO, String::new(), 0);
    record.fields.insert("was", 9i64);
    assert_eq!((stored, counts), (vec![record], vec![[0, 0, 0], [0, 0, 2]]));
}

fn of_task(id: &TaskId, offset: u64, kind: Kind) -> Record {
    Record {
        kind,
        task: Some(Task::from(id)),
        ..record(offset)
    }
}

#[test]
fn of_a_trace_all_is_sampled_or_nothing_and_the_same_everywhere() {
    let tenth = [rule(None, keep(Some(0.1), Change::default()))];
    let half = [rule(None, keep(Some(0.5), Change::default()))];
    let (mut tenths, mut halves) = (0, 0);
    for n in 0..2000 {
        let top = TaskId::random();
        let child = top.child(1.try_into().unwrap());
        let all = [
            of_task(&top, 8 * n, Kind::Begin),
            of_task(&child, 8 * n + 1, Kind::Begin),
            of_task(&child, 8 * n + 2, Kind::End),
            of_task(&top, 8 * n + 3, Kind::End),
        ];
        let kept = stored(&tenth, &all).0.len();
        assert!(kept == 0 || kept == 4, "{kept}");
        // Another daemon, and batches cut otherwise.
        let other = IntakeRules::new(tenth.to_vec());
        for record in &all {
            let (edited, _) = apply(&other, &batch(std::slice::from_ref(record)));
            let left = edited.as_ref().map_or(1, |edited| edited.count);
            assert_eq!(left as usize, kept / 4);
            // What is kept says so where a span begins, and else is as it was.
            assert_eq!(edited.is_none(), kept == 4 && record.kind == Kind::End);
        }
        let kept_of_half = stored(&half, &all).0.len();
        assert!(kept_of_half >= kept);
        (tenths, halves) = (tenths + kept / 4, halves + kept_of_half / 4);
        let low = u128::from_be_bytes(top.trace_id().to_bytes()) as u64 & ((1 << 56) - 1);
        // The least significant seven bytes, from nine tenths of their range on.
        assert_eq!(kept == 4, low >= 0x00e6_6600_0000_0000);
    }
    assert!((120..280).contains(&tenths) && (850..1150).contains(&halves));
    // Outside of traces each record by itself, the same when it comes again.
    let alone = stored(&tenth, &records(5000)).0;
    assert!((350..650).contains(&alone.len()), "{}", alone.len());
    assert_eq!(stored(&tenth, &records(5000)).0, alone);
    let expected = records(5000).into_iter().filter(|r| {
        let randomness = Randomness::of_record(r.source.producer, r.offset);
        Threshold::from_ratio(0.1).unwrap().keeps(randomness)
    });
    assert_eq!(alone, expected.collect::<Vec<_>>());
}

/// So that backends which know it count each of these spans for ten.
#[test]
fn a_span_of_a_sampled_trace_has_the_threshold_in_its_tracestate() {
    let tenth = [
        rule(None, keep(Some(0.5), Change::default())),
        rule(None, keep(Some(0.1), Change::default())),
    ];
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10".parse().unwrap();
    for (before, after) in [
        ("ot=rv:f0000000000000", "ot=th:e666;rv:f0000000000000"),
        (
            "a=b,ot=th:8;rv:f0000000000000",
            "ot=th:e666;rv:f0000000000000,a=b",
        ),
        (
            "ot=th:fd70a;rv:fe000000000000",
            "ot=th:fd70a;rv:fe000000000000",
        ),
        (
            "ot=th:e666;rv:f0000000000000",
            "ot=th:e666;rv:f0000000000000",
        ),
    ] {
        let mut begin = of_task(&id, 1, Kind::Begin);
        begin.task.as_mut().unwrap().trace_state = before.into();
        let found = stored(&tenth, &[begin]).0;
        assert_eq!(found[0].task.as_ref().unwrap().trace_state, after);
    }
}

#[test]
fn explicit_randomness_and_traces_of_log_records_count() {
    let half = [rule(None, keep(Some(0.5), Change::default()))];
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10".parse().unwrap();
    for (state, kept) in [("ot=rv:80000000000000", 1), ("ot=rv:7fffffffffffff", 0)] {
        let mut record = of_task(&id, 1, Kind::Event);
        record.task.as_mut().unwrap().trace_state = state.into();
        assert_eq!(stored(&half, &[record]).0.len(), kept);
    }
    for (last, kept) in [(0x80, 1), (0x7f, 0)] {
        let mut trace = [1; 16];
        trace[9] = last;
        let mut record = record(1);
        record.otlp = Some(Box::new(Otlp {
            trace_id: TraceId::from_bytes(trace),
            ..Otlp::default()
        }));
        assert_eq!(stored(&half, &[record]).0.len(), kept);
    }
}

/// Else a task would be stored that never ends, and count as lost.
#[test]
fn the_end_of_a_task_is_dropped_only_with_its_begin() {
    let (one, two) = (TaskId::random(), TaskId::random());
    let all = [
        of_task(&one, 0, Kind::Begin),
        of_task(&one, 1, Kind::Event),
        of_task(&two, 2, Kind::Begin),
        of_task(&one, 3, Kind::End),
        of_task(&two, 4, Kind::End),
    ];
    // Both ends match, and one of the begins; each comes in a batch of its own.
    let rules = IntakeRules::new(vec![rule(when("fields.n in [0, 1, 3, 4]"), Action::Drop)]);
    let mut left = Vec::new();
    for record in &all {
        let (edited, _) = apply(&rules, &batch(std::slice::from_ref(record)));
        if edited.is_none() {
            left.push(record.offset);
        }
    }
    assert_eq!(left, [2, 4]);
    // An end that stays is redacted all the same.
    let rules = [
        rule(when("kind == 'end'"), Action::Drop),
        rule(None, of(redact(&[], &["4"]))),
    ];
    let (kept, counts) = stored(&rules, &all);
    assert_eq!(kept.len(), 5);
    assert_eq!(kept[4].message, "message [redacted]");
    assert_eq!(counts, [[0, 0, 0], [0, 1, 0]]);
}

#[test]
fn a_batch_that_grows_too_large_loses_records_and_says_so() {
    let all = records(100);
    let rules = IntakeRules::new(vec![rule(
        None,
        of(set(&[("message", "message + message + message + message")])),
    )]);
    let bytes = batch(&all);
    let edited = rules.apply(&bytes, bytes.len(), &mut |_, _, _| {}).unwrap();
    assert!(edited.bytes.len() <= bytes.len());
    assert!(edited.left_out > 0 && edited.count > 0);
    assert_eq!(edited.left_out + u64::from(edited.count), 100);
}

#[test]
fn a_duration_of_nothing_stays_known() {
    let mut bytes = batch(&[record(0)]);
    let mut encoded = Vec::new();
    let end = of_task(&TaskId::random(), 1, Kind::End);
    wire::encode::record(&mut encoded, &end, 0);
    wire::put::varint_always(&mut encoded, wire::field::record::DURATION, 0);
    wire::put_record(&mut bytes, 1, &encoded);
    let rules = IntakeRules::new(vec![
        rule(None, of(set(&[("fields.a", "1")]))),
        rule(
            when("duration == duration('0s')"),
            of(set(&[("fields.b", "2")])),
        ),
    ]);
    let edited = apply(&rules, &bytes).0.unwrap();
    let read = BatchRef::parse(&edited.bytes).unwrap();
    let end = read.records().nth(1).unwrap().unwrap();
    assert_eq!(end.took(), Some(0));
    assert!(end.fields.get("b").is_some());
}

/// One record after the other, in owned form, each rule by itself.
fn oracle(rules: &[IntakeRule], records: &[Record]) -> Vec<Record> {
    let mut kept = Vec::new();
    'records: for record in records {
        let mut record = record.clone();
        for rule in rules {
            let bytes = batch(std::slice::from_ref(&record));
            let parsed = BatchRef::parse(&bytes).unwrap();
            let seen = parsed.records().next().unwrap().unwrap();
            if !rule.when.as_ref().is_none_or(|when| when.matches(&seen)) {
                continue;
            }
            match &rule.action {
                Action::Drop => continue 'records,
                Action::Keep { sample, change } => {
                    let randomness = match &record.task {
                        Some(task) => Randomness::of_trace(task.trace_id, ""),
                        None => Randomness::of_record(record.source.producer, record.offset),
                    };
                    if sample.is_some_and(|sample| !sample.keeps(randomness)) {
                        continue 'records;
                    }
                    if let (Some(task), Some(sample), Kind::Begin) =
                        (&mut record.task, *sample, record.kind)
                        && sample
                            > Threshold::of_trace_state(&task.trace_state)
                                .unwrap_or(Threshold::ALWAYS)
                    {
                        task.trace_state = with_threshold(&task.trace_state, Some(sample));
                    }
                    let values: Vec<_> = change
                        .set
                        .iter()
                        .map(|(_, value)| value.value(&seen))
                        .collect();
                    for ((target, _), value) in change.set.iter().zip(values) {
                        match (target, value) {
                            (distlog_rules::Target::Field(name), Some(value)) => {
                                record.fields.insert(name.as_str(), value);
                            }
                            (distlog_rules::Target::Message, Some(Value::Str(text))) => {
                                record.message = text;
                            }
                            _ => {}
                        }
                    }
                    if let Some(redaction) = &change.redact {
                        redaction.redact(&mut record);
                    }
                }
            }
        }
        kept.push(record);
    }
    kept
}

fn any_rule() -> impl Strategy<Value = IntakeRule> {
    let condition = prop_oneof![
        Just(None),
        (0..12i64).prop_map(|n| when(&format!("fields.n >= {n}"))),
        Just(when("fields.team == 'a'")),
        Just(when("message.contains('1')")),
        Just(when("fields.n % 2 == 0")),
    ];
    let action = prop_oneof![
        1 => Just(Action::Drop),
        2 => (0.0..=1.0).prop_map(|ratio| keep(Some(ratio), Change::default())),
        2 => Just(of(set(&[("fields.team", "'a'"), ("fields.n", "fields.n + 1")]))),
        2 => Just(of(set(&[("message", "message + string(fields.n)"), ("fields.x", "fields.none")]))),
        2 => Just(of(redact(&["n"], &["1"]))),
        1 => Just(of(redact(&["team"], &["template"]))),
    ];
    (condition, action).prop_map(|(when, action)| rule(when, action))
}

proptest! {
    #[test]
    fn rules_do_what_they_do_one_after_the_other(
        rules in prop::collection::vec(any_rule(), 1..6),
        count in 1..12u64,
    ) {
        // Tasks and callsites follow each other, some with something to redact.
        let ids = [TaskId::random(), TaskId::random()];
        let mut records = records(count);
        for record in &mut records {
            let mut task = Task::from(&ids[usize::from(record.offset % 3 == 0)]);
            task.context.insert("user", (record.offset / 2) as i64);
            record.otlp = Some(Box::default());
            record.task = (record.offset % 4 > 0).then_some(task);
        }
        let expected = oracle(&rules, &records);
        prop_assert_eq!(stored(&rules, &records).0, expected);
    }
}
