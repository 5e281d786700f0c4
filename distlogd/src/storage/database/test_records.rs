//! Records to fill databases with, and whether a database gives what was written.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use distlog_proto::wire::BatchWriter;
use distlog_proto::{
    BatchRef, Callsite, ErrorInfo, Kind, Map, Otlp, Outcome, ProducerId, Record, RecordRef,
    Severity, Source, Task, TaskId, TraceId, Value,
};
use distlog_python::json;
use distlog_store::{Rows, any_text, is_word, words};

use super::{Ask, Database, time_of};
use crate::processor::Processor;

/// When the first record was logged: some days ago, so that each day has a partition.
pub(super) static START: LazyLock<u64> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (since.as_secs() - 3 * 86_400) * SECOND + 123_456_789
});
const SECOND: u64 = 1_000_000_000;

/// The trace of every tenth task.
pub(super) fn trace(number: u64) -> TraceId {
    TraceId::from_bytes((u128::from(number) + 1).to_be_bytes()).unwrap()
}

/// Some thousand records of three services on three days: tasks that fail and that do not, log records outside of
/// tasks, several at the same time.
pub(super) fn records() -> Vec<Record> {
    (0..3000).map(record).collect()
}

fn record(number: u64) -> Record {
    let service = ["shop", "it's; \"quoted\"", ""][(number % 3) as usize];
    let kind = [Kind::Begin, Kind::Event, Kind::Event, Kind::End][(number % 4) as usize];
    let id = TaskId::top(trace(number / 40));
    let id = match number % 40 < 4 {
        true => id,
        false => id.child((number / 4 % 10 + 1).try_into().unwrap()),
    };
    let is_failed = kind == Kind::End && number.is_multiple_of(7);
    let fields: Map = [
        ("n", Value::U64(number)),
        ("ratio", Value::F64(0.5)),
        (
            "text",
            Value::from(format!("tab\there needle{}x", number % 50)),
        ),
        ("shown", Value::Text("Some(1)".into())),
        ("bytes", Value::Bytes(vec![0, 1, 2])),
        (
            "list",
            Value::List(vec![Value::I64(-1), Value::Null, Value::Bool(true)]),
        ),
    ]
    .into_iter()
    .collect();
    Record {
        source: Source {
            producer: ProducerId::from_bytes([(number % 5) as u8 + 1; 16]),
            service: service.into(),
            process_name: "worker".into(),
            host: "web1".into(),
            process_id: 812,
            resource: [("region", "eu")].into_iter().collect(),
            ..Source::default()
        },
        callsite: Callsite {
            severity: Severity::new([9, 13, 17, 5][(number / 3 % 4) as usize]),
            target: "shop::cart".into(),
            file: "src/cart.rs".into(),
            line: 31,
            template: "handle {}".into(),
            ..Callsite::default()
        },
        offset: number,
        kind,
        // Four each at the same time, and three in the same microsecond.
        time: match number {
            7 => 0,
            _ => *START + number / 1000 * 86_400 * SECOND + number / 4 * 300,
        },
        observed_time: *START + number,
        message: format!("handle Größe {number}"),
        task: (!number.is_multiple_of(11) || kind != Kind::Event).then(|| Task {
            flags: 1,
            context: [("user", "leo")].into_iter().collect(),
            ..Task::from(&id)
        }),
        number: number % 4,
        fields,
        outcome: match kind {
            Kind::End if is_failed => Outcome::Failed,
            Kind::End => Outcome::Ok,
            _ => Outcome::Unset,
        },
        duration: if kind == Kind::End { 1000 + number } else { 0 },
        error: is_failed.then(|| ErrorInfo {
            kind: "Refused".into(),
            message: format!("no money {number}"),
            chain: vec!["card is empty".into()],
            traceback: String::new(),
        }),
        otlp: number.is_multiple_of(13).then(|| {
            Box::new(Otlp {
                scope_name: "scope".into(),
                ..Otlp::default()
            })
        }),
        ..Record::default()
    }
}

/// Presents records in portions, and flushes.
pub(super) fn write(processor: &mut dyn Processor, records: &[Record]) {
    for portion in records.chunks(500) {
        // A batch has one source.
        let batches: Vec<Vec<u8>> = portion.iter().map(encoded).collect();
        let heads: Vec<BatchRef<'_>> = batches
            .iter()
            .map(|batch| BatchRef::parse(batch).unwrap())
            .collect();
        let parsed: Vec<RecordRef<'_>> = heads
            .iter()
            .flat_map(|batch| batch.records().map(Result::unwrap))
            .collect();
        processor.process(&parsed).unwrap();
    }
    processor.flush().unwrap();
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut writer = BatchWriter::new();
    writer.push(record);
    writer.finish()
}

fn with<R>(record: &Record, show: impl FnOnce(&RecordRef<'_>) -> R) -> R {
    let bytes = encoded(record);
    let batch = BatchRef::parse(&bytes).unwrap();
    show(&batch.records().next().unwrap().unwrap())
}

/// What orders records.
pub(super) fn key(record: &Record) -> (u64, [u8; 16], i64) {
    (
        time_of(record),
        record.source.producer.to_bytes(),
        record.offset.cast_signed(),
    )
}

/// All that is handed over.
pub(super) fn pages(database: &dyn Database, ask: &Ask<'_>) -> Vec<Record> {
    let mut found = Vec::new();
    database
        .records(ask, &mut |record| {
            found.push(record);
            true
        })
        .unwrap();
    found
}

/// As the processor `file` writes it, but for the order of names.
fn line(record: &Record) -> serde_json::Value {
    with(record, |record| {
        let mut line = Vec::new();
        json::encode(record, &mut line);
        serde_json::from_slice(&line).unwrap()
    })
}

/// Whether a record is asked for.
fn is_asked(ask: &Ask<'_>, record: &Record) -> bool {
    let service = match record.source.service.as_str() {
        "" => record.source.process_name.as_str(),
        service => service,
    };
    let is_bound = matches!(record.kind, Kind::Begin | Kind::End);
    let is_of = |traces: &[TraceId]| {
        let task = record.task.as_ref();
        task.is_some_and(|task| traces.contains(&task.trace_id))
    };
    let has_word = |word: &String| {
        with(record, |record| {
            any_text(record, &mut |text| {
                words(text).any(|found| is_word(found, word))
            })
        })
    };
    ask.times.contains(&time_of(record))
        && (ask.services.is_empty() || ask.services.iter().any(|asked| asked == service))
        && record.callsite.severity >= ask.severity
        && match ask.rows {
            Rows::All => true,
            Rows::OfTraces(traces) => is_of(traces),
            Rows::TasksOf(traces) => is_of(traces) && is_bound,
            Rows::Ended(outcomes) => match record.kind {
                Kind::Begin => record
                    .task
                    .as_ref()
                    .is_some_and(|task| task.parent_span_id.is_none()),
                Kind::End => outcomes.contains(&record.outcome),
                Kind::Event | Kind::Bind => false,
            },
        }
        && ask.words.iter().all(has_word)
}

/// What was written to a database.
pub(super) struct Written(Vec<Record>);

impl Written {
    pub(super) fn new(mut records: Vec<Record>) -> Written {
        records.sort_by_key(key);
        Written(records)
    }

    /// Asks in many ways, and compares with what was written. What is handed over beyond that is only what cannot be
    /// told by the database.
    pub(super) fn compare(&self, database: &dyn Database) {
        let oldest = key(&self.0[0]).0;
        let newest = key(&self.0[self.0.len() - 1]).0;
        assert_eq!(database.times().unwrap(), Some(oldest..=newest));
        let all = pages(database, &Ask::ALL);
        for (found, expected) in all.iter().zip(&self.0) {
            assert_eq!(line(found), line(expected));
            assert_eq!(key(found), key(expected));
        }
        assert_eq!(all.len(), self.0.len());

        let traces = [trace(3), trace(17), trace(1_000_000)];
        let outcomes = [Outcome::Failed, Outcome::Lost];
        let shop = ["shop".to_owned()];
        let odd = ["it's; \"quoted\"".to_owned(), "worker".to_owned()];
        let nobody = ["nobody' OR 1=1".to_owned()];
        let one = ["needle7x".to_owned()];
        let two = ["größe".to_owned(), "17".to_owned()];
        let user = ["leo".to_owned()];
        let none = ["nowhere_to_be_found".to_owned()];
        let middle = *START + 86_400 * SECOND + 1250 / 4 * 300;
        for ask in [
            Ask {
                times: *START..middle,
                ..Ask::ALL
            },
            Ask {
                times: middle..middle + 1,
                ..Ask::ALL
            },
            Ask {
                times: middle..u64::MAX,
                ..Ask::ALL
            },
            Ask {
                times: u64::MAX - 1..u64::MAX,
                ..Ask::ALL
            },
            Ask {
                severity: Severity::ERROR,
                ..Ask::ALL
            },
            Ask {
                services: &shop,
                ..Ask::ALL
            },
            Ask {
                services: &odd,
                times: *START..middle,
                ..Ask::ALL
            },
            Ask {
                services: &nobody,
                ..Ask::ALL
            },
            Ask {
                rows: Rows::OfTraces(&traces),
                ..Ask::ALL
            },
            Ask {
                rows: Rows::OfTraces(&[]),
                ..Ask::ALL
            },
            Ask {
                rows: Rows::TasksOf(&traces),
                services: &shop,
                times: *START..middle,
                ..Ask::ALL
            },
            Ask {
                rows: Rows::Ended(&outcomes),
                ..Ask::ALL
            },
            Ask {
                rows: Rows::Ended(&[Outcome::Unset]),
                severity: Severity::WARN,
                ..Ask::ALL
            },
        ] {
            let found: Vec<_> = pages(database, &ask).iter().map(key).collect();
            assert_eq!(found, self.keys(&ask), "{ask:?}");
        }
        // Words narrow by parts of them, in any column that has texts.
        for (words, most) in [
            (&one[..], 60),
            (&two[..], 400),
            (&user[..], 3000),
            (&none[..], 0),
        ] {
            let ask = Ask { words, ..Ask::ALL };
            let found: Vec<_> = pages(database, &ask).iter().map(key).collect();
            let expected = self.keys(&ask);
            assert!(expected.iter().all(|key| found.contains(key)), "{ask:?}");
            assert!(found.len() <= most, "{} {ask:?}", found.len());
        }
        self.compare_slices(database, &traces);

        // It stops at once.
        let mut count = 0;
        let taken = database.records(&Ask::ALL, &mut |_| {
            count += 1;
            count < 5
        });
        assert_eq!((taken, count), (Ok(()), 5));
        assert_eq!(pages(database, &Ask::ALL).len(), self.0.len());
        // Several at once.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(pages(database, &Ask::ALL).len(), self.0.len()));
            }
        });
    }

    /// Slices are without gaps, and what they have is all.
    fn compare_slices(&self, database: &dyn Database, traces: &[TraceId]) {
        let range = *START..*START + 3 * 86_400 * SECOND;
        for ask in [
            Ask::ALL,
            Ask {
                times: range.clone(),
                ..Ask::ALL
            },
            Ask {
                rows: Rows::OfTraces(traces),
                ..Ask::ALL
            },
        ] {
            let slices = database.slices(&ask, 20).unwrap();
            assert!(slices.len() > 1, "{ask:?}");
            assert_eq!(slices[0].start, ask.times.start);
            assert_eq!(slices[slices.len() - 1].end, ask.times.end);
            assert!(slices.windows(2).all(|pair| pair[0].end == pair[1].start));
            let found = slices.into_iter().flat_map(|times| {
                let slice = Ask {
                    times,
                    ..ask.clone()
                };
                pages(database, &slice).iter().map(key).collect::<Vec<_>>()
            });
            assert_eq!(found.collect::<Vec<_>>(), self.keys(&ask), "{ask:?}");
        }
        let half = database
            .slices(
                &Ask {
                    times: range,
                    ..Ask::ALL
                },
                1 << 40,
            )
            .unwrap();
        assert_eq!(half.len(), 1);
    }

    fn keys(&self, ask: &Ask<'_>) -> Vec<(u64, [u8; 16], i64)> {
        let asked = self.0.iter().filter(|record| is_asked(ask, record));
        asked.map(key).collect()
    }
}
