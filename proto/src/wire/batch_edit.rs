//! Edits a batch: some of its records stay as they are, some are changed, some go.

use std::collections::{HashMap, HashSet};

use super::record_ref::RecordRef;
use super::{encode, field, put};
use crate::record::{Callsite, Record, Source};

/// Builds the bytes of a `RecordBatch` from the records of another one.
///
/// Those that are kept are copied byte for byte, with the callsites that they name. Those that are changed get
/// callsites of their own, so that nothing of what they were is left.
#[derive(Debug)]
pub struct BatchEdit {
    /// Callsites and records; the source comes before them in the end.
    body: Vec<u8>,
    /// Callsites of the other batch that stand in it.
    kept: HashSet<u32>,
    /// Those of changed records.
    own: HashMap<Callsite, u32>,
    /// The number of the next of these; none where the other batch has used them up.
    next: Option<u32>,
    count: u32,
    scratch: Vec<u8>,
}

/// A record would make the batch longer than it may be; it was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoesNotFit;

impl BatchEdit {
    /// An empty batch for records of the batch that this one is in.
    pub fn beside(record: &RecordRef<'_>) -> BatchEdit {
        BatchEdit {
            body: Vec::new(),
            kept: HashSet::new(),
            own: HashMap::new(),
            next: record.last_callsite().checked_add(1),
            count: 0,
            scratch: Vec::new(),
        }
    }

    /// How many records it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Appends a record of the batch as it is, unless there are more than `limit` bytes then.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn keep(&mut self, record: &RecordRef<'_>, limit: usize) -> Result<(), DoesNotFit> {
        let (before, callsite) = (self.body.len(), record.callsite);
        let is_new = callsite.id != 0 && self.kept.insert(callsite.id);
        if is_new {
            let names = record.names().iter().copied();
            encode::callsite(&mut self.body, callsite.id, &callsite.to_callsite(), names);
        }
        put::bytes_always(&mut self.body, field::batch::RECORDS, record.encoded());
        if self.body.len() > limit {
            self.body.truncate(before);
            if is_new {
                self.kept.remove(&callsite.id);
            }
            return Err(DoesNotFit);
        }
        self.count += 1;
        Ok(())
    }

    /// Appends what became of a record of the batch; its source does not count. As [`BatchEdit::keep`].
    ///
    /// # Errors
    /// If it does not fit.
    pub fn replace(
        &mut self,
        was: &RecordRef<'_>,
        record: &Record,
        limit: usize,
    ) -> Result<(), DoesNotFit> {
        let before = self.body.len();
        let mut new = None;
        let id = if record.callsite == Callsite::default() {
            0
        } else if let Some(known) = self.own.get(&record.callsite) {
            *known
        } else {
            let id = self.next.ok_or(DoesNotFit)?;
            encode::callsite(&mut self.body, id, &record.callsite, []);
            new = Some(id);
            id
        };
        self.scratch.clear();
        encode::record(&mut self.scratch, record, id);
        if record.duration == 0 && was.took() == Some(0) {
            // It is known, which a record in owned form does not tell.
            put::varint_always(&mut self.scratch, field::record::DURATION, 0);
        }
        super::put_record(&mut self.body, record.offset, &self.scratch);
        if self.body.len() > limit {
            self.body.truncate(before);
            return Err(DoesNotFit);
        }
        if let Some(id) = new {
            self.own.insert(record.callsite.clone(), id);
            self.next = id.checked_add(1);
        }
        self.count += 1;
        Ok(())
    }

    /// The bytes of the batch, with this source.
    pub fn finish(self, source: &Source) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len() + 256);
        encode::source(&mut bytes, source);
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchRef;
    use crate::wire::BatchWriter;

    fn record(n: u64) -> Record {
        let mut record = Record {
            offset: n,
            message: format!("message {n}"),
            ..Record::default()
        };
        record.callsite.template = format!("template {}", n % 3);
        record.source.service = "shop".into();
        record
    }

    fn batch() -> Vec<u8> {
        let mut writer = BatchWriter::new();
        (0..9).for_each(|n| writer.push(&record(n)));
        writer.finish()
    }

    fn contains(bytes: &[u8], text: &str) -> bool {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }

    #[test]
    fn kept_records_stay_as_they_are_and_changed_ones_leave_nothing_behind() {
        let bytes = batch();
        let batch = BatchRef::parse(&bytes).unwrap();
        let mut edit = BatchEdit::beside(&batch.records().next().unwrap().unwrap());
        let mut expected = Vec::new();
        for record in batch.records().map(Result::unwrap) {
            match record.offset % 3 {
                0 => edit.keep(&record, usize::MAX).unwrap(),
                1 => {
                    let mut changed = record.to_record();
                    changed.message.clear();
                    changed.callsite.template = "another".into();
                    edit.replace(&record, &changed, usize::MAX).unwrap();
                    expected.push(changed);
                    continue;
                }
                _ => continue,
            }
            expected.push(record.to_record());
        }
        assert_eq!(edit.count(), 6);
        let source = Source {
            service: "other".into(),
            ..batch.source().to_source()
        };
        let bytes = edit.finish(&source);
        let read = BatchRef::parse(&bytes).unwrap();
        let read: Vec<Record> = read.records().map(|r| r.unwrap().to_record()).collect();
        for record in &mut expected {
            record.source = source.clone();
        }
        assert_eq!(read, expected);
        for gone in ["message 1", "message 5", "template 1", "template 2", "shop"] {
            assert!(!contains(&bytes, gone), "{gone}");
        }
        assert!(contains(&bytes, "template 0"));
        let another = bytes.windows(7).filter(|part| *part == b"another");
        assert_eq!(another.count(), 1, "a callsite stands once");
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let bytes = batch();
        let batch = BatchRef::parse(&bytes).unwrap();
        let records: Vec<_> = batch.records().map(Result::unwrap).collect();
        let mut edit = BatchEdit::beside(&records[0]);
        assert_eq!(edit.keep(&records[0], 10), Err(DoesNotFit));
        assert_eq!(edit.replace(&records[1], &record(1), 10), Err(DoesNotFit));
        edit.replace(&records[1], &record(1), 1000).unwrap();
        edit.keep(&records[0], 1000).unwrap();
        let bytes = edit.finish(&batch.source().to_source());
        let read = BatchRef::parse(&bytes).unwrap();
        let read: Vec<Record> = read.records().map(|r| r.unwrap().to_record()).collect();
        assert_eq!(read, [record(1), record(0)]);
    }
}
