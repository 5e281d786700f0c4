//! What the daemon does with each record, step by step, on one thread:
//!
//! ```sh
//! cargo bench -p distlogd --bench records
//! cargo bench -p distlogd --bench records -- JSON      # only steps with this word
//! cargo bench -p distlogd --bench records -- --quick   # only whether all of it runs
//! ```
//!
//! Nanoseconds of CPU time a record, best of several rounds, and how many that are a CPU second. Records are those of a
//! service: a task with a message and a field, ten events with a message and three fields, the end.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use distlog_bridge::otlp::logs::v1::LogRecord;
use distlog_bridge::{OpenSpan, Origins, Request, log_record};
use distlog_proto::sampling::Threshold;
use distlog_proto::wire::BatchWriter;
use distlog_proto::{
    BatchRef, Callsite, Encoding, Kind, Map, Outcome, ProducerId, Record, RecordRef, Severity,
    Source, Task, TaskId, Topic, Value,
};
use distlog_python::{json, pickle};
use distlog_rules::{
    Action, Change, Condition, Expression, IntakeRule, IntakeRules, Redaction, Router, Rule, Target,
};
use rustix::time::{ClockId, clock_gettime};

/// Tasks in the batches.
const TASKS: u64 = 2000;
const EVENTS: u64 = 10;
/// As the layer's batches.
const BATCH: usize = 64 << 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments
        .iter()
        .any(|argument| argument == "--quick" || argument == "--test");
    let word = arguments.iter().find(|argument| !argument.starts_with('-'));
    let bench = Bench {
        rounds: if quick { 1 } else { 15 },
        word: word.cloned().unwrap_or_default(),
    };
    let batches = batches();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores, of which this uses one");
    println!("{:<58} {:>10} {:>16}", "step", "ns", "per CPU second");
    reading(&bench, &batches);
    rules(&bench, &batches);
    many_rules(&bench, &batches);
    intake(&bench, &batches);
    writing(&bench, &batches);
    dictionaries(&bench);
    compression(&bench, &batches.concat());
}

struct Bench {
    rounds: u32,
    word: String,
}

impl Bench {
    /// Prints what one of the `count` things costs that `work` does at once.
    fn row(&self, name: &str, mut work: impl FnMut() -> u64) {
        if let Some((ns, _)) = self.best(name, || (work(), 0)) {
            println!("{name:<58} {ns:>10.0} {:>16.0}", 1e9 / ns);
        }
    }

    /// Nanoseconds for each, and what the work gave beside their number.
    fn best(&self, name: &str, mut work: impl FnMut() -> (u64, usize)) -> Option<(f64, usize)> {
        name.contains(&self.word).then(|| {
            let mut best = (f64::INFINITY, 0);
            for _ in 0..self.rounds {
                let start = cpu_time();
                let (count, gave) = work();
                let ns = (cpu_time() - start).as_nanos() as f64 / count as f64;
                best = (best.0.min(ns), gave);
            }
            best
        })
    }
}

/// That of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// As a service logs them.
fn batches() -> Vec<Vec<u8>> {
    let source = Source {
        producer: ProducerId::from_bytes([7; 16]),
        service: "orders".into(),
        host: "web1".into(),
        process_id: 812,
        process_name: "orders".into(),
        ..Source::default()
    };
    let callsite = |severity, line, template: &str| Callsite {
        severity,
        target: "orders::handle".into(),
        file: "src/handle.rs".into(),
        line,
        module: "orders::handle".into(),
        template: template.into(),
        ..Callsite::default()
    };
    let sites = [
        callsite(Severity::INFO, 17, "handle order {}"),
        callsite(Severity::INFO, 31, ""),
        callsite(Severity::WARN, 44, ""),
    ];
    let (mut batches, mut writer, mut offset) = (Vec::new(), BatchWriter::new(), 0);
    for n in 0..TASKS {
        let id = TaskId::random();
        let task = Task {
            context: Map::from_iter([("user", format!("user{}", n % 97).as_str())]),
            ..Task::from(&id)
        };
        for number in 0..EVENTS + 2 {
            let kind = match number {
                0 => Kind::Begin,
                number if number > EVENTS => Kind::End,
                _ => Kind::Event,
            };
            let mut fields = Map::default();
            if kind == Kind::Event {
                fields.insert("item", (n * 7919 % 10_007) as i64);
                fields.insert("shelf", Value::Str(format!("{}", number * 3 % 7)));
                fields.insert("price", 0.25 * (n * 31 % 997) as f64);
            }
            let site = match kind {
                Kind::Event => 1 + usize::from(number == 7),
                _ => 0,
            };
            writer.push(&Record {
                kind,
                source: source.clone(),
                callsite: sites[site].clone(),
                time: 1_763_871_098_123_456_789 + offset * 1711,
                message: match kind {
                    Kind::Event => "taken from the shelf".into(),
                    _ => format!("handle order {n}"),
                },
                fields,
                task: Some(task.clone()),
                number,
                offset,
                thread_id: 812,
                thread_name: "main".into(),
                outcome: if kind == Kind::End {
                    Outcome::Ok
                } else {
                    Outcome::Unset
                },
                duration: if kind == Kind::End { 812_345 } else { 0 },
                ..Record::default()
            });
            offset += 200;
            if writer.len() >= BATCH {
                batches.push(writer.finish());
            }
        }
    }
    batches.push(writer.finish());
    batches
}

/// Shows every record; says how many there are.
fn each(batches: &[Vec<u8>], mut show: impl FnMut(&RecordRef<'_>)) -> u64 {
    let mut count = 0;
    for bytes in batches {
        let batch = BatchRef::parse(bytes).expect("a good batch");
        for record in batch.records() {
            show(&record.expect("a good record"));
            count += 1;
        }
    }
    count
}

fn reading(bench: &Bench, batches: &[Vec<u8>]) {
    bench.row(
        "B: read every record, as a receiver and a worker do",
        || each(batches, |record| _ = black_box(record)),
    );
    bench.row("B: read headers, as the task tracker does", || {
        let mut count = 0;
        for bytes in batches {
            let batch = BatchRef::parse(bytes).expect("a good batch");
            count += batch
                .headers()
                .filter(|outline| black_box(outline).is_ok())
                .count() as u64;
        }
        count
    });
}

fn rules(bench: &Bench, batches: &[Vec<u8>]) {
    let texts = [
        "severity >= WARN",
        "severity >= WARN && service == 'orders' && fields.price > 100.0",
        "message.startsWith('taken') && fields.item in [1, 2, 3]",
        "fields.map(f, f).size() > 2",
    ];
    for text in texts {
        let condition = Condition::compile(text).expect("a good condition");
        let how = if condition.is_interpreted() {
            "interpreted"
        } else {
            "compiled"
        };
        bench.row(&format!("rule, {how}, read included: {text}"), || {
            each(batches, |record| _ = black_box(condition.matches(record)))
        });
    }
}

/// Rules that ask for the same field, and let nothing through.
fn many_rules(bench: &Bench, batches: &[Vec<u8>]) {
    for count in [1, 100] {
        let rule = |n| Rule {
            when: Condition::compile(&format!("service == 'orders' && fields.item == {n}")).ok(),
            to: vec!["some".into()],
            ..Rule::default()
        };
        let rules: Vec<Rule> = (1..=count).map(|n| rule(1_000_000 + n)).collect();
        let router = Router::new(&rules, "some", None);
        bench.row(
            &format!("rules of a processor, read included: {count} of a field"),
            || each(batches, |record| _ = black_box(router.takes(record))),
        );
    }
}

/// Each action of the intake: where no record has anything for it, and where all have.
fn intake(bench: &Bench, batches: &[Vec<u8>]) {
    let set = |target: &str, value: &str| Change {
        set: vec![(
            Target::parse(target).expect("a target"),
            Expression::compile(value).expect("an expression"),
        )],
        redact: None,
    };
    let redact = |names: &[&str], patterns: &[&str]| {
        let [names, patterns] = [names, patterns].map(|texts| texts.iter().map(|&t| t.to_owned()));
        let patterns: Vec<String> = patterns.collect();
        Change {
            set: Vec::new(),
            redact: Some(Redaction::new(names.collect(), &patterns).expect("patterns")),
        }
    };
    let sample = |ratio| Action::Keep {
        sample: Some(Threshold::from_ratio(ratio).expect("a ratio")),
        change: Change::default(),
    };
    let change = |change| Action::Keep {
        sample: None,
        change,
    };
    let some = "service == 'orders' && fields.item == 1000000";
    let card = r"\b\d{13,16}\b";
    let rows = [
        ("drop, no record matches", Some(some), Action::Drop),
        ("drop, all", None, Action::Drop),
        ("sample 1.0, all are kept", None, sample(1.0)),
        ("sample 0.01", None, sample(0.01)),
        (
            "set, no record matches",
            Some(some),
            change(set("fields.team", "'a'")),
        ),
        (
            "set a field of all",
            None,
            change(set("fields.team", "'a'")),
        ),
        (
            "redact 2 names, none is there",
            None,
            change(redact(&["password", "token"], &[])),
        ),
        (
            "redact 2 names, one is in all",
            None,
            change(redact(&["password", "user"], &[])),
        ),
        (
            "redact a pattern, nothing matches",
            None,
            change(redact(&[], &[card])),
        ),
        (
            "redact 2 patterns, nothing matches",
            None,
            change(redact(&[], &[card, r"Bearer \S+"])),
        ),
        (
            "redact a pattern in all",
            None,
            change(redact(&[], &["order|shelf"])),
        ),
    ];
    for (name, when, action) in rows {
        let rules = IntakeRules::new(vec![IntakeRule {
            name: name.into(),
            when: when.map(|when| Condition::compile(when).expect("a condition")),
            action,
        }]);
        bench.row(&format!("intake, read included: {name}"), || {
            for bytes in batches {
                _ = black_box(rules.apply(bytes, usize::MAX, &mut |_, _, _| {}));
            }
            TASKS * (EVENTS + 2)
        });
    }
}

fn writing(bench: &Bench, batches: &[Vec<u8>]) {
    let mut line = Vec::new();
    bench.row("JSON line of a record, read included", || {
        each(batches, |record| {
            line.clear();
            json::encode(record, &mut line);
            line.push(b'\n');
            black_box(&line);
        })
    });
    bench.row("JSON lines of a batch, read included", || {
        let mut count = 0;
        for bytes in batches {
            let batch = BatchRef::parse(bytes).expect("a good batch");
            let mut json = json::Encoder::default();
            for record in batch.records() {
                line.clear();
                json.encode(&record.expect("a good record"), &mut line);
                line.push(b'\n');
                black_box(&line);
                count += 1;
            }
        }
        count
    });
    let otlp = |make: &mut dyn FnMut(&RecordRef<'_>) -> Option<Item>| {
        let (mut origins, mut request) = (Origins::default(), Request::new(7 << 19));
        let mut count = 0;
        for bytes in batches {
            let batch = BatchRef::parse(bytes).expect("a good batch");
            let mut recent = origins.recent();
            for record in batch.records() {
                let record = record.expect("a good record");
                let Some(item) = make(&record) else { continue };
                let origin = recent.of(&record);
                while !match &item {
                    Item::Span(span) => request.push_with(&origin, |out| span.put(out)),
                    Item::Log(log) => request.push(&origin, log),
                } {
                    // An empty request takes anything.
                    black_box(request.finish());
                }
                count += 1;
            }
        }
        count
    };
    bench.row(
        "OTLP span of a task, read of its 12 records included",
        || {
            let mut open = None;
            otlp(&mut |record| match record.kind {
                Kind::Begin => {
                    open = OpenSpan::begin(record);
                    None
                }
                Kind::End => {
                    let mut span: OpenSpan = open.take()?;
                    span.end(record);
                    Some(Item::Span(span))
                }
                Kind::Event | Kind::Bind => None,
            })
        },
    );
    bench.row("OTLP log record of an event, read included", || {
        otlp(&mut |record| Some(Item::Log(log_record(record))))
    });
}

enum Item {
    Span(OpenSpan),
    Log(LogRecord),
}

/// What the Python package sends.
fn dictionaries(bench: &Bench) {
    let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/tests/python/frames");
    for (encoding, name) in [(Encoding::Json, "J"), (Encoding::Pickle, "P")] {
        let topic = Topic {
            encoding,
            ..Topic::default()
        };
        let body = std::fs::read(frames.join(format!("plain.{topic}"))).expect("a golden frame");
        let decode = || match encoding {
            Encoding::Json => json::decode(&body, topic).expect("a good body"),
            _ => pickle::decode(&body, topic).expect("a good body"),
        };
        bench.row(
            &format!("{name}: decode a record of {} bytes", body.len()),
            || {
                (0..5000).for_each(|_| _ = black_box(decode()));
                5000
            },
        );
        bench.row(&format!("{name}: decode and batch"), || {
            let mut writer = BatchWriter::new();
            for offset in 0..5000 {
                let mut record = decode();
                record.offset = offset;
                if writer.len() >= BATCH || !writer.takes(&record.source) {
                    black_box(writer.finish());
                }
                writer.push(&record);
            }
            5000
        });
    }
}

/// A sealed segment's blocks.
fn compression(bench: &Bench, log: &[u8]) {
    let blocks: Vec<&[u8]> = log.chunks(256 << 10).collect();
    let row = |name: String, pack: &mut dyn FnMut(&[u8]) -> usize| {
        let packed = bench.best(&name, || {
            let packed = blocks.iter().map(|block| pack(block)).sum();
            (log.len() as u64, packed)
        });
        if let Some((ns, packed)) = packed {
            println!(
                "{name:<58} {:>5.0} MB/s, to 1/{:.1}",
                1e3 / ns,
                log.len() as f64 / packed as f64
            );
        }
    };
    for level in [-5, -1, 1, 3, 6] {
        let mut pack = zstd::bulk::Compressor::new(level).expect("a level of zstd");
        row(format!("blocks of 256 KiB by zstd {level}"), &mut |block| {
            black_box(pack.compress(block).expect("room")).len()
        });
    }
    row("blocks of 256 KiB by lz4".into(), &mut |block| {
        black_box(lz4_flex::compress(block)).len()
    });
}
