//! Cuts what was read into pieces that several threads can work on, each some hundred records.

use std::ops::Range;

use distlog_proto::{BatchRef, RecordRef};
use distlog_store::Batch as StoredBatch;

/// Records that are presented at once. A batch may have millions of tiny ones.
pub(super) const MAX_PRESENTED: usize = 4096;
/// A piece has about so many bytes of batches, which take a thread some hundred microseconds.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// A batch that was read, and what its records share.
pub(super) type Parsed<'p> = (&'p StoredBatch, BatchRef<'p>);

/// Batches that stand behind each other, and of their records those with these numbers.
pub(super) struct Piece<'p> {
    pub(super) batches: &'p [Parsed<'p>],
    pub(super) numbers: Range<u64>,
}

impl<'p> Piece<'p> {
    /// Cuts the records with these numbers.
    pub(super) fn cut(batches: &'p [Parsed<'p>], numbers: &Range<u64>) -> Vec<Piece<'p>> {
        let mut pieces = Vec::new();
        let mut add = |batches: &'p [Parsed<'p>], from: u64, to: u64| {
            let numbers = from.max(numbers.start)..to.min(numbers.end);
            if !numbers.is_empty() {
                pieces.push(Piece { batches, numbers });
            }
        };
        let mut rest = batches;
        while let Some((head, _)) = rest.first() {
            let (mut count, mut bytes) = (0, 0);
            for (head, _) in rest {
                let is_large = head.bytes() >= 2 * PIECE_BYTES;
                if bytes >= PIECE_BYTES || (is_large && count > 0) {
                    break;
                }
                count += 1;
                bytes += head.bytes();
            }
            let now;
            (now, rest) = rest.split_at(count);
            let (from, to) = (
                head.first,
                now.last().map_or(head.first, |(head, _)| head.end()),
            );
            let each = (to - from).div_ceil((bytes / PIECE_BYTES).max(1) as u64);
            if now.len() > 1 || to - from <= each {
                add(now, from, to);
                continue;
            }
            // One large batch.
            let mut begin = from;
            while begin < to {
                add(now, begin, begin + each);
                begin += each;
            }
        }
        pieces
    }

    /// Hands over the records for which `passes` holds, which may change them, up to `limit`, in lists of a bounded
    /// size; none may be empty. Says the number of the last one, if they came up to the limit.
    pub(super) fn present<'b, E>(
        &'b self,
        limit: u64,
        mut passes: impl FnMut(&mut RecordRef<'b>) -> bool,
        mut present: impl FnMut(&[RecordRef<'b>]) -> Result<(), E>,
    ) -> Result<Option<u64>, E> {
        let many = self.batches.iter().map(|(head, _)| u64::from(head.count));
        let many = many.sum::<u64>().min(self.numbers.end - self.numbers.start);
        let many = usize::try_from(many).unwrap_or(MAX_PRESENTED);
        // One list for all: batches are small, and a processor works better with many records.
        let mut records: Vec<RecordRef<'b>> = Vec::with_capacity(many.min(MAX_PRESENTED));
        let mut left = limit;
        for (head, batch) in self.batches {
            // A batch stays together, and one that is too large is cut where it always is: a processor that sends
            // batches sends the same ones when records are presented again.
            let most = usize::try_from(head.count).map_or(MAX_PRESENTED, |n| n.min(MAX_PRESENTED));
            let mut begun = 0;
            if records.len() + most > MAX_PRESENTED {
                present(&records)?;
                records.clear();
            }
            for mut record in head.records_from(batch, self.numbers.start) {
                let number = record.store_number;
                if number >= self.numbers.end {
                    break;
                }
                let part = (number - head.first) / MAX_PRESENTED as u64;
                if part > begun {
                    begun = part;
                    present(&records)?;
                    records.clear();
                }
                if passes(&mut record) {
                    records.push(record);
                    left = left.saturating_sub(1);
                    if left == 0 {
                        return present(&records).map(|()| Some(number));
                    }
                }
            }
        }
        present(&records).map(|()| None)
    }
}
