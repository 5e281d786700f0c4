//! [`Batcher`]: takes records out of the ring, as batches.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_client::{EncodedBatch, Offsets, UnackedRecords};
use distlog_proto::session::Dropped;
use distlog_proto::wire::RawBatch;

use crate::ring::{Entry, Reader};
use crate::send::control::Flush;
use crate::send::shared::Shared;

/// A record waits so long for others to travel with, at most.
pub(crate) const LINGER: Duration = Duration::from_millis(20);

/// The batch that is sent next, and the ring behind it.
pub(crate) struct Batcher {
    shared: Arc<Shared>,
    reader: Reader,
    source: Vec<u8>,
    batch: RawBatch,
    /// Somebody waits for the records: batches do not linger.
    is_urgent: bool,
    /// Where the batch begins.
    from: u64,
    /// When there was nothing last: no record of the batch is older.
    since: Instant,
}

impl Batcher {
    /// Nothing yet. `source`: as a field of each batch.
    pub(crate) fn new(shared: Arc<Shared>, reader: Reader, source: Vec<u8>) -> Batcher {
        Batcher {
            from: reader.position(),
            shared,
            reader,
            batch: RawBatch::new(source.clone()),
            source,
            is_urgent: false,
            since: Instant::now(),
        }
    }

    /// Whether somebody waits for the records.
    pub(crate) fn set_urgent(&mut self, is_urgent: bool) {
        self.is_urgent = is_urgent;
    }

    /// Takes what is committed. Returns whether there is more than the batch takes.
    pub(crate) fn fill(&mut self) -> bool {
        let (batch, callsites) = (&mut self.batch, &self.shared.callsites);
        let mut take = |entry: Entry<'_>| {
            batch.take(entry.offset, entry.tag, entry.bytes, |id| {
                callsites.encoded(id)
            })
        };
        while self.reader.next(&mut take).is_some() {}
        if self.is_empty() {
            self.since = Instant::now();
        }
        self.reader.is_ready()
    }

    /// How long the batch may wait for more records.
    pub(crate) fn time_left(&self) -> Duration {
        LINGER.saturating_sub(self.since.elapsed())
    }

    /// Nothing came up to now: what comes may wait from here on.
    pub(crate) fn linger_from_now(&mut self) {
        self.since = Instant::now();
    }

    /// The end of all that was ever reserved in the ring, if that is sent and acknowledged.
    pub(crate) fn all_done(&self) -> Option<u64> {
        let (ring, end) = (&self.shared.ring, self.end());
        (self.is_empty() && ring.tail() == self.from && ring.head() == end).then_some(end)
    }

    /// Whether the batch holds no records.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.records() == 0
    }

    /// Whether there is room to be freed, but no record: what a thread reserved and did not need, for which somebody
    /// waits, or what was lost with the spool's memory. It is taken until a batch covers it.
    fn is_hole(&self) -> bool {
        self.is_empty()
            && self.reader.position() > self.from
            && (self.is_urgent || self.shared.ring.is_torn())
    }

    /// Where the last record ends that was taken.
    pub(crate) fn end(&self) -> u64 {
        self.reader.position()
    }

    /// What is in the ring, but for the first `gone` records.
    pub(crate) fn left(&mut self, gone: u64) -> Flush {
        let ring = &self.shared.ring;
        let here = self.reader.position();
        // What was sent but is not durable is left, too.
        self.reader.seek(ring.tail());
        let mut records = 0;
        let mut all = self.reader.look_ahead();
        while all.next(|_| Some(())).is_some() {
            records += 1;
        }
        self.reader.seek(here);
        match u64::saturating_sub(records, gone) {
            0 => Flush::Flushed,
            records => Flush::Left {
                records,
                bytes: ring.used(),
            },
        }
    }
}

impl UnackedRecords for Batcher {
    fn source(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.source)
    }

    fn next_epoch(&mut self) -> Option<u64> {
        Some(self.shared.ring.next_epoch())
    }

    fn offsets(&self) -> Offsets {
        let head = self.shared.ring.head();
        Offsets {
            acked: self.shared.ring.tail(),
            position: self.from,
            head,
            limit: head,
        }
    }

    fn dropped(&self) -> Dropped {
        self.shared.ring.dropped()
    }

    fn next_batch(&mut self) -> Option<EncodedBatch<'_>> {
        let is_full = self.fill();
        let is_due = is_full || self.is_urgent || self.time_left().is_zero();
        (self.is_hole() || (is_due && !self.is_empty())).then(|| EncodedBatch {
            to: self.end(),
            bytes: self.batch.bytes(),
        })
    }

    fn sent(&mut self, to: u64) {
        self.batch.clear();
        self.from = to;
        self.since = Instant::now();
    }

    fn seek(&mut self, to: u64) -> bool {
        let found = self.reader.seek(to);
        if found {
            self.batch.clear();
            self.from = to;
            self.since = Instant::now();
        }
        found
    }

    fn ack(&mut self, to: u64) -> bool {
        let freed = self.reader.free_to(to);
        self.shared.room.wake_all();
        freed
    }
}
