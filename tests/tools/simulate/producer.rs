//! A client: the real session client over a ring that is only counted.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use distlog_client::{
    EncodedBatch, FailoverTimeouts, Offsets, Progress, SessionClient, SessionConfig, UnackedRecords,
};
use distlog_proto::ProducerId;
use distlog_proto::session::Dropped;

use crate::network::{Dialer, address};
use crate::time::Time;

/// Bytes of a record in the ring.
pub const RECORD: u64 = 128;
/// Bytes of a batch at most, as the layer makes them.
const BATCH: u64 = 64 << 10;
/// Bytes of the ring, the layer's default.
const RING: u64 = 16 << 20;

static ZEROS: [u8; BATCH as usize] = [0; BATCH as usize];

/// The records of a client: how many, not what.
#[derive(Default)]
pub struct Records {
    acked: u64,
    position: u64,
    head: u64,
    epoch: u64,
    pub dropped: u64,
    /// Where what was logged at a time ends.
    logged: VecDeque<(u64, Time)>,
    /// How long what was acknowledged since this was emptied has waited.
    pub waits: Vec<Duration>,
    now: Time,
}

impl Records {
    pub fn acked(&self) -> u64 {
        self.acked
    }

    pub fn head(&self) -> u64 {
        self.head
    }

    fn log(&mut self, records: u64, now: Time) {
        let room = (RING - (self.head - self.acked)) / RECORD;
        let taken = records.min(room);
        self.dropped += records - taken;
        if taken > 0 {
            self.head += taken * RECORD;
            self.logged.push_back((self.head, now));
        }
    }
}

impl UnackedRecords for Records {
    fn source(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }

    fn next_epoch(&mut self) -> Option<u64> {
        self.epoch += 1;
        Some(self.epoch)
    }

    fn offsets(&self) -> Offsets {
        Offsets {
            acked: self.acked,
            position: self.position,
            head: self.head,
            limit: self.head,
        }
    }

    fn dropped(&self) -> Dropped {
        [0, 0, self.dropped, 0, 0]
    }

    fn next_batch(&mut self) -> Option<EncodedBatch<'_>> {
        let to = self.head.min(self.position + BATCH);
        let length = (to - self.position) as usize;
        (length > 0).then(|| EncodedBatch {
            to,
            bytes: &ZEROS[..length],
        })
    }

    fn sent(&mut self, to: u64) {
        self.position = to;
    }

    fn seek(&mut self, to: u64) -> bool {
        let is_there = (self.acked..=self.head).contains(&to) && to.is_multiple_of(RECORD);
        if is_there {
            self.position = to;
        }
        is_there
    }

    fn ack(&mut self, to: u64) -> bool {
        if !(self.acked..=self.head).contains(&to) || !to.is_multiple_of(RECORD) {
            return false;
        }
        self.acked = to;
        while let Some((_, at)) = self.logged.front().filter(|(end, _)| *end <= to) {
            self.waits.push(self.now - *at);
            self.logged.pop_front();
        }
        true
    }
}

/// A client.
pub struct Producer {
    pub id: ProducerId,
    pub records: Records,
    session: SessionClient<Dialer>,
}

impl Producer {
    /// Begins to connect to the first of the hubs.
    pub fn new(id: ProducerId, dial: Dialer, now: Instant) -> Producer {
        let hubs: Vec<String> = dial.hubs.iter().map(|hub| address(*hub)).collect();
        let config = SessionConfig {
            producer: id,
            endpoints: hubs.into(),
            dial,
            heartbeat: Duration::from_secs(5),
            timeouts: FailoverTimeouts::default(),
            is_lazy: false,
            reporter: None,
            levels: None,
        };
        let session = SessionClient::open_at(config, now);
        Producer {
            id,
            records: Records::default(),
            session: session.unwrap_or_else(|error| panic!("{error}")),
        }
    }

    /// Whether a hub takes records.
    pub fn is_connected(&self) -> bool {
        self.session.is_connected()
    }

    /// Does what is due, as the layer's thread does when it wakes up.
    pub fn work(&mut self, now: Time, instant: Instant) {
        self.records.now = now;
        while self.session.work(&mut self.records, instant) == Progress::Sent {}
    }

    /// Logs, and works.
    pub fn log(&mut self, records: u64, now: Time, instant: Instant) {
        self.records.log(records, now);
        self.work(now, instant);
    }
}
