//! The frame under construction, and the frames that are written and not yet durable.

use distlog_proto::TraceId;

use super::append::Append;
use super::format::{BATCH_HEADER, BatchHeader, FRAME_HEADER, FrameHeader, padded, put};
use super::memory::{FrameAt, RecentTraces};
use super::options::TraceKey;

/// The buffer is given back when a frame made it larger than this, in bytes.
const KEPT: usize = 1 << 20;

/// The frame that batches are copied into.
pub(super) struct Pending {
    bytes: Vec<u8>,
    batches: u32,
    records: u64,
    newest: u64,
    traces: Vec<TraceKey>,
    recent: RecentTraces,
}

impl Pending {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            batches: 0,
            records: 0,
            newest: 0,
            traces: Vec::new(),
            recent: RecentTraces::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// The size that the frame has now.
    pub(super) fn len(&self) -> usize {
        padded(self.bytes.len())
    }

    pub(super) fn traces(&self) -> usize {
        self.traces.len()
    }

    /// Adds a batch.
    pub(super) fn add(&mut self, append: &Append<'_>) {
        if self.is_empty() {
            self.bytes.resize(FRAME_HEADER, 0);
        }
        let header = BatchHeader {
            producer: append.producer,
            from: append.from,
            to: append.to,
            received: append.received,
            count: append.count,
            len: append.bytes.len() as u32,
            ordered: append.ordered,
        };
        self.bytes.reserve(BATCH_HEADER + append.bytes.len() + 8);
        self.bytes.extend_from_slice(&header.encode());
        self.bytes.extend_from_slice(append.bytes);
        self.batches += 1;
        self.records += u64::from(append.count);
        self.newest = self.newest.max(append.received);
    }

    /// Notes that the frame has records of a trace.
    pub(super) fn add_trace(&mut self, trace: TraceId) {
        let trace = trace.to_bytes();
        if self.recent.is_new(&trace) {
            self.traces.push(trace);
        }
    }

    /// Completes the frame; its bytes are ready to be written.
    pub(super) fn finish(&mut self, first: u64, salt: u32) -> &[u8] {
        let body = self.bytes.len().saturating_sub(FRAME_HEADER);
        let header = FrameHeader {
            body: body as u32,
            batches: self.batches,
            first,
            records: self.records,
            body_crc: crc32c::crc32c(&self.bytes[FRAME_HEADER..]),
            salt,
        };
        put(&mut self.bytes, 0, &header.encode());
        let len = padded(self.bytes.len());
        self.bytes.resize(len, 0);
        &self.bytes
    }

    /// Forgets the frame.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.batches = 0;
        self.records = 0;
        self.newest = 0;
        self.traces.clear();
        self.recent.clear();
    }
}

/// What is written and not yet durable.
#[derive(Default)]
pub(super) struct Written {
    /// Each frame, and how many of `traces` there are up to its end.
    frames: Vec<(FrameAt, usize)>,
    traces: Vec<TraceKey>,
    pub(super) newest: u64,
    pub(super) records: u64,
    pub(super) batches: u64,
    pub(super) batch_bytes: u64,
}

impl Written {
    /// Notes that a completed frame was written at `offset`.
    pub(super) fn note(&mut self, pending: &Pending, first: u64, offset: u64) {
        self.traces.extend_from_slice(&pending.traces);
        let frame = FrameAt {
            offset,
            first,
            len: pending.bytes.len() as u32,
        };
        self.frames.push((frame, self.traces.len()));
        self.newest = self.newest.max(pending.newest);
        self.records += pending.records;
        self.batches += u64::from(pending.batches);
        let heads = FRAME_HEADER + pending.batches as usize * BATCH_HEADER;
        self.batch_bytes += pending.bytes.len().saturating_sub(heads) as u64;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn frames(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn traces(&self) -> usize {
        self.traces.len()
    }

    /// The frames with the traces in each.
    pub(super) fn entries(&self) -> impl Iterator<Item = (FrameAt, &[TraceKey])> {
        let mut start = 0;
        self.frames.iter().map(move |(frame, end)| {
            let traces = &self.traces[start..*end];
            start = *end;
            (*frame, traces)
        })
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.traces.clear();
        self.newest = 0;
        self.records = 0;
        self.batches = 0;
        self.batch_bytes = 0;
    }
}
