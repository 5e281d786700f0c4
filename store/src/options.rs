//! What can be chosen about a store, and the bounds that cannot.

use std::time::Duration;

use distlog_proto::TraceId;

/// A trace id as it stands in files and indexes.
pub(super) type TraceKey = [u8; 16];

/// Finds the trace ids in the bytes of a batch. It may name one several times; it must find the same ones each time it
/// sees the same bytes, and must bear any bytes.
pub type IndexFn = fn(batch: &[u8], found: &mut dyn FnMut(TraceId));

/// The largest batch that is stored, in bytes.
pub const MAX_BATCH: usize = 16 << 20;

/// How long a producer's position is kept after it was last seen.
pub const PRODUCER_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A frame is written when it has reached this size, in bytes.
pub(super) const FRAME_TARGET: usize = 256 << 10;

/// A sealed block ends when its frames have reached this size together, in bytes. Larger ones take less on disk (a
/// tenth at four times the size), and more time and memory for each trace that is looked up.
pub(super) const BLOCK_TARGET: usize = 1 << 20;

/// A segment ends early when its index in memory has this many entries (about 50 bytes each).
pub(super) const MAX_POSTINGS: usize = 1 << 19;

/// A segment ends early when it has this many frames (24 bytes each in memory).
pub(super) const MAX_FRAMES: usize = 1 << 18;

/// What can be chosen about a store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size of a segment file, in bytes, allocated when it is begun.
    pub segment_size: u64,
    /// Oldest segments go when the segments are larger than this together, in bytes.
    pub keep_size: Option<u64>,
    /// Segments go when their newest record was received longer ago than this.
    pub keep_age: Option<Duration>,
    /// Bytes that must be free on the file system, else nothing is accepted.
    pub reserve: u64,
    /// Whether sealed segments are compressed.
    pub compress: bool,
    /// Finds the trace ids of a batch.
    pub index: IndexFn,
}

impl Options {
    /// Of a small segment several blocks are made, so that damage does not take all of it.
    pub(super) fn block_target(&self) -> usize {
        let quarter = usize::try_from(self.segment_size / 4).unwrap_or(BLOCK_TARGET);
        quarter.clamp(FRAME_TARGET, BLOCK_TARGET)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_size: 64 << 20,
            keep_size: None,
            keep_age: None,
            reserve: 256 << 20,
            compress: true,
            index: |_, _| {},
        }
    }
}
