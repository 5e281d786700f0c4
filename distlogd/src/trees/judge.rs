//! Decides trees of records that are handed over one by one, as `distlogd test` and `distlogd replay` do. The decider
//! is the daemon's own; time passes as the records say, and what is decided is only in memory.

use std::collections::HashMap;

use distlog_proto::{RecordRef, Severity, TraceId};
use distlog_rules::TreeSummary;

use super::config::Trees;
use super::decider::Decider;
use super::decision::{Decided, Decisions, Why};
use crate::self_telemetry::TreeCounters;

/// Decisions that are remembered twice over, some 40 bytes each: records that come later are a tree of their own.
const MAX_DECISIONS: usize = 1 << 21;

/// A tree that was decided.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub(crate) trace: TraceId,
    /// Whether it matches the condition.
    pub(crate) matches: bool,
    pub(crate) passes: bool,
    pub(crate) why: Why,
    pub(crate) summary: OwnedSummary,
}

/// What was known of a tree.
#[derive(Debug, Clone)]
pub(crate) struct OwnedSummary {
    failed: bool,
    lost: bool,
    duration: u64,
    severity: Severity,
    services: String,
    records: u64,
    tasks: u64,
    name: String,
    root: bool,
}

impl OwnedSummary {
    /// As conditions see it.
    pub(crate) fn summary(&self) -> TreeSummary<'_> {
        TreeSummary {
            failed: self.failed,
            lost: self.lost,
            duration: self.duration,
            severity: self.severity,
            services: &self.services,
            records: self.records,
            tasks: self.tasks,
            name: &self.name,
            root: self.root,
        }
    }
}

impl From<&TreeSummary<'_>> for OwnedSummary {
    fn from(tree: &TreeSummary<'_>) -> OwnedSummary {
        OwnedSummary {
            failed: tree.failed,
            lost: tree.lost,
            duration: tree.duration,
            severity: tree.severity,
            services: tree.services.to_owned(),
            records: tree.records,
            tasks: tree.tasks,
            name: tree.name.to_owned(),
            root: tree.root,
        }
    }
}

/// What is decided, in two generations.
#[derive(Default)]
struct Remembered {
    new: HashMap<TraceId, bool>,
    old: HashMap<TraceId, bool>,
    judged: Vec<Judged>,
}

impl Decisions for Remembered {
    fn decision(&mut self, trace: TraceId, _number: u64) -> Option<bool> {
        let found = self.new.get(&trace).or_else(|| self.old.get(&trace));
        found.copied()
    }

    fn decide(&mut self, trace: TraceId, passes: bool) {
        self.new.insert(trace, passes);
        if self.new.len() >= MAX_DECISIONS {
            self.old = std::mem::take(&mut self.new);
        }
    }

    fn explain(&mut self, decided: &Decided<'_>) {
        self.judged.push(Judged {
            trace: decided.trace,
            matches: decided.matches,
            passes: decided.passes,
            why: decided.why,
            summary: OwnedSummary::from(&decided.summary),
        });
    }
}

/// Decides the trees of one processor.
pub(crate) struct TreeJudge {
    decider: Decider,
    remembered: Remembered,
    counters: TreeCounters,
}

impl TreeJudge {
    pub(crate) fn new(config: &Trees) -> TreeJudge {
        TreeJudge {
            decider: Decider::new(config.clone(), 0, 0),
            remembered: Remembered::default(),
            counters: TreeCounters::default(),
        }
    }

    /// Takes a record, whose number is higher than those before, at a time in ns that never goes back.
    pub(crate) fn take(&mut self, record: &RecordRef<'_>, now: u64) {
        let (remembered, counters) = (&mut self.remembered, &self.counters);
        self.decider.take_one(record, now, remembered, counters);
    }

    /// Nothing comes any more: all trees are decided.
    pub(crate) fn finish(&mut self) {
        self.decider.finish(&mut self.remembered, &self.counters);
    }

    /// Whether a tree passes, if that is decided.
    pub(crate) fn decision(&mut self, trace: TraceId) -> Option<bool> {
        self.remembered.decision(trace, 0)
    }

    /// What was decided since this was asked last.
    pub(crate) fn judged(&mut self) -> Vec<Judged> {
        std::mem::take(&mut self.remembered.judged)
    }

    /// How many trees wait.
    pub(crate) fn open(&self) -> usize {
        self.decider.open()
    }
}
