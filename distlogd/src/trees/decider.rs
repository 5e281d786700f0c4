//! Decides which trees pass: a summary for each open tree, made of the records as they are read.

use std::collections::HashMap;
use std::time::Instant;

use distlog_proto::sampling::Randomness;
use distlog_proto::wire::RecordHeader;
use distlog_proto::{Kind, Outcome, RecordRef, TraceId};
use distlog_rules::TreeSummary;
use distlog_store::Batches;

use super::clock::{Clock, nanos};
use super::config::Trees as Config;
use super::decision::{Decided, Decisions, Why};
use super::frame::{Frame, Part};
use super::open::{OpenTrees, Slot, Tree};
use super::plan;
use super::texts::{NO_TEXT, TextId, Texts};
use crate::self_telemetry::TreeCounters;
use crate::tree::service_of_source;

/// Longest name of a root, in bytes; longer ones are cut.
const MAX_NAME: usize = 256;
/// No duration is known.
const UNKNOWN: u64 = u64::MAX;

/// A record that was read.
struct Seen<'a> {
    number: u64,
    /// When, in ns since the epoch.
    received: u64,
    header: RecordHeader<'a>,
}

impl Seen<'_> {
    /// Whether it says what a root is called.
    fn names_root(&self) -> bool {
        !self.header.has_parent && matches!(self.header.kind, Kind::Begin | Kind::End)
    }
}

/// What is decided and not in a frame yet.
#[derive(Debug, Default)]
struct Due {
    decided: Vec<(TraceId, bool)>,
    /// Records that pass, by their traces: of trees that are decided, and those that came late.
    parts: HashMap<TraceId, Part>,
    /// Records outside of traces lie within these numbers.
    loose: (u64, u64),
}

impl Due {
    fn add(&mut self, part: Part) {
        let known = self.parts.entry(part.trace);
        let known = known.or_insert(Part { records: 0, ..part });
        known.from = known.from.min(part.from);
        known.to = known.to.max(part.to);
        known.records = known.records.saturating_add(part.records);
    }
}

/// Reads records and decides.
pub(super) struct Decider {
    config: Config,
    open: OpenTrees,
    texts: Texts,
    clock: Clock,
    /// The number of the record that is read next.
    position: u64,
    /// Records before this number were read before a restart: what was decided then is in the log.
    known: u64,
    due: Due,
}

impl Decider {
    /// Begins at a record. Those before `known` were read before.
    pub(super) fn new(config: Config, position: u64, known: u64) -> Decider {
        let shortest = config.quiet.min(config.wait);
        Decider {
            clock: Clock::new(shortest),
            config,
            open: OpenTrees::default(),
            texts: Texts::default(),
            position,
            known,
            due: Due::default(),
        }
    }

    /// The number of the record that is read next.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// How many trees are open.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// The number of the oldest record that is not decided.
    pub(super) fn oldest(&self) -> u64 {
        let first = self.open.oldest().map(|tree| tree.first);
        first.map_or(self.position, |first| first.min(self.position))
    }

    /// Takes batches that were read from the store. The position is then `to`.
    pub(super) fn take(
        &mut self,
        batches: &Batches,
        to: u64,
        log: &mut impl Decisions,
        counters: &TreeCounters,
    ) {
        // Records of one tree mostly follow each other.
        let mut last = None;
        for (head, batch) in batches.parsed() {
            self.clock.read(head.received);
            if head.first >= self.known {
                // Before each batch: what is decided does not depend on how much is read at once.
                self.decide_due(log, counters);
                last = None;
            }
            for (number, header) in (head.first..).zip(batch.headers()) {
                if number >= self.position
                    && let Ok(header) = header
                {
                    let seen = Seen {
                        number,
                        received: head.received,
                        header,
                    };
                    self.record(&seen, &mut last, log, counters);
                }
            }
        }
        self.position = to.max(self.position);
    }

    /// Takes a record that no store has; its number is higher than those before. `now` is the time that its records
    /// tell, in ns: no other passes.
    pub(super) fn take_one(
        &mut self,
        record: &RecordRef<'_>,
        now: u64,
        log: &mut impl Decisions,
        counters: &TreeCounters,
    ) {
        self.clock.set(now);
        self.decide_due(log, counters);
        let seen = Seen {
            number: record.store_number,
            received: now,
            header: record.header(),
        };
        self.record(&seen, &mut None, log, counters);
        self.position = record.store_number + 1;
        self.due = Due::default();
    }

    /// Nothing comes any more: decides all trees, first those whose root has ended.
    pub(super) fn finish(&mut self, log: &mut impl Decisions, counters: &TreeCounters) {
        while let Some(trace) = self.open.quietest().map(|tree| tree.trace) {
            self.decide(trace, Why::Quiet, log, counters);
        }
        while let Some(trace) = self.open.oldest().map(|tree| tree.trace) {
            self.decide(trace, Why::Wait, log, counters);
        }
        self.due = Due::default();
    }

    /// `last` is the tree of the record before.
    fn record(
        &mut self,
        seen: &Seen<'_>,
        last: &mut Option<(TraceId, Slot)>,
        log: &mut impl Decisions,
        counters: &TreeCounters,
    ) {
        let number = seen.number;
        let Some((trace, _)) = seen.header.task else {
            self.loose(number);
            return;
        };
        let known = match *last {
            Some((known, slot)) if known == trace => Some(slot),
            _ => self.open.find(trace),
        };
        let slot = match known {
            Some(slot) => slot,
            None => match log.decision(trace, number) {
                Some(passes) => {
                    self.late(trace, number, passes, counters);
                    return;
                }
                None => {
                    self.make_room(log, counters);
                    let tree = self.begin(trace, seen);
                    self.open.insert(tree)
                }
            },
        };
        self.note(slot, seen);
        *last = Some((trace, slot));
    }

    /// A record outside of traces.
    fn loose(&mut self, number: u64) {
        if number >= self.known {
            let (from, to) = &mut self.due.loose;
            if from == to {
                *from = number;
            }
            *to = number + 1;
        }
    }

    /// A record of a tree that is decided.
    fn late(&mut self, trace: TraceId, number: u64, passes: bool, counters: &TreeCounters) {
        if number < self.known {
            return;
        }
        if !passes {
            counters.late_dropped.inc();
            return;
        }
        counters.late_kept.inc();
        self.due.add(Part {
            trace,
            from: number,
            to: number + 1,
            records: 1,
        });
    }

    fn make_room(&mut self, log: &mut impl Decisions, counters: &TreeCounters) {
        if self.open.len() >= self.config.open as usize
            && let Some(oldest) = self.open.oldest().map(|tree| tree.trace)
        {
            self.decide(oldest, Why::Limit, log, counters);
        }
    }

    /// A tree with this first record.
    fn begin(&mut self, trace: TraceId, seen: &Seen<'_>) -> Tree {
        let now = self.clock.now();
        let whole = seen.header.read().ok();
        let trace_state = whole.and_then(|record| Some(record.task?.trace_state));
        let mut tree = Tree {
            trace,
            first: seen.number,
            last: seen.number,
            earliest: u64::MAX,
            latest: 0,
            took: UNKNOWN,
            begun: now,
            touched: now,
            randomness: Randomness::of_trace(trace, trace_state.unwrap_or_default()),
            records: 0,
            tasks: 0,
            open_roots: 0,
            severity: distlog_proto::Severity::UNSET,
            failed: false,
            lost: false,
            ended: false,
            services: NO_TEXT,
            name: NO_TEXT,
        };
        if seen.names_root() {
            tree.name = self.name(whole);
        }
        tree
    }

    /// The name of a root.
    fn name(&mut self, record: Option<RecordRef<'_>>) -> TextId {
        let name = record.map(|record| record.task_name()).unwrap_or_default();
        let mut cut = (0..=MAX_NAME.min(name.len())).rev();
        let end = cut.find(|end| name.is_char_boundary(*end));
        self.texts.take(&name[..end.unwrap_or_default()])
    }

    /// Adds a record to a tree.
    fn note(&mut self, slot: Slot, seen: &Seen<'_>) {
        let header = &seen.header;
        let tree = self.open.get_mut(slot);
        let time = header.time_or(seen.received);
        tree.last = seen.number;
        tree.earliest = tree.earliest.min(time);
        tree.latest = tree.latest.max(time);
        tree.records = tree.records.saturating_add(1);
        tree.severity = tree.severity.max(header.severity());
        tree.services = self
            .texts
            .with(tree.services, service_of_source(header.source()));
        let mut ended = tree.ended;
        let is_root = !header.has_parent;
        match header.kind {
            Kind::Begin => {
                tree.tasks = tree.tasks.saturating_add(1);
                if is_root {
                    tree.open_roots = tree.open_roots.saturating_add(1);
                    ended = false;
                }
            }
            Kind::End => {
                tree.failed |= matches!(header.outcome, Outcome::Failed | Outcome::Lost);
                tree.lost |= header.outcome == Outcome::Lost;
                if is_root {
                    // The end of one that was thought lost comes after the one that the daemon wrote.
                    tree.open_roots = tree.open_roots.saturating_sub(1);
                    tree.took = header.took().unwrap_or(tree.took);
                    ended = tree.open_roots == 0;
                }
            }
            Kind::Event | Kind::Bind => {}
        }
        if tree.name == NO_TEXT && seen.names_root() {
            let name = self.name(header.read().ok());
            self.open.get_mut(slot).name = name;
        }
        self.open.touch(slot, self.clock.now(), ended);
    }

    /// Everything is read that was there at that time; it is told so again and again while trees are open.
    pub(super) fn caught_up(&mut self, at: Instant) {
        self.clock.caught_up(at);
    }

    /// Decides what is due, and gives what is decided since the last frame; none if that is nothing.
    pub(super) fn frame(
        &mut self,
        log: &mut impl Decisions,
        counters: &TreeCounters,
    ) -> Option<Frame> {
        if self.position >= self.known {
            self.decide_due(log, counters);
        }
        let due = std::mem::take(&mut self.due);
        let entries = plan::entries(due.parts.into_values().collect(), due.loose);
        (!due.decided.is_empty() || !entries.is_empty()).then_some(Frame {
            position: self.position,
            decided: due.decided,
            entries,
        })
    }

    /// Decides the trees that are quiet or have waited for long.
    fn decide_due(&mut self, log: &mut impl Decisions, counters: &TreeCounters) {
        let now = self.clock.now();
        let (quiet, wait) = (nanos(self.config.quiet), nanos(self.config.wait));
        let is_quiet = |tree: &&Tree| now - tree.touched >= quiet;
        while let Some(trace) = self.open.quietest().filter(is_quiet).map(|tree| tree.trace) {
            self.decide(trace, Why::Quiet, log, counters);
        }
        let has_waited = |tree: &&Tree| now - tree.begun >= wait;
        while let Some(trace) = self.open.oldest().filter(has_waited).map(|tree| tree.trace) {
            self.decide(trace, Why::Wait, log, counters);
        }
    }

    fn decide(
        &mut self,
        trace: TraceId,
        why: Why,
        log: &mut impl Decisions,
        counters: &TreeCounters,
    ) {
        let Some(tree) = self.open.remove(trace) else {
            return;
        };
        let summary = TreeSummary {
            failed: tree.failed,
            lost: tree.lost,
            duration: match tree.took {
                UNKNOWN => tree.latest.saturating_sub(tree.earliest),
                took => took,
            },
            severity: tree.severity,
            services: self.texts.get(tree.services),
            records: tree.records.into(),
            tasks: tree.tasks.into(),
            name: self.texts.get(tree.name),
            root: tree.ended,
        };
        let matches = self.config.keep.matches(&summary);
        let passes = matches || self.config.other.keeps(tree.randomness);
        log.explain(&Decided {
            trace,
            summary,
            matches,
            passes,
            why,
        });
        self.texts.release(tree.services);
        self.texts.release(tree.name);
        counters.decided(matches, passes).inc();
        match why {
            Why::Quiet => {}
            Why::Wait => _ = counters.early_wait.inc(),
            Why::Limit => _ = counters.early_limit.inc(),
        }
        log.decide(trace, passes);
        self.due.decided.push((trace, passes));
        if passes {
            self.due.add(Part {
                trace,
                from: tree.first,
                to: tree.last + 1,
                records: tree.records,
            });
        }
    }
}
