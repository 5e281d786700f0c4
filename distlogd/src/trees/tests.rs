//! Whole trees, or nothing of them: against an oracle, whatever is killed and whenever.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::sampling::{Randomness, Threshold};
use distlog_proto::wire::BatchWriter;
use distlog_proto::{Kind, Outcome, ProducerId, Record, SpanId, Task, TaskId, TraceId};
use distlog_rules::TreeCondition;
use distlog_store::{Append, Consumer, Options, Reader, Store};
use proptest::prelude::*;

use super::{Setup, TreeFeed, Trees, own_token};
use crate::self_telemetry::TreeCounters;

const QUIET: u64 = 2_000_000_000;
const WAIT: u64 = 20_000_000_000;
/// See `clock.rs`.
const STEP: u64 = QUIET / 4;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    BeginRoot,
    EndRoot,
    Event,
    Begin,
    End,
    Fail,
}

/// A record: its trace (`None`: of none), and what it says.
type Line = (Option<u8>, Says);

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    /// A batch is stored, received so long after the one before.
    Store(u64, Vec<Line>),
    /// The processor reads and is given what passes, in so many pieces; the last one may be cut short.
    Read(usize, Option<prop::sample::Index>),
    Flush,
    Save,
    /// The process is killed, and started again.
    Kill,
}

fn trace(n: u8) -> TraceId {
    // Spread, as shares are taken by it.
    let id = (u128::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    TraceId::from_bytes(id.to_be_bytes()).unwrap()
}

fn record((of, says): Line, offset: u64) -> Record {
    let task = of.map(|n| {
        let root = TaskId::top(trace(n));
        match says {
            Says::BeginRoot | Says::EndRoot => Task::from(&root),
            _ => Task {
                parent_span_id: Some(root.span_id()),
                ..Task::from(&TaskId::anchor(trace(n), SpanId::new(offset + 1).unwrap()))
            },
        }
    });
    let mut record = Record {
        kind: match says {
            Says::BeginRoot | Says::Begin => Kind::Begin,
            Says::EndRoot | Says::End | Says::Fail => Kind::End,
            Says::Event => Kind::Event,
        },
        outcome: match says {
            Says::Fail => Outcome::Failed,
            Says::EndRoot | Says::End => Outcome::Ok,
            _ => Outcome::Unset,
        },
        time: 1 + offset,
        offset,
        message: format!("{of:?} {says:?}"),
        task,
        ..Record::default()
    };
    record.source.producer = ProducerId::from_bytes([7; 16]);
    record.source.service = "shop".into();
    record
}

/// A store that batches are appended to.
struct Stored {
    store: Store,
    offset: u64,
    received: u64,
    batches: Vec<(u64, Vec<Line>)>,
}

impl Stored {
    fn new(folder: &Path) -> Stored {
        let options = Options {
            reserve: 0,
            // Small: old segments are sealed while the test runs.
            segment_size: 8192,
            index: distlog_proto::wire::trace_ids,
            ..Options::default()
        };
        Stored {
            store: Store::open(folder, options).unwrap(),
            offset: 0,
            received: 1_000_000_000_000,
            batches: Vec::new(),
        }
    }

    fn append(&mut self, later: u64, lines: &[Line]) {
        self.received += later;
        let mut writer = BatchWriter::new();
        let from = self.offset;
        for line in lines {
            writer.push(&record(*line, self.offset));
            self.offset += 1;
        }
        self.store
            .append(&Append {
                producer: ProducerId::from_bytes([7; 16]),
                from,
                to: self.offset,
                count: lines.len() as u32,
                received: self.received,
                ordered: true,
                bytes: &writer.finish(),
            })
            .unwrap();
        self.store.commit().unwrap();
        self.batches.push((self.received, lines.to_vec()));
    }
}

fn config(open: u32, other: f64) -> Trees {
    Trees {
        keep: TreeCondition::compile("tree.failed || tree.records > 6").unwrap(),
        other: Threshold::from_ratio(other).unwrap(),
        wait: Duration::from_nanos(WAIT),
        quiet: Duration::from_nanos(QUIET),
        open,
    }
}

/// A destination that is a file: what was not flushed when its process was killed is cut off by its token.
struct Destination {
    config: Trees,
    reader: Reader,
    consumer: Consumer,
    feed: TreeFeed,
    counters: Arc<TreeCounters>,
    place: u64,
    flushed: u64,
    lines: Vec<u64>,
    token: Vec<u8>,
}

impl Destination {
    fn open(reader: &Reader, config: &Trees, lines: Vec<u64>) -> Destination {
        let consumer = reader.consumer("file").unwrap();
        if consumer.saved().unwrap().is_none() {
            consumer.save(1, &[]).unwrap();
        }
        let saved = consumer.saved().unwrap().unwrap();
        let counters = Arc::new(TreeCounters::default());
        let setup = Setup {
            config: config.clone(),
            reader: reader.clone(),
            own_records: None,
            keeps_numbers: false,
            counters: Arc::clone(&counters),
        };
        let (feed, place) = TreeFeed::open(&setup, "file", &consumer, &saved).unwrap();
        let token = own_token(&saved.token).to_vec();
        let length = token.first_chunk().map_or(0, |n| u64::from_le_bytes(*n));
        let mut destination = Destination {
            config: config.clone(),
            reader: reader.clone(),
            consumer,
            feed,
            counters,
            place,
            flushed: place,
            lines: lines[..length as usize].to_vec(),
            token,
        };
        destination.save();
        destination
    }

    /// Reads a piece, no further than to `most` of its records.
    fn read(&mut self, most: usize) {
        let portion = self.feed.read(self.place, Duration::ZERO).unwrap();
        let mut to = portion.to;
        let mut taken = 0;
        'all: for (head, batch) in portion.batches.parsed() {
            for record in head.records(&batch) {
                let place = record.store_number.wrapping_add(portion.shift);
                let passes = (self.place..portion.to).contains(&place)
                    && portion.passing.as_ref().is_none_or(|all| all.has(&record));
                if passes {
                    self.lines.push(record.store_number);
                    taken += 1;
                    if taken == most {
                        to = place + 1;
                        break 'all;
                    }
                }
            }
        }
        assert!(to >= self.place);
        self.place = to;
    }

    fn flush(&mut self) {
        self.flushed = self.place;
        self.token = (self.lines.len() as u64).to_le_bytes().to_vec();
    }

    fn save(&mut self) {
        let saved = self.feed.save(&self.consumer, self.flushed, &self.token);
        saved.unwrap();
    }

    fn kill(self) -> Destination {
        Destination::open(&self.reader, &self.config, self.lines)
    }

    /// Reads and decides until nothing is left to do.
    fn finish(&mut self) {
        while self.feed.read_to(self.place) != Some(self.reader.end()) {
            self.read(usize::MAX);
        }
        self.flush();
        self.save();
    }
}

/// A tree as the oracle sees it.
#[derive(Debug, Default)]
struct Seen {
    records: Vec<u64>,
    failed: bool,
    roots: i32,
    ended: bool,
    begun: u64,
    touched: u64,
}

/// Says by the plain rule which record numbers pass.
fn oracle(batches: &[(u64, Vec<Line>)], config: &Trees) -> BTreeSet<u64> {
    let mut open = BTreeMap::<u8, Seen>::new();
    let mut decided = BTreeMap::<u8, bool>::new();
    let mut passing = BTreeSet::new();
    let (mut clock, mut last, mut number) = (0, None::<u64>, 0);
    let decide = |n: u8, tree: Seen, passing: &mut BTreeSet<u64>| {
        let share = config.other.keeps(Randomness::of_trace(trace(n), ""));
        let passes = tree.failed || tree.records.len() > 6 || share;
        if passes {
            passing.extend(tree.records);
        }
        passes
    };
    for (received, lines) in batches {
        clock += last.map_or(0, |last| (received - last).min(STEP));
        last = Some(*received);
        let due = |tree: &Seen| {
            (tree.ended && clock - tree.touched >= QUIET) || clock - tree.begun >= WAIT
        };
        let names: Vec<u8> = open
            .iter()
            .filter(|(_, t)| due(t))
            .map(|(n, _)| *n)
            .collect();
        for n in names {
            let tree = open.remove(&n).unwrap();
            decided.insert(n, decide(n, tree, &mut passing));
        }
        for (of, says) in lines {
            number += 1;
            let Some(n) = of else {
                passing.insert(number);
                continue;
            };
            if let Some(passes) = decided.get(n) {
                if *passes {
                    passing.insert(number);
                }
                continue;
            }
            if !open.contains_key(n) && open.len() >= config.open as usize {
                let oldest = open.iter().min_by_key(|(_, tree)| tree.records[0]);
                let oldest = *oldest.unwrap().0;
                let tree = open.remove(&oldest).unwrap();
                decided.insert(oldest, decide(oldest, tree, &mut passing));
            }
            let tree = open.entry(*n).or_insert_with(|| Seen {
                begun: clock,
                ..Seen::default()
            });
            tree.records.push(number);
            tree.touched = clock;
            match says {
                Says::BeginRoot => (tree.roots, tree.ended) = (tree.roots + 1, false),
                Says::EndRoot => {
                    tree.roots = (tree.roots - 1).max(0);
                    tree.ended = tree.roots == 0;
                }
                Says::Fail => tree.failed = true,
                _ => {}
            }
        }
    }
    passing
}

fn line() -> impl Strategy<Value = Line> {
    let says = prop_oneof![
        3 => Just(Says::BeginRoot),
        3 => Just(Says::EndRoot),
        6 => Just(Says::Event),
        1 => Just(Says::Begin),
        1 => Just(Says::End),
        1 => Just(Says::Fail),
    ];
    (prop::option::weighted(0.9, 0..25u8), says)
}

fn step() -> impl Strategy<Value = Step> {
    let later =
        prop_oneof![4 => Just(0), 4 => Just(STEP), 1 => Just(STEP / 3), 1 => Just(WAIT * 9)];
    prop_oneof![
        6 => (later, prop::collection::vec(line(), 1..12)).prop_map(|(later, lines)| Step::Store(later, lines)),
        4 => (1..4usize, any::<Option<prop::sample::Index>>()).prop_map(|(n, cut)| Step::Read(n, cut)),
        2 => Just(Step::Flush),
        2 => Just(Step::Save),
        1 => Just(Step::Kill),
    ]
}

fn run(steps: &[Step], config: &Trees) -> (Vec<u64>, BTreeSet<u64>) {
    let folder = tempfile::tempdir().unwrap();
    let mut stored = Stored::new(folder.path());
    let reader = stored.store.reader();
    let mut destination = Destination::open(&reader, config, Vec::new());
    for step in steps {
        match step {
            Step::Store(later, lines) => stored.append(*later, lines),
            Step::Read(pieces, cut) => {
                for _ in 1..*pieces {
                    destination.read(usize::MAX);
                }
                destination.read(cut.map_or(usize::MAX, |cut| cut.index(9) + 1));
            }
            Step::Flush => destination.flush(),
            Step::Save => destination.save(),
            Step::Kill => destination = destination.kill(),
        }
    }
    destination.finish();
    // What is not decided yet is after this: time passes.
    for _ in 0..=WAIT / STEP {
        stored.append(STEP, &[(None, Says::Event)]);
    }
    destination.finish();
    let open = destination.counters.open.get();
    assert_eq!(open, 0, "all have waited long enough");
    let passing = oracle(&stored.batches, config);
    (destination.lines, passing)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// However the process reads, flushes, saves and is killed, the destination has what the oracle says, each once.
    #[test]
    fn a_tree_passes_whole_or_not_at_all_whatever_is_killed(
        steps in prop::collection::vec(step(), 0..120),
        open in prop_oneof![Just(1000u32), 1..6u32],
        other in prop_oneof![Just(0.0), Just(0.4)],
    ) {
        let (mut lines, passing) = run(&steps, &config(open, other));
        lines.sort_unstable();
        prop_assert_eq!(lines, passing.into_iter().collect::<Vec<_>>());
    }
}

fn store(lines: &[Line]) -> Step {
    Step::Store(STEP, lines.to_vec())
}

#[test]
fn a_failed_tree_passes_with_what_comes_late_and_others_do_not() {
    use Says::*;
    let mut steps = vec![
        store(&[(Some(1), BeginRoot), (Some(2), BeginRoot), (None, Event)]),
        store(&[(Some(1), Event), (Some(1), Fail), (Some(2), Event)]),
        store(&[(Some(1), EndRoot), (Some(2), EndRoot)]),
    ];
    steps.extend((0..5).map(|_| store(&[(None, Event)])));
    steps.push(Step::Read(3, None));
    steps.extend([Step::Flush, Step::Save, Step::Kill]);
    steps.push(store(&[(Some(2), Fail), (Some(1), Event)]));
    let (lines, _) = run(&steps, &config(1000, 0.0));
    // Those of tree 1 are 1, 4, 5, 7 and, late, 15.
    let of_trees: Vec<u64> = lines
        .into_iter()
        .filter(|n| ![3, 9, 10, 11, 12, 13].contains(n))
        .collect();
    assert_eq!(of_trees[..5], [1, 4, 5, 7, 15]);
    assert!(
        of_trees[5..].iter().all(|n| *n > 15),
        "records outside of traces: {of_trees:?}"
    );
}

#[test]
fn what_retention_took_of_a_tree_is_counted() {
    use Says::*;
    let folder = tempfile::tempdir().unwrap();
    let mut stored = Stored::new(folder.path());
    let reader = stored.store.reader();
    stored.append(
        STEP,
        &[(Some(1), BeginRoot), (Some(1), Fail), (Some(1), EndRoot)],
    );
    for _ in 0..200 {
        stored.append(STEP / 50, &[(None, Event); 10]);
    }
    let mut destination = Destination::open(&reader, &config(9, 0.0), Vec::new());
    // All is decided and nothing delivered.
    while destination.counters.kept.get() == 0 {
        let end = destination.feed.end();
        let read = destination.feed.read(end, Duration::ZERO).unwrap();
        assert_eq!(read.skipped.skipped(), 0);
    }
    drop(destination);
    drop(stored);
    let options = Options {
        reserve: 0,
        segment_size: 8192,
        keep_size: Some(16 << 10),
        ..Options::default()
    };
    let mut store = Store::open(folder.path(), options).unwrap();
    let reader = store.reader();
    distlog_testkit::eventually("retention", || {
        store.maintain(crate::intake::now()).unwrap();
        let first = reader.first();
        if first > 4 { Ok(()) } else { Err(first) }
    });
    let mut destination = Destination::open(&reader, &config(9, 0.0), Vec::new());
    let mut skipped = 0;
    while destination.feed.read_to(destination.place) != Some(reader.end()) {
        let read = destination
            .feed
            .read(destination.place, Duration::ZERO)
            .unwrap();
        skipped += read.skipped.skipped();
        destination.place = read.to;
    }
    assert_eq!(skipped, 3);
}

#[test]
fn a_log_that_is_gone_is_told_and_everything_is_decided_again() {
    use Says::*;
    let folder = tempfile::tempdir().unwrap();
    let mut stored = Stored::new(folder.path());
    let reader = stored.store.reader();
    let mut destination = Destination::open(&reader, &config(9, 0.0), Vec::new());
    stored.append(
        0,
        &[
            (Some(1), BeginRoot),
            (Some(1), Fail),
            (Some(2), BeginRoot),
            (Some(1), EndRoot),
        ],
    );
    destination.finish();
    std::fs::remove_dir_all(folder.path().join("cursors/file.trees")).unwrap();
    let mut destination = destination.kill();
    for _ in 0..=WAIT / STEP {
        stored.append(STEP, &[(None, Event)]);
    }
    destination.finish();
    assert_eq!(destination.lines.iter().filter(|n| **n <= 4).count(), 3);
}
