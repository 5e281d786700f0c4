//! [`LeftBatches`]: what a dead process left, read as a whole.

use std::io::{self, Read};
use std::path::Path;

use distlog_proto::wire::encode;
use distlog_proto::{BatchRef, Source};

use super::frame::{FRAME_HEADER, FrameHeader};
use super::header::{HEADER_LEN, Header};
use crate::error::SpoolError;
use crate::snapshot::DeadBatch;

/// The batches of a file that are not acknowledged.
pub(crate) struct LeftBatches {
    pub(crate) header: Header,
    pub(crate) source: Source,
    /// Where the last batch ends.
    pub(crate) end: u64,
    /// Bytes at the end of the file that are no whole frame.
    pub(crate) lost_bytes: u64,
    batches: Vec<Batch>,
}

struct Batch {
    from: u64,
    to: u64,
    bytes: Vec<u8>,
}

impl LeftBatches {
    /// Reads the file at `path` with `length` bytes, up to its first bad frame.
    pub(crate) fn read(
        path: &Path,
        length: u64,
        mut file: impl Read,
    ) -> Result<LeftBatches, SpoolError> {
        let fail = |error| SpoolError::of("read", path, 0, error);
        let mut bytes = Vec::new();
        file.by_ref()
            .take(HEADER_LEN as u64)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
        let header = Header::parse(path, &bytes, length)?;
        let mut left = LeftBatches {
            source: Source {
                producer: header.producer,
                ..Source::default()
            },
            end: header.acked,
            lost_bytes: length.saturating_sub(HEADER_LEN as u64),
            header,
            batches: Vec::new(),
        };
        let mut before = 0;
        while let Some((batch, len)) = next(&mut file, left.lost_bytes, before).map_err(fail)? {
            left.lost_bytes -= len;
            before = batch.to;
            left.add(path, batch)?;
        }
        Ok(left)
    }

    fn add(&mut self, path: &Path, batch: Batch) -> Result<(), SpoolError> {
        let parsed = BatchRef::parse(&batch.bytes)
            .map_err(|_| SpoolError::damaged(path, "one of its batches cannot be read"))?;
        let source = parsed.source();
        if source.producer != self.header.producer {
            return Err(SpoolError::damaged(
                path,
                "one of its batches is not its producer's",
            ));
        }
        self.source = source.to_source();
        if batch.from < batch.to && batch.to > self.header.acked {
            self.end = batch.to;
            self.batches.push(batch);
        }
        Ok(())
    }

    /// The source, as a field of a batch.
    pub(crate) fn encoded_source(&self) -> Vec<u8> {
        let mut out = Vec::new();
        encode::source(&mut out, &self.source);
        out
    }

    /// See [`crate::Dead::batches`].
    pub(crate) fn batches(&self, from: u64) -> impl Iterator<Item = DeadBatch> {
        let mut at = from.max(self.header.acked);
        let first = self.batches.partition_point(|batch| batch.to <= at);
        self.batches.iter().skip(first).map(move |batch| {
            let from = std::mem::replace(&mut at, batch.to);
            let count = BatchRef::parse(&batch.bytes).map_or(0, |batch| batch.records().count());
            DeadBatch {
                from,
                to: batch.to,
                bytes: batch.bytes.clone(),
                count: count as u64,
            }
        })
    }

    /// Whether an offset is in no batch's midst.
    pub(crate) fn is_boundary(&self, offset: u64) -> bool {
        let is_inside = |batch: &Batch| batch.from < offset && offset < batch.to;
        !self.batches.iter().any(is_inside)
    }
}

/// The next frame and its length in a file with `rest` more bytes. `None` if there is no good one.
fn next(file: &mut impl Read, rest: u64, before: u64) -> io::Result<Option<(Batch, u64)>> {
    if rest < FRAME_HEADER as u64 {
        return Ok(None);
    }
    let mut header = [0; FRAME_HEADER];
    file.read_exact(&mut header)?;
    let header = FrameHeader::parse(&header);
    let len = header.len();
    if len > rest || !header.is_possible(before) {
        return Ok(None);
    }
    let mut bytes = vec![0; (len - FRAME_HEADER as u64) as usize];
    file.read_exact(&mut bytes)?;
    bytes.truncate(header.length);
    let (from, to) = (header.from, header.to);
    let is_good = header.matches(&bytes);
    Ok(is_good.then_some((Batch { from, to, bytes }, len)))
}
