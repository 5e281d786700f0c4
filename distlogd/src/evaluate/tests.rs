//! The evaluator says what the daemon's own parts do when they are used as receivers and workers use them.

use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Kind, Record, Severity, Task, TaskId, TraceId};
use distlog_rules::{IntakeRules, Outgoing};
use distlog_testkit::records;
use proptest::prelude::*;

use super::*;

fn config(text: &str) -> Config {
    crate::config::load(text, "distlogd.yaml", &[]).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Rules of the intake, those of processors, filters and changes, to be combined.
const INTAKE: [&str; 6] = [
    "{ when: 'severity < INFO && message != \"\"', drop: true }",
    "{ sample: 0.5 }",
    "{ when: 'kind == \"event\"', set: { fields.team: '\"payments\"', severity: WARN } }",
    "{ when: 'fields.team == \"payments\"', set: { message: 'message + \"!\"' } }",
    "{ redact: { fields: [message], patterns: ['[0-9]+'] } }",
    "{ when: 'kind == \"end\"', drop: true }",
];
const RULES: [&str; 5] = [
    "{ to: [a] }",
    "{ when: 'severity >= WARN', to: [a, b] }",
    "{ when: 'has(fields.team)', to: b, set: { fields.sent_by: '\"host\"' } }",
    "{ when: 'kind == \"event\" || root', to: [c] }",
    "{ when: 'message.contains(\"a\")', to: [b, c], redact: { patterns: ['a'] } }",
];

fn text(intake: &[usize], rules: &[usize]) -> String {
    let list = |all: &[&str], chosen: &[usize]| {
        let items = chosen.iter().map(|at| format!("  - {}\n", all[*at]));
        items.collect::<String>()
    };
    format!(
        "intake:\n{}processors:
  a: {{ file: {{ path: a }}, filter: 'severity < ERROR' }}
  b: {{ file: {{ path: b }}, redact: {{ fields: [team] }} }}
  c: {{ file: {{ path: c }} }}
rules:\n{}",
        list(&INTAKE, intake),
        list(&RULES, rules)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_says_what_the_intake_the_routers_and_what_leaves_say(
        intake in prop::collection::vec(0..INTAKE.len(), 0..4),
        rules in prop::collection::vec(0..RULES.len(), 0..4),
        records in prop::collection::vec(records::record(), 1..12),
    ) {
        let config = config(&text(&intake, &rules));
        // One program, whose resource has nothing to redact, sends them in one batch.
        let mut source = records[0].source.clone();
        source.resource = distlog_proto::Map::new();
        source.schema_url.clear();
        let mut writer = BatchWriter::new();
        let records: Vec<Record> = (0..).zip(records).map(|(offset, record)| Record {
            source: source.clone(),
            offset,
            ..record
        }).filter(|record| with_record(&batch_of(record), |record| is_own(&record)) == Some(false)).collect();
        prop_assume!(!records.is_empty());
        records.iter().for_each(|record| writer.push(record));
        let bytes = writer.finish();
        let edited = IntakeRules::new(config.intake.clone()).apply(&bytes, MAX_BATCH, &mut |_, _, _| {});
        let stored = match edited {
            None => bytes,
            Some(edited) => edited.bytes,
        };
        let batch = BatchRef::parse(&stored).unwrap();
        let stored: Vec<RecordRef<'_>> = batch.records().map(Result::unwrap).collect();

        let mut evaluator = Evaluator::new(&config, u64::MAX);
        let mut sent = vec![Vec::new(); config.processors.len()];
        let mut kept = Vec::new();
        for record in &records {
            let evaluated = evaluator.take(batch_of(record));
            if evaluated.fate == Fate::Stored {
                kept.push(record.offset);
            }
            for (at, route) in evaluated.routes.iter().enumerate() {
                if *route == Route::Sent {
                    sent[at].push(evaluator.destinations()[at].outgoing(&evaluated.stored).unwrap());
                }
            }
        }
        prop_assert_eq!(kept, stored.iter().map(|record| record.offset).collect::<Vec<_>>());
        for (entry, sent) in config.processors.iter().zip(sent) {
            let router = config.router(&entry.name);
            let outgoing: Outgoing = config.outgoing(&entry.name);
            let taken: Vec<RecordRef<'_>> = stored.iter().filter(|r| router.takes(r)).copied().collect();
            let left: Vec<Record> = outgoing.present(&taken, &mut 0, |records| {
                records.iter().map(RecordRef::to_record).collect()
            });
            prop_assert_eq!(&sent, &left, "{}", entry.name);
        }
    }
}

const SECOND: u64 = 1_000_000_000;

/// A record of the root of trace `n`, or of a task below it.
fn of_trace(n: u8, below: bool, kind: Kind, time: u64) -> Record {
    let root = TaskId::top(TraceId::from_bytes([n; 16]).unwrap());
    let task = match below {
        true => root.child(std::num::NonZeroU64::MIN),
        false => root,
    };
    Record {
        kind,
        time: time * SECOND,
        task: Some(Task::from(&task)),
        severity: Severity::INFO,
        ..Record::default()
    }
}

#[test]
fn trees_are_decided_as_time_passes_and_at_the_end() {
    let config = config(
        "processors:
  jaeger: { file: { path: a }, trees: { keep: 'tree.failed', quiet: 2s, wait: 10s } }
rules: [{ to: jaeger }]",
    );
    let mut evaluator = Evaluator::new(&config, u64::MAX);
    let mut take = |record: Record| {
        let route = evaluator.take(batch_of(&record)).routes[0];
        let judged = evaluator.judged();
        (
            route,
            judged
                .into_iter()
                .map(|(_, one)| (one.trace.to_bytes()[0], one.passes))
                .collect::<Vec<_>>(),
        )
    };
    let waits = |n: u8| Route::Waits(TraceId::from_bytes([n; 16]).unwrap());
    assert_eq!(
        take(of_trace(1, false, Kind::Begin, 100)),
        (waits(1), vec![])
    );
    let failed = Record {
        outcome: Outcome::Failed,
        ..of_trace(1, true, Kind::End, 101)
    };
    assert_eq!(take(failed), (waits(1), vec![]));
    assert_eq!(take(of_trace(1, false, Kind::End, 101)), (waits(1), vec![]));
    // Quiet for two seconds: it is decided before the next record, and what comes late follows.
    assert_eq!(
        take(of_trace(2, false, Kind::Begin, 103)),
        (waits(2), vec![(1, true)])
    );
    assert_eq!(
        take(of_trace(1, true, Kind::Event, 104)),
        (Route::Sent, vec![])
    );
    // Records outside of traces pass at once.
    let loose = Record {
        time: 105 * SECOND,
        ..Record::default()
    };
    assert_eq!(take(loose), (Route::Sent, vec![]));
    // The second has waited for long.
    assert_eq!(
        take(of_trace(3, false, Kind::Begin, 113)),
        (waits(3), vec![(2, false)])
    );
    assert_eq!(
        take(of_trace(2, false, Kind::End, 113)),
        (Route::TreeDropped, vec![])
    );
    assert_eq!(evaluator.open(), 1);
    evaluator.finish();
    let judged = evaluator.judged();
    assert_eq!(judged.len(), 1);
    assert!(!judged[0].1.passes && judged[0].1.why == crate::trees::Why::Wait);
}

#[test]
fn what_the_daemon_writes_itself_goes_past_the_intake() {
    let config = config("intake: [{ drop: true }]");
    let mut evaluator = Evaluator::new(&config, u64::MAX);
    let lost = Record {
        outcome: Outcome::Lost,
        ..of_trace(1, false, Kind::End, 1)
    };
    assert_eq!(evaluator.take(batch_of(&lost)).fate, Fate::Stored);
    assert_eq!(
        evaluator.take(batch_of(&Record::default())).fate,
        Fate::Dropped(0)
    );
    // An end whose begin is stored is not dropped.
    let end = of_trace(2, false, Kind::End, 1);
    let evaluated = evaluator.take(batch_of(&end));
    assert_eq!((evaluated.fate, evaluated.intake), (Fate::Stored, vec![0]));
}
