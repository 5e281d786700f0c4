//! What is changed in the records of one processor, when they leave for it.

use distlog_proto::wire::{BatchEdit, SourceRef};
use distlog_proto::{BatchRef, Callsite, Record, RecordRef, Source};

use super::change::{Change, change};
use super::condition::Condition;
use super::redaction::Redaction;
use super::router::Rule;

/// The changes of the rules that lead to a processor, and its own.
///
/// The rules that match come in order, then the processor itself; what they set comes before what they redact.
/// Conditions and values see the record as it is stored.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// The last one is the processor's own.
    changes: Vec<(Option<Condition>, Change)>,
}

impl Outgoing {
    /// For the processor of that name, which has a change of its own.
    pub fn new(rules: &[Rule], processor: &str, own: Option<&Change>) -> Outgoing {
        let leads_here = |rule: &&Rule| rule.to.iter().any(|to| to == processor);
        let of_rules = rules.iter().filter(leads_here);
        let changes = of_rules
            .map(|rule| (rule.when.clone(), rule.change.clone()))
            .chain(own.map(|own| (None, own.clone())));
        Outgoing {
            changes: changes.filter(|(_, change)| !change.is_empty()).collect(),
        }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Hands over records as they leave. Where none of a batch is changed they are those that were given; else they
    /// stand in other batches, with the same numbers in the store. Values that could not be computed are added to
    /// `failed`.
    pub fn present<R>(
        &self,
        records: &[RecordRef<'_>],
        failed: &mut u64,
        with: impl FnOnce(&[RecordRef<'_>]) -> R,
    ) -> R {
        if self.is_empty() {
            return with(records);
        }
        let batches = records.chunk_by(RecordRef::is_beside);
        let edited: Vec<Edited> = batches
            .clone()
            .map(|batch| self.edited(batch, failed))
            .collect();
        if edited.iter().all(Edited::is_unchanged) {
            return with(records);
        }
        let parts: Vec<Vec<_>> = edited.iter().map(Edited::parsed).collect();
        let mut shown = Vec::with_capacity(records.len());
        for ((batch, edited), parts) in batches.zip(&edited).zip(&parts) {
            let mut parts: Vec<_> = parts
                .iter()
                .map(|part| {
                    part.as_ref()
                        .map(|batch| batch.iter().flat_map(BatchRef::records))
                })
                .collect();
            for (was, part) in batch.iter().zip(&edited.part_of) {
                let mut record = *was;
                if let Some(part) = &mut parts[*part] {
                    // What was changed is never shown as it was, also if it could not be read.
                    let Some(Ok(changed)) = part.next() else {
                        continue;
                    };
                    record = changed;
                    record.store_number = was.store_number;
                }
                shown.push(record);
            }
        }
        with(&shown)
    }

    /// Records of one batch as they leave.
    fn edited(&self, records: &[RecordRef<'_>], failed: &mut u64) -> Edited {
        let Some(first) = records.first() else {
            return Edited::default();
        };
        let finds = |redaction: &Redaction| redaction.finds_in_source(first.source);
        let in_source = |(_, change): &(_, Change)| change.redact.as_ref().is_some_and(finds);
        let in_source: Vec<bool> = self.changes.iter().map(in_source).collect();
        let redacts: Vec<bool> = self
            .changes
            .iter()
            .map(|(_, change)| change.redact.is_some())
            .collect();
        let mut parts: Vec<Part> = Vec::new();
        let mut part_of = Vec::with_capacity(records.len());
        // Which changes hold for the record at hand.
        let mut here = Vec::new();
        for (at, was) in records.iter().enumerate() {
            let conditions = self.changes.iter().map(|(when, _)| when.as_ref());
            here.clear();
            here.extend(conditions.map(|when| when.is_none_or(|when| when.matches(was))));
            // Where one finds something, each works on what the one before has left.
            let is_changed = here
                .iter()
                .zip(&in_source)
                .any(|(here, finds)| here & finds);
            let source_changes = || {
                here.iter()
                    .zip(&redacts)
                    .map(|(here, redacts)| is_changed & here & redacts)
            };
            let known = parts
                .iter()
                .position(|part| source_changes().eq(part.source_changes.iter().copied()));
            let number = known.unwrap_or(parts.len());
            if known.is_none() {
                parts.push(Part {
                    source_changes: source_changes().collect(),
                    edit: None,
                });
            }
            let changed = change(self.marked(&here), was, failed);
            let part = &mut parts[number];
            if changed.is_some() || is_changed || part.edit.is_some() {
                let before = records[..at].iter().zip(&part_of);
                let before = before.filter(|(_, part)| **part == number);
                let edit = part
                    .edit
                    .get_or_insert_with(|| copied(before.map(|(record, _)| record), first));
                put(edit, was, changed.map(|changed| changed.record));
            }
            part_of.push(number);
        }
        let finish = |part: Part| {
            let source = self.redacted(first.source, &part.source_changes);
            Some(part.edit?.finish(&source))
        };
        Edited {
            parts: parts.into_iter().map(finish).collect(),
            part_of,
        }
    }

    /// The source without what changes with these marks redact in it.
    fn redacted(&self, source: &SourceRef<'_>, marks: &[bool]) -> Source {
        let mut source = source.to_source();
        let redactions = self
            .marked(marks)
            .filter_map(|change| change.redact.as_ref());
        redactions.for_each(|redaction| _ = redaction.redact_source(&mut source));
        source
    }

    fn marked<'s>(&'s self, marks: &'s [bool]) -> impl Iterator<Item = &'s Change> + Clone {
        let marked = self.changes.iter().zip(marks);
        marked
            .filter(|(_, marked)| **marked)
            .map(|((_, change), _)| change)
    }
}

/// Records of one batch whose source leaves alike.
struct Part {
    /// Which changes redact it; none if none of them finds something.
    source_changes: Vec<bool>,
    /// They as another batch; `None`: none of them is changed yet.
    edit: Option<BatchEdit>,
}

/// Records of one batch, in parts whose source leaves alike.
#[derive(Default)]
struct Edited {
    /// Each as another batch; `None`: its records stay as they are.
    parts: Vec<Option<Vec<u8>>>,
    /// For each record the part it is in.
    part_of: Vec<usize>,
}

impl Edited {
    fn is_unchanged(&self) -> bool {
        self.parts.iter().all(Option::is_none)
    }

    /// Its parts that are changed; none in the second place: it cannot be read.
    fn parsed(&self) -> Vec<Option<Option<BatchRef<'_>>>> {
        let parts = self.parts.iter();
        parts
            .map(|bytes| bytes.as_ref().map(|bytes| BatchRef::parse(bytes).ok()))
            .collect()
    }
}

/// Appends a record, or what became of it.
fn put(edit: &mut BatchEdit, was: &RecordRef<'_>, changed: Option<Record>) {
    // Without a limit all fits, unless its batch has used up all numbers of callsites.
    let Some(mut record) = changed else {
        _ = edit.keep(was, usize::MAX);
        return;
    };
    if edit.replace(was, &record, usize::MAX).is_err() {
        record.callsite = Callsite::default();
        _ = edit.replace(was, &record, usize::MAX);
    }
}

fn copied<'r>(records: impl Iterator<Item = &'r RecordRef<'r>>, one: &RecordRef<'_>) -> BatchEdit {
    let mut edit = BatchEdit::beside(one);
    records.for_each(|record| put(&mut edit, record, None));
    edit
}
