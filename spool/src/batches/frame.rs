//! [`Frame`]: a batch as it stands in the file.

/// Bytes in front of a batch: length and checksum, each a `u32`, then the two offsets.
pub(super) const FRAME_HEADER: usize = 24;
/// No batch is longer, in bytes. The daemon takes a quarter of it.
pub(super) const MAX_BATCH: usize = 64 << 20;

/// A batch and its offsets in the producer's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Offset of its first record.
    pub from: u64,
    /// The offset after that of its last record. If it is `from`, the batch has the source alone.
    pub to: u64,
    /// A `distlog.v1.RecordBatch`.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// Appends it, padded to whole words.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let offsets = [self.from, self.to].map(u64::to_ne_bytes);
        out.extend_from_slice(&(self.bytes.len() as u32).to_ne_bytes());
        out.extend_from_slice(&checksum(&offsets, self.bytes).to_ne_bytes());
        out.extend_from_slice(offsets.as_flattened());
        out.extend_from_slice(self.bytes);
        out.resize(out.len().next_multiple_of(8), 0);
    }
}

fn checksum(offsets: &[[u8; 8]; 2], bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(offsets.as_flattened()), bytes)
}

/// What stands in front of a batch.
pub(super) struct FrameHeader {
    /// Length of the batch, in bytes.
    pub(super) length: usize,
    checksum: u32,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl FrameHeader {
    pub(super) fn parse(bytes: &[u8; FRAME_HEADER]) -> FrameHeader {
        let [length, checksum] = [0, 4].map(|at| {
            let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
            u32::from_ne_bytes(word.unwrap_or_default())
        });
        let [from, to] = [8, 16].map(|at| crate::header::word(bytes, at).unwrap_or_default());
        FrameHeader {
            length: length as usize,
            checksum,
            from,
            to,
        }
    }

    /// Bytes that the frame takes in the file.
    pub(super) fn len(&self) -> u64 {
        (FRAME_HEADER + self.length).next_multiple_of(8) as u64
    }

    /// Whether it can follow a frame that ends at the offset `before`.
    pub(super) fn is_possible(&self, before: u64) -> bool {
        self.length <= MAX_BATCH && before <= self.from && self.from <= self.to
    }

    /// Whether this is its batch.
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        let offsets = [self.from, self.to].map(u64::to_ne_bytes);
        checksum(&offsets, bytes) == self.checksum
    }
}
