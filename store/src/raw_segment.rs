//! Walks over raw segments when a store is opened: what a crash left of a burst is up to some thirty files, each of
//! which says by itself what is in it. Threads share them.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use distlog_proto::ProducerId;

use super::error::FileError;
use super::format::{BatchesOf, SegmentHeader};
use super::layer::FileLayer;
use super::live::Live;
use super::memory::{FrameAt, MemoryIndex, RecentTraces};
use super::options::Options;
use super::producers::Position;
use super::scan::{Bounds, Walk, Window};

/// So many are read in no time. Of more it is said, so that nobody wonders what the start waits for.
const MAX_UNSAID: usize = 4;

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

/// Walks over all of them, with as many threads as there are cores.
///
/// # Errors
/// The first of them, in the order of the segments.
pub(super) fn walk_all(
    layer: &dyn FileLayer,
    raw: Vec<RawSegment>,
    options: &Options,
) -> Result<Vec<Walked>, FileError> {
    if raw.len() > MAX_UNSAID {
        let first = raw[0].path.display();
        tracing::info!(
            "reads what was not sealed when the store was closed: {} files, from {first} on",
            raw.len()
        );
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let some = || {
        let take = || raw.get(next.fetch_add(1, Ordering::Relaxed));
        let walk = |raw: &RawSegment| {
            let walked = walk(layer, raw, options);
            (
                raw.header.id,
                walked.map_err(|e| FileError::new("recover", &raw.path, e)),
            )
        };
        std::iter::from_fn(take).map(walk).collect::<Vec<_>>()
    };
    let mut walked = thread::scope(|scope| {
        let helpers = 1..cores.min(raw.len());
        // Without them it takes longer.
        let helpers = helpers.filter_map(|_| {
            let thread = thread::Builder::new().name("recover".to_owned());
            thread.spawn_scoped(scope, some).ok()
        });
        let helpers: Vec<_> = helpers.collect();
        let mut walked = some();
        for helper in helpers {
            match helper.join() {
                Ok(more) => walked.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        walked
    });
    walked.sort_by_key(|(id, _)| *id);
    walked.into_iter().map(|(_, walked)| walked).collect()
}

fn walk(layer: &dyn FileLayer, raw: &RawSegment, options: &Options) -> io::Result<Walked> {
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
