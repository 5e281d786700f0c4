//! Presents what was read to the processor: the records that are routed to it, in calls of a bounded size.

use distlog_proto::{BatchRef, RecordRef};
use distlog_rules::Outgoing;
use distlog_store::Batch as StoredBatch;

use super::control::Route;
use crate::processor::{Error, Processor};
use crate::trees::Portion;

/// Records that are presented at once. A batch may have millions of tiny ones.
const MAX_PRESENTED: usize = 4096;

/// What is counted when the flush succeeds: where that fails, all is read and presented again.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) taken: u64,
    pub(super) rejected: u64,
    pub(super) expired: u64,
    pub(super) damaged: u64,
    /// Values that could not be set.
    pub(super) failed: u64,
}

/// Presents what was read to the processor.
pub(super) struct Presenting<'r> {
    pub(super) processor: &'r mut dyn Processor,
    pub(super) route: &'r Route,
    pub(super) outgoing: &'r Outgoing,
    pub(super) counts: &'r mut Counts,
    /// Records that are taken between two flushes.
    pub(super) limit: u64,
    pub(super) rejections: Vec<(Vec<u64>, String)>,
}

impl Presenting<'_> {
    /// Presents the records with positions in `from..to` that are routed here, up to the batch's limit. Says how far it
    /// came: all before that position was presented.
    pub(super) fn present(
        &mut self,
        portion: &Portion<'_>,
        from: u64,
        to: u64,
    ) -> Result<u64, Error> {
        // One list for all: batches are small, and a processor works better with many records.
        let parsed: Vec<(&StoredBatch, BatchRef<'_>)> = portion.batches.parsed().collect();
        let many = usize::try_from(portion.batches.records()).unwrap_or(MAX_PRESENTED);
        let mut records: Vec<RecordRef<'_>> = Vec::with_capacity(many.min(MAX_PRESENTED));
        for (head, batch) in &parsed {
            // A batch stays together, and one that is too large is cut where it always is: a processor that sends
            // batches sends the same ones when records are presented again.
            let most = usize::try_from(head.count).map_or(MAX_PRESENTED, |n| n.min(MAX_PRESENTED));
            let mut begun = 0;
            if records.len() + most > MAX_PRESENTED {
                self.process(&records)?;
                records.clear();
            }
            for mut record in head.records(batch) {
                let part = (record.store_number - head.first) / MAX_PRESENTED as u64;
                if part > begun {
                    begun = part;
                    self.process(&records)?;
                    records.clear();
                }
                let position = record.store_number.wrapping_add(portion.shift);
                let passes = (from..to).contains(&position)
                    && portion.passing.as_ref().is_none_or(|all| all.has(&record));
                if passes && (self.route)(&record) {
                    record.store_number = record.store_number.wrapping_add(portion.renumber);
                    records.push(record);
                    if self.counts.taken + records.len() as u64 >= self.limit {
                        let reached = position + 1;
                        return self.process(&records).map(|()| reached);
                    }
                }
            }
        }
        self.process(&records).map(|()| to)
    }

    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let processor = &mut *self.processor;
        let failed = &mut self.counts.failed;
        let result = self
            .outgoing
            .present(records, failed, |records| processor.process(records));
        self.counts.taken += records.len() as u64;
        match result {
            Err(Error::Reject { numbers, reason }) => {
                self.rejections.push((numbers, reason));
                Ok(())
            }
            other => other,
        }
    }
}
