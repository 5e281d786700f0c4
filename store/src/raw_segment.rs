//! Walks over a raw segment when a store is opened. A crash can leave some thirty of them after a burst; each says by
//! itself what is in it.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use distlog_proto::ProducerId;

use super::format::{BatchesOf, SegmentHeader};
use super::layer::FileLayer;
use super::live::Live;
use super::memory::{FrameAt, MemoryIndex, RecentTraces};
use super::options::Options;
use super::producers::Position;
use super::scan::{Bounds, Walk, Window};

/// A raw segment, and how it is walked over.
pub(super) struct RawSegment {
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    pub(super) bounds: Bounds,
}

/// What a walk found.
pub(super) struct Walked {
    pub(super) live: Live,
    /// The number after its last record.
    pub(super) end: u64,
    /// Numbers of the records that are missing.
    pub(super) lost: Vec<Range<u64>>,
    /// Bytes that were cut off its end.
    pub(super) torn: u64,
    /// Where it says that producers stand.
    pub(super) producers: HashMap<ProducerId, Position>,
}

/// Walks over a raw segment. The end of one that is written on is cut where it is torn.
///
/// # Errors
/// What the file system says.
pub(super) fn walk(
    layer: &dyn FileLayer,
    raw: &RawSegment,
    options: &Options,
) -> io::Result<Walked> {
    let file = layer.open_write(&raw.path)?;
    let mut walk = Walk::new(Window::new(&*file)?, raw.header, raw.bounds);
    let (mut memory, mut recent) = (MemoryIndex::default(), RecentTraces::default());
    let mut producers: HashMap<ProducerId, Position> = HashMap::new();
    let mut newest = 0;
    while let Some((offset, frame, bytes)) = walk.next()? {
        memory.add_frame(FrameAt {
            offset,
            first: frame.first,
            len: frame.total() as u32,
        });
        recent.clear();
        for (batch, _, body) in BatchesOf::new(&frame, bytes) {
            newest = newest.max(batch.received);
            let (to, seen) = (batch.to, batch.received);
            let position = producers.entry(batch.producer);
            let position = position.or_insert(Position { to, seen });
            position.forward(to, seen);
            (options.index)(&bytes[body], &mut |trace| {
                let trace = trace.to_bytes();
                if recent.is_new(&trace) {
                    memory.add_trace(trace);
                }
            });
        }
    }
    let (good, end) = (walk.offset, walk.expected);
    let lost = std::mem::take(&mut walk.lost);
    let mut torn = 0;
    // None follows: it is written on.
    if raw.bounds.limit.is_none() {
        torn = torn_bytes(&mut walk.window, good)?;
        drop(walk);
        // Nothing of a torn tail may line up with what is written after it. What is good may only be in memory yet.
        file.truncate(good)?;
        file.sync()?;
    }
    let size = file.size()?;
    let live = Live::new(raw.path.clone(), file, raw.header, good, size, memory);
    live.newest.store(newest, Ordering::Relaxed);
    Ok(Walked {
        live,
        end,
        lost,
        torn,
        producers,
    })
}

/// How many bytes after `good` are not the zeros of what was allocated ahead.
fn torn_bytes(window: &mut Window<'_>, good: u64) -> io::Result<u64> {
    let (mut at, mut last) = (good, good);
    while at < window.size() {
        let len = (window.size() - at).min(256 << 10) as usize;
        if let Some(used) = window
            .get(at, len)?
            .and_then(|bytes| bytes.iter().rposition(|b| *b != 0))
        {
            last = at + used as u64 + 1;
        }
        at += len as u64;
    }
    Ok(last - good)
}
