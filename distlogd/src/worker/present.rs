//! Presents what was read to the processor: the records that are routed to it, in calls of a bounded size. Where many
//! wait and the processor takes them converted, several threads route, change and convert them.

use std::convert::Infallible;
use std::ops::Range;

use distlog_proto::RecordRef;
use distlog_rules::Outgoing;

use super::control::Route;
use super::pieces::{PIECE_BYTES, Parsed, Piece};
use crate::processor::{Converted, Error, Processor};
use crate::spare::Spare;
use crate::thread_pool::ThreadPool;
use crate::trees::Portion;

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
    pub(super) threads: &'r ThreadPool,
    pub(super) spare: &'r Spare,
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
        let parsed: Vec<Parsed<'_>> = portion.batches.parsed().collect();
        let left = self.limit.saturating_sub(self.counts.taken);
        let bytes: usize = parsed.iter().map(|(head, _)| head.bytes()).sum();
        // Which records of trees pass is asked one after the other, and a limit would cut a piece.
        let in_pieces = portion.passing.is_none()
            && left > portion.batches.records()
            && bytes >= 2 * PIECE_BYTES
            && !self.threads.is_empty();
        if in_pieces && let Some(result) = self.convert(&parsed, from..to) {
            return result.map(|()| to);
        }
        let all = Piece {
            batches: &parsed,
            numbers: 0..u64::MAX,
        };
        let route = self.route;
        let passes = |record: &mut RecordRef<'_>| {
            let position = record.store_number.wrapping_add(portion.shift);
            let passes = (from..to).contains(&position)
                && portion.passing.as_ref().is_none_or(|all| all.has(record))
                && route(record);
            if passes {
                record.store_number = record.store_number.wrapping_add(portion.renumber);
            }
            passes
        };
        let reached = all.present(left, passes, |records| self.process(records))?;
        Ok(reached.map_or(to, |last| last.wrapping_add(portion.shift) + 1))
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
        self.taken(result)
    }

    /// Has the records with these numbers converted by several threads; `None` if the processor wants records.
    fn convert(&mut self, parsed: &[Parsed<'_>], numbers: Range<u64>) -> Option<Result<(), Error>> {
        let converter = self.processor.takes_converted()?.converter();
        let (threads, spare) = (self.threads, self.spare);
        let (route, outgoing) = (self.route, self.outgoing);
        let work = |piece: &Piece<'_>| {
            let (mut converted, mut taken, mut failed) = (spare.get(), 0, 0);
            let present = |records: &[RecordRef<'_>]| -> Result<(), Infallible> {
                taken += records.len() as u64;
                outgoing.present(records, &mut failed, |records| {
                    converter.convert(records, &mut converted);
                });
                Ok(())
            };
            let Ok(_) = piece.present(u64::MAX, |record| route(record), present);
            (converted, taken, failed)
        };
        let take = |(converted, taken, failed): (Converted, u64, u64)| {
            let result = match self.processor.takes_converted() {
                Some(processor) if taken > 0 => processor.take(&converted),
                _ => Ok(()),
            };
            self.counts.failed += failed;
            self.counts.taken += taken;
            spare.put(converted);
            self.taken(result)
        };
        let pieces = Piece::cut(parsed, &numbers);
        Some(threads.in_order(&pieces, work, take))
    }

    /// Records that are rejected are reported later; all others were taken.
    fn taken(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        match result {
            Err(Error::Reject { numbers, reason }) => {
                self.rejections.push((numbers, reason));
                Ok(())
            }
            other => other,
        }
    }
}
