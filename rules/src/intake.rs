//! The rules of the intake: what of a batch is stored, and how.

use distlog_proto::sampling::{Randomness, Threshold};
use distlog_proto::trace_context::with_threshold;
use distlog_proto::wire::{BatchEdit, DoesNotFit, SourceRef, encode};
use distlog_proto::{BatchRef, Kind, Record, RecordRef, Source};

use super::change::{Change, Changed, change};
use super::condition::Condition;
use super::memo::Memo;
use super::node::Node;
use super::redaction::{Clean, Redaction};
use super::router::assign_slots;
use super::torn::DroppedBegins;

/// Room for what only some rules redact in a source, in bytes.
const MORE: usize = 1024;

/// One rule of the intake.
#[derive(Debug, Clone, PartialEq)]
pub struct IntakeRule {
    /// What it is called where it is counted.
    pub name: String,
    /// `None` matches every record.
    pub when: Option<Condition>,
    /// What happens to records that match.
    pub action: Action,
}

/// What a rule of the intake does to a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It is not stored.
    Drop,
    /// It is stored if its trace is kept, and may be changed.
    Keep {
        /// Which traces are kept; `None`: all.
        sample: Option<Threshold>,
        /// What is set and redacted.
        change: Change,
    },
}

impl IntakeRule {
    fn redaction(&self) -> Option<&Redaction> {
        match &self.action {
            Action::Drop => None,
            Action::Keep { change, .. } => change.redact.as_ref(),
        }
    }
}

/// What is counted by rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Records that match its condition, whatever happens to them.
    Matched,
    /// Records that were dropped.
    Dropped,
    /// Records in which something was redacted.
    Redacted,
    /// Values that could not be set.
    Failed,
}

/// A batch that is to be stored in place of the one that came.
#[derive(Debug, PartialEq, Eq)]
pub struct Edited {
    /// A `distlog.v1.RecordBatch`; empty if no record is left.
    pub bytes: Vec<u8>,
    /// How many records it has.
    pub count: u32,
    /// Records that no longer fitted once others had grown.
    pub left_out: u64,
}

/// The rules of the intake, in order. Any number of threads apply them.
#[derive(Debug)]
pub struct IntakeRules {
    rules: Vec<IntakeRule>,
    /// Those of the rules, with slots for what they ask for in common.
    conditions: Vec<Option<Node>>,
    slots: usize,
    dropped: DroppedBegins,
}

/// What becomes of a record.
enum Decision {
    Keep,
    Drop,
    Replace(Box<Record>),
    /// It cannot be read as it was changed: what later rules redact must not be stored.
    LeftOut,
}

/// A batch while the rules are applied to it.
struct Pass<'r> {
    rules: &'r IntakeRules,
    source: &'r SourceRef<'r>,
    /// The source, when it is needed.
    owned: Option<Source>,
    /// Which rules redact the source, of those that a record matched.
    redacts_source: Vec<Option<bool>>,
    note: &'r mut dyn FnMut(usize, Counted, u64),
}

impl IntakeRules {
    /// In the order in which they are applied.
    pub fn new(rules: Vec<IntakeRule>) -> IntakeRules {
        let conditions = rules.iter().map(|rule| rule.when.as_ref());
        let mut conditions: Vec<Option<Node>> = conditions
            .map(|when| when.map(|when| when.node().clone()))
            .collect();
        let mut all: Vec<&mut Node> = conditions.iter_mut().flatten().collect();
        IntakeRules {
            slots: assign_slots(&mut all),
            conditions,
            rules,
            dropped: DroppedBegins::default(),
        }
    }

    /// The rules.
    pub fn rules(&self) -> &[IntakeRule] {
        &self.rules
    }

    /// Applies the rules to each record of a batch; `None`: all of it stays as it is. `limit`: the most bytes that a
    /// batch may have. `note` hears what is to be counted, by the number of the rule.
    ///
    /// A batch that cannot be read stays as it is: whoever took it has checked it.
    pub fn apply(
        &self,
        bytes: &[u8],
        limit: usize,
        note: &mut dyn FnMut(usize, Counted, u64),
    ) -> Option<Edited> {
        let batch = BatchRef::parse(bytes).ok()?;
        let mut pass = Pass {
            rules: self,
            source: batch.source(),
            owned: None,
            redacts_source: vec![None; self.rules.len()],
            note,
        };
        let mut clean = vec![Clean::default(); self.rules.len()];
        let mut edit: Option<BatchEdit> = None;
        let mut left_out = 0;
        let mut room = None;
        for (at, record) in batch.records().enumerate() {
            let Ok(record) = record else { continue };
            let decision = pass.decide(&record, &mut clean);
            if matches!(decision, Decision::Keep) && edit.is_none() {
                continue;
            }
            let room = *room.get_or_insert_with(|| limit.saturating_sub(pass.source_len()));
            let edit = edit.get_or_insert_with(|| copied(&batch, &record, at, room, &mut left_out));
            let put = match decision {
                Decision::Keep => edit.keep(&record, room),
                Decision::Drop => Ok(()),
                Decision::LeftOut => Err(DoesNotFit),
                Decision::Replace(changed) => edit.replace(&record, &changed, room),
            };
            left_out += u64::from(put == Err(DoesNotFit));
        }
        let source = pass.redacted_source();
        if source.is_some()
            && edit.is_none()
            && let Some(first) = batch.records().flatten().next()
        {
            let room = limit.saturating_sub(pass.source_len());
            edit = Some(copied(&batch, &first, usize::MAX, room, &mut left_out));
        }
        let edit = edit?;
        let count = edit.count();
        let source = source.unwrap_or_else(|| batch.source().to_source());
        let bytes = match count {
            0 => Vec::new(),
            _ => edit.finish(&source),
        };
        Some(Edited {
            bytes,
            count,
            left_out,
        })
    }
}

/// The first records of a batch, as they are.
fn copied(
    batch: &BatchRef<'_>,
    one: &RecordRef<'_>,
    records: usize,
    room: usize,
    left_out: &mut u64,
) -> BatchEdit {
    let mut edit = BatchEdit::beside(one);
    for record in batch.records().take(records).flatten() {
        *left_out += u64::from(edit.keep(&record, room).is_err());
    }
    edit
}

impl<'r> Pass<'r> {
    fn decide<'a>(&mut self, record: &RecordRef<'a>, clean: &mut [Clean<'a>]) -> Decision
    where
        'r: 'a,
    {
        let mut changed = match self.step(record, 0, clean) {
            (_, Step::Done) => return Decision::Keep,
            (_, Step::Drop) => return Decision::Drop,
            (at, Step::Change(changed)) => (at, changed),
        };
        // Later rules see what earlier ones have set.
        while changed.0 + 1 < self.rules.rules.len() {
            let mut edit = BatchEdit::beside(record);
            let fits = edit.replace(record, &changed.1, usize::MAX);
            let source = self.owned.get_or_insert_with(|| self.source.to_source());
            let bytes = edit.finish(source);
            let Ok(batch) = BatchRef::parse(&bytes) else {
                return Decision::LeftOut;
            };
            let Some(Ok(record)) = batch.records().next().filter(|_| fits.is_ok()) else {
                return Decision::LeftOut;
            };
            let mut unknown = vec![Clean::default(); self.rules.rules.len()];
            match self.step(&record, changed.0 + 1, &mut unknown) {
                (_, Step::Done) => break,
                (_, Step::Drop) => return Decision::Drop,
                (at, Step::Change(again)) => changed = (at, again),
            }
        }
        Decision::Replace(changed.1)
    }

    /// Applies the rules from a number on, up to the first that changes something: gives its number.
    fn step<'a>(
        &mut self,
        record: &RecordRef<'a>,
        from: usize,
        clean: &mut [Clean<'a>],
    ) -> (usize, Step)
    where
        'r: 'a,
    {
        let rules = self.rules;
        let memo = Memo::new(rules.slots);
        let both = rules.rules.iter().zip(&rules.conditions).enumerate();
        for (at, (rule, condition)) in both.skip(from) {
            let matches = |node: &'a Node| node.test(record, &memo) == Ok(true);
            if !condition.as_ref().is_none_or(matches) {
                continue;
            }
            (self.note)(at, Counted::Matched, 1);
            let (sample, change_of) = match &rule.action {
                Action::Drop => (Some(Threshold::NEVER), None),
                Action::Keep { sample, change } => (*sample, Some(change)),
            };
            if sample.is_some_and(|sample| !sample.keeps(randomness(record)))
                && self.rules.dropped.may_go(record)
            {
                (self.note)(at, Counted::Dropped, 1);
                return (at, Step::Drop);
            }
            let Some(of) = change_of else { continue };
            let mark = sample.filter(|sample| is_to_be_marked(record, *sample));
            if let Some(changed) = self.change(at, of, mark, record, &mut clean[at]) {
                return (at, Step::Change(changed));
            }
        }
        (rules.rules.len(), Step::Done)
    }

    /// `mark`: the threshold that the record's `tracestate` is to have.
    fn change<'a>(
        &mut self,
        at: usize,
        of: &Change,
        mark: Option<Threshold>,
        record: &RecordRef<'a>,
        clean: &mut Clean<'a>,
    ) -> Option<Box<Record>> {
        if let (Some(redaction), None) = (&of.redact, self.redacts_source[at]) {
            self.redacts_source[at] = Some(redaction.finds_in_source(self.source));
        }
        // What most records are.
        let finds = |redaction: &Redaction| redaction.finds_unless_clean(record, clean);
        let is_changed = !of.set.is_empty() || of.redact.as_ref().is_some_and(finds);
        if !is_changed && mark.is_none() {
            return None;
        }
        let mut failed = 0;
        let changed = change(std::iter::once(of), record, &mut failed);
        if failed > 0 {
            (self.note)(at, Counted::Failed, failed);
        }
        let mut changed = match changed {
            None => {
                mark?;
                record.to_record_of(Source::default())
            }
            Some(Changed { record, redacted }) => {
                if redacted {
                    (self.note)(at, Counted::Redacted, 1);
                }
                record
            }
        };
        if let (Some(threshold), Some(task)) = (mark, &mut changed.task) {
            task.trace_state = with_threshold(&task.trace_state, Some(threshold));
        }
        Some(Box::new(changed))
    }

    /// How long the source may become, in bytes.
    fn source_len(&self) -> usize {
        let mut source = self.source.to_source();
        let as_it_is = encoded_len(&source);
        let rules = self.rules.rules.iter();
        for redaction in rules.filter_map(IntakeRule::redaction) {
            redaction.redact_source(&mut source);
        }
        as_it_is.max(encoded_len(&source)) + MORE
    }

    /// The source without what rules redact; `None`: it stays as it is.
    fn redacted_source(&self) -> Option<Source> {
        let redacting = self.rules.rules.iter().zip(&self.redacts_source);
        let mut redacting = redacting
            .filter(|(_, redacts)| **redacts == Some(true))
            .peekable();
        redacting.peek()?;
        let mut source = self.source.to_source();
        for redaction in redacting.filter_map(|(rule, _)| rule.redaction()) {
            redaction.redact_source(&mut source);
        }
        Some(source)
    }
}

fn encoded_len(source: &Source) -> usize {
    let mut encoded = Vec::new();
    encode::source(&mut encoded, source);
    encoded.len()
}

/// What a rule made of a record.
enum Step {
    /// No further rule touches it.
    Done,
    Drop,
    Change(Box<Record>),
}

/// Whether a kept record is to say by which threshold: it begins a task, which becomes a span elsewhere, and nobody
/// sampled its trace more strictly before.
fn is_to_be_marked(record: &RecordRef<'_>, threshold: Threshold) -> bool {
    let task = record.task.as_ref().filter(|_| record.kind == Kind::Begin);
    task.is_some_and(|task| {
        let before = Threshold::of_trace_state(task.trace_state);
        threshold > before.unwrap_or(Threshold::ALWAYS) && threshold.keeps(randomness(record))
    })
}

/// What a record is sampled by: its trace, if it has one.
fn randomness(record: &RecordRef<'_>) -> Randomness {
    if let Some(task) = &record.task {
        return Randomness::of_trace(task.trace_id, task.trace_state);
    }
    match record.otlp().and_then(|otlp| otlp.trace_id) {
        Some(trace) => Randomness::of_trace(trace, ""),
        None => Randomness::of_record(record.source.producer, record.offset),
    }
}
