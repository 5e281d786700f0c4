//! What a configuration does with records, without a daemon: for `distlogd test` and `distlogd replay`.
//!
//! Each record goes through what the daemon itself runs: the rules of the intake ([`IntakeRules`]), the router of each
//! processor, what changes records for it ([`Outgoing`]), and the decider of its trees. Nothing is read, written or
//! started here.
//!
//! Two things differ. A record comes in a batch of its own: of a resource that all records of a batch share, redaction
//! in the intake for one of them hides it only there. And time passes as the records tell it: a tree is decided by
//! their times and, if nothing comes any more, at once.

use distlog_proto::wire::BatchWriter;
use distlog_proto::{BatchRef, Kind, Outcome, Record, RecordRef, TraceId};
use distlog_rules::{Condition, Counted, IntakeRule, IntakeRules, Outgoing, Router};
use distlog_store::MAX_BATCH;

use crate::config::Config;
use crate::trees::{Judged, TreeJudge};

/// A batch with this record.
pub(crate) fn batch_of(record: &Record) -> Vec<u8> {
    let mut writer = BatchWriter::new();
    writer.push(record);
    writer.finish()
}

/// Shows the first record of a batch; nothing if it has none.
pub(crate) fn with_record<R>(batch: &[u8], show: impl FnOnce(RecordRef<'_>) -> R) -> Option<R> {
    let batch = BatchRef::parse(batch).ok()?;
    let record = batch.records().next()?.ok()?;
    Some(show(record))
}

/// A processor, as far as records go to it.
pub(crate) struct Destination {
    pub(crate) name: String,
    /// The rules that lead to it, by their numbers from 0.
    pub(crate) rules: Vec<usize>,
    pub(crate) filter: Option<Condition>,
    router: Router,
    outgoing: Outgoing,
    trees: Option<TreeJudge>,
}

impl Destination {
    fn new(config: &Config, name: &str) -> Destination {
        let mut entries = config.processors.iter();
        let entry = entries.find(|entry| entry.name == name);
        let rules = config.rules.iter().enumerate();
        let mine = rules.filter(|(_, rule)| rule.to.iter().any(|to| to == name));
        Destination {
            name: name.to_owned(),
            rules: mine.map(|(at, _)| at).collect(),
            filter: entry.and_then(|entry| entry.filter.clone()),
            router: config.router(name),
            outgoing: config.outgoing(name),
            trees: entry.and_then(|entry| entry.trees.as_ref().map(TreeJudge::new)),
        }
    }

    /// Whether whole trees pass to it.
    pub(crate) fn waits_for_trees(&self) -> bool {
        self.trees.is_some()
    }

    /// Whether it changes what it gets.
    pub(crate) fn changes(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The record of a batch as it leaves for the processor.
    pub(crate) fn outgoing(&self, stored: &[u8]) -> Option<Record> {
        with_record(stored, |record| {
            self.outgoing.present(&[record], &mut 0, |records| {
                records.first().map(RecordRef::to_record)
            })
        })?
    }
}

/// What the intake does with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Stored,
    /// A rule drops it, by its number from 0.
    Dropped(usize),
    /// As it was changed it is too large for a batch, or cannot be read.
    LeftOut,
}

/// Whether a processor gets a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// No rule that leads there matches.
    Unrouted,
    /// A rule does, and the processor's filter does not.
    Filtered,
    Sent,
    /// Its tree was dropped before it came.
    TreeDropped,
    /// Its tree is not decided.
    Waits(TraceId),
}

/// What is decided about a record when it comes.
#[derive(Debug)]
pub(crate) struct Evaluated {
    /// The rules of the intake that match, by their numbers from 0.
    pub(crate) intake: Vec<usize>,
    pub(crate) fate: Fate,
    /// The batch that is stored; empty if nothing is.
    pub(crate) stored: Vec<u8>,
    /// The rules that match, by their numbers from 0.
    pub(crate) rules: Vec<usize>,
    /// By processor.
    pub(crate) routes: Vec<Route>,
}

/// A configuration at work.
pub(crate) struct Evaluator {
    config: Config,
    intake: Option<IntakeRules>,
    destinations: Vec<Destination>,
    /// The number of the next record.
    number: u64,
    /// The latest time of the records, in ns since the epoch.
    now: u64,
    /// Later times do not count.
    latest: u64,
}

impl Evaluator {
    /// `latest`: no record can be of a later time, in ns since the epoch.
    pub(crate) fn new(config: &Config, latest: u64) -> Evaluator {
        let own = config.processors.iter().map(|entry| entry.name.as_str());
        let mut names: Vec<&str> = own.collect();
        // Processors that are registered in code stand only in rules.
        for name in config.rules.iter().flat_map(|rule| &rule.to) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let destinations = names.iter().map(|name| Destination::new(config, name));
        Evaluator {
            intake: intake_of(&config.intake),
            destinations: destinations.collect(),
            config: config.clone(),
            number: 1,
            now: 0,
            latest,
        }
    }

    /// The records are stored already: the rules of the intake are passed over.
    pub(crate) fn without_intake(mut self) -> Evaluator {
        self.intake = None;
        self
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The processors: those of the configuration, then those that only rules name.
    pub(crate) fn destinations(&self) -> &[Destination] {
        &self.destinations
    }

    /// Takes the next record, the only one of a batch.
    pub(crate) fn take(&mut self, batch: Vec<u8>) -> Evaluated {
        let mut evaluated = Evaluated {
            intake: Vec::new(),
            fate: Fate::Stored,
            stored: Vec::new(),
            rules: Vec::new(),
            routes: vec![Route::Unrouted; self.destinations.len()],
        };
        let own = with_record(&batch, |record| is_own(&record)) == Some(true);
        evaluated.stored = match &self.intake {
            Some(rules) if !own => apply(rules, batch, &mut evaluated),
            _ => batch,
        };
        let stored = std::mem::take(&mut evaluated.stored);
        if evaluated.fate == Fate::Stored {
            with_record(&stored, |record| self.route(record, &mut evaluated));
        }
        evaluated.stored = stored;
        evaluated
    }

    fn route(&mut self, mut record: RecordRef<'_>, evaluated: &mut Evaluated) {
        record.store_number = self.number;
        self.number += 1;
        self.now = self.now.max(record.time.min(self.latest));
        let matches = |when: &Option<Condition>| when.as_ref().is_none_or(|w| w.matches(&record));
        let rules = self.config.rules.iter().enumerate();
        let rules = rules.filter(|(_, rule)| matches(&rule.when));
        evaluated.rules = rules.map(|(at, _)| at).collect();
        let both = self.destinations.iter_mut().zip(&mut evaluated.routes);
        for (destination, route) in both {
            // Also what does not go there says how its tree ended.
            if let Some(judge) = &mut destination.trees {
                judge.take(&record, self.now);
            }
            *route = if destination.router.takes(&record) {
                match (&mut destination.trees, record.task) {
                    (Some(judge), Some(task)) => match judge.decision(task.trace_id) {
                        Some(true) => Route::Sent,
                        Some(false) => Route::TreeDropped,
                        None => Route::Waits(task.trace_id),
                    },
                    _ => Route::Sent,
                }
            } else if destination
                .rules
                .iter()
                .any(|rule| evaluated.rules.contains(rule))
            {
                Route::Filtered
            } else {
                Route::Unrouted
            };
        }
    }

    /// Nothing comes any more: the trees that wait are decided.
    pub(crate) fn finish(&mut self) {
        let trees = self
            .destinations
            .iter_mut()
            .filter_map(|d| d.trees.as_mut());
        trees.for_each(TreeJudge::finish);
    }

    /// The trees that were decided since this was asked last, each with the number of its processor.
    pub(crate) fn judged(&mut self) -> Vec<(usize, Judged)> {
        let mut judged = Vec::new();
        for (at, destination) in self.destinations.iter_mut().enumerate() {
            let of = destination.trees.as_mut().map(TreeJudge::judged);
            judged.extend(of.into_iter().flatten().map(|one| (at, one)));
        }
        judged
    }

    /// How many trees wait, of the processor where most do.
    pub(crate) fn open(&self) -> usize {
        let trees = self.destinations.iter().filter_map(|d| d.trees.as_ref());
        trees.map(TreeJudge::open).max().unwrap_or(0)
    }

    /// The record of a batch as a rule of the intake sees it, by its number from 0; `None`: it is dropped before.
    pub(crate) fn before_intake(&self, batch: &[u8], rule: usize) -> Option<Vec<u8>> {
        let before = self.config.intake.get(..rule)?;
        match intake_of(before) {
            None => Some(batch.to_vec()),
            Some(rules) => match rules.apply(batch, MAX_BATCH, &mut |_, _, _| {}) {
                None => Some(batch.to_vec()),
                Some(edited) => (edited.count > 0).then_some(edited.bytes),
            },
        }
    }
}

/// Whether the daemon wrote a record itself, which goes past the intake: that a task is lost, or what it skipped.
fn is_own(record: &RecordRef<'_>) -> bool {
    let lost = record.kind == Kind::End && record.outcome == Outcome::Lost;
    lost || record.source.service == "distlogd" && record.callsite.target == "distlogd"
}

/// `None` if there are none.
fn intake_of(rules: &[IntakeRule]) -> Option<IntakeRules> {
    (!rules.is_empty()).then(|| IntakeRules::new(rules.to_vec()))
}

/// What the rules of the intake leave of a batch.
fn apply(rules: &IntakeRules, batch: Vec<u8>, evaluated: &mut Evaluated) -> Vec<u8> {
    let edited = rules.apply(&batch, MAX_BATCH, &mut |rule, what, _| match what {
        Counted::Matched => evaluated.intake.push(rule),
        Counted::Dropped => evaluated.fate = Fate::Dropped(rule),
        Counted::Redacted | Counted::Failed => {}
    });
    let Some(edited) = edited else { return batch };
    if edited.count == 0 && evaluated.fate == Fate::Stored {
        evaluated.fate = Fate::LeftOut;
    }
    edited.bytes
}

#[cfg(test)]
mod tests;
