//! [`Load`]: what the sender takes out of the ring, as batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_proto::session::Dropped;
use distlog_proto::wire::RawBatch;

use crate::control::Flush;
use crate::outlet::Portion;
use crate::ring::{Entry, Reader};
use crate::shared::Shared;
use crate::stock::Stock;

/// The batch that goes out next, and the ring behind it.
pub(crate) struct Load {
    shared: Arc<Shared>,
    reader: Reader,
    batch: RawBatch,
    /// Where the batch begins.
    from: u64,
    /// When the oldest record of the batch was taken.
    since: Instant,
}

impl Load {
    /// Nothing yet. `source`: as a field of each batch.
    pub(crate) fn new(shared: Arc<Shared>, reader: Reader, source: Vec<u8>) -> Load {
        Load {
            from: reader.position(),
            shared,
            reader,
            batch: RawBatch::new(source),
            since: Instant::now(),
        }
    }

    /// Takes what is committed; says whether the batch is full.
    pub(crate) fn fill(&mut self) -> bool {
        if self.is_empty() {
            self.since = Instant::now();
        }
        let (batch, callsites) = (&mut self.batch, &self.shared.callsites);
        let mut take = |entry: Entry<'_>| {
            batch.take(entry.offset, entry.tag, entry.bytes, |id| {
                callsites.encoded(id)
            })
        };
        while self.reader.next(&mut take).is_some() {}
        self.reader.is_ready()
    }

    /// Whether the batch holds no records.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.records() == 0
    }

    /// Whether there is nothing to send but that records are missing: they were lost with the spool's memory. Until
    /// that is sent, they take room that nobody frees.
    pub(crate) fn is_hole(&self) -> bool {
        self.is_empty() && self.reader.position() > self.from && self.shared.ring.is_torn()
    }

    /// For how long the oldest record of the batch waits.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// The batch.
    pub(crate) fn portion(&self) -> Portion<'_> {
        Portion {
            to: self.reader.position(),
            bytes: self.batch.bytes(),
        }
    }

    /// The batch was sent; begins the next one.
    pub(crate) fn sent(&mut self) {
        self.batch.clear();
        self.from = self.reader.position();
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

impl Stock for Load {
    fn next_epoch(&mut self) -> Option<u64> {
        Some(self.shared.ring.next_epoch())
    }

    fn acked(&self) -> u64 {
        self.shared.ring.tail()
    }

    fn position(&self) -> u64 {
        self.from
    }

    fn head(&self) -> u64 {
        self.shared.ring.head()
    }

    fn dropped(&self) -> Dropped {
        self.shared.ring.dropped()
    }

    fn seek(&mut self, to: u64) -> bool {
        let found = self.reader.seek(to);
        if found {
            self.batch.clear();
            self.from = to;
        }
        found
    }

    fn free_to(&mut self, to: u64) -> bool {
        let freed = self.reader.free_to(to);
        self.shared.losses.room();
        freed
    }
}
