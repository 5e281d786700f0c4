//! What is changed in the records of one processor, when they leave for it.

use distlog_proto::wire::{BatchEdit, SourceRef};
use distlog_proto::{BatchRef, Callsite, RecordRef, Source};

use super::change::{Change, Changed, change};
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

    /// Hands over records as they leave. Those of a batch in which none is changed are those that were given; else all
    /// of it stands in another batch, with the same numbers in the store. Values that could not be computed are added
    /// to `failed`.
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
        let edited: Vec<Option<Vec<u8>>> = batches
            .clone()
            .map(|batch| self.edited(batch, failed))
            .collect();
        if edited.iter().all(Option::is_none) {
            return with(records);
        }
        // What was changed is never shown as it was, also if it could not be read.
        let edited: Vec<Option<Option<BatchRef<'_>>>> = edited
            .iter()
            .map(|bytes| bytes.as_ref().map(|bytes| BatchRef::parse(bytes).ok()))
            .collect();
        let mut shown = Vec::with_capacity(records.len());
        for (batch, edited) in batches.zip(&edited) {
            match edited {
                None => shown.extend_from_slice(batch),
                Some(edited) => {
                    let changed = edited.iter().flat_map(BatchRef::records);
                    for (was, changed) in batch.iter().zip(changed) {
                        let Ok(mut changed) = changed else { continue };
                        changed.store_number = was.store_number;
                        shown.push(changed);
                    }
                }
            }
        }
        with(&shown)
    }

    /// Records of one batch as another one; `None`: none of them is changed.
    fn edited(&self, records: &[RecordRef<'_>], failed: &mut u64) -> Option<Vec<u8>> {
        let first = records.first()?;
        // Which changes hold for the record at hand, and which for any of the batch.
        let (mut here, mut any) = (Vec::new(), vec![false; self.changes.len()]);
        let mut edit: Option<BatchEdit> = None;
        for (at, was) in records.iter().enumerate() {
            let conditions = self.changes.iter().map(|(when, _)| when.as_ref());
            here.clear();
            here.extend(conditions.map(|when| when.is_none_or(|when| when.matches(was))));
            let both = any.iter_mut().zip(&here);
            both.for_each(|(any, here)| *any |= here);
            let changed = change(self.marked(&here), was, failed);
            if changed.is_none() && edit.is_none() {
                continue;
            }
            let edit = edit.get_or_insert_with(|| copied(&records[..at], first));
            match changed {
                Some(Changed { mut record, .. }) => {
                    if edit.replace(was, &record, usize::MAX).is_err() {
                        // Its batch has used up all numbers of callsites.
                        record.callsite = Callsite::default();
                        _ = edit.replace(was, &record, usize::MAX);
                    }
                }
                None => _ = edit.keep(was, usize::MAX),
            }
        }
        let redactions = self.marked(&any);
        let source = redacted(first.source, redactions.filter_map(|c| c.redact.as_ref()));
        if source.is_some() && edit.is_none() {
            edit = Some(copied(records, first));
        }
        let source = source.unwrap_or_else(|| first.source.to_source());
        Some(edit?.finish(&source))
    }

    fn marked<'s>(&'s self, marks: &'s [bool]) -> impl Iterator<Item = &'s Change> + Clone {
        let marked = self.changes.iter().zip(marks);
        marked
            .filter(|(_, marked)| **marked)
            .map(|((_, change), _)| change)
    }
}

/// The source without what is redacted; `None`: it stays as it is.
fn redacted<'r>(
    source: &SourceRef<'_>,
    redactions: impl Iterator<Item = &'r Redaction> + Clone,
) -> Option<Source> {
    let finds = |redaction: &Redaction| redaction.finds_in_source(source);
    if !redactions.clone().any(finds) {
        return None;
    }
    let mut source = source.to_source();
    for redaction in redactions {
        redaction.redact_source(&mut source);
    }
    Some(source)
}

fn copied(records: &[RecordRef<'_>], one: &RecordRef<'_>) -> BatchEdit {
    let mut edit = BatchEdit::beside(one);
    for record in records {
        // Without a limit all fits.
        _ = edit.keep(record, usize::MAX);
    }
    edit
}
