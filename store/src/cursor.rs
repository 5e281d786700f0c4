//! A cursor: reads batches in order of record number, over segments that are written, sealed and removed meanwhile.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::batches::Batches;
use super::block_reader::BlockReader;
use super::error::{FileError, ReadError};
use super::format::{FRAME_HEADER, FrameHeader, SEGMENT_HEADER, body_is_good};
use super::layer::{StoreFile, read_full};
use super::live::Live;
use super::removal::Removal;
use super::scan::is_damage;
use super::sealed::{self, BlockAt};
use super::show::ShowFn;
use super::state::{Segment, Shared};

/// What [`Cursor::next_batches`] did besides filling the buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records that retention removed before they were read.
    pub expired: u64,
    /// Records that could not be read because the store is damaged there.
    pub damaged: u64,
}

impl Progress {
    /// Records that were skipped, for whatever reason.
    pub fn skipped(&self) -> u64 {
        self.expired + self.damaged
    }
}

enum View {
    None,
    Live {
        live: Arc<Live>,
        offset: u64,
    },
    Sealed {
        id: u64,
        path: PathBuf,
        file: Arc<dyn StoreFile>,
        table: Vec<BlockAt>,
        at: usize,
    },
}

impl View {
    fn id(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Live { live, .. } => Some(live.header.id),
            Self::Sealed { id, .. } => Some(*id),
        }
    }

    /// Whether nothing is left to read in it now.
    fn is_exhausted(&self) -> bool {
        match self {
            Self::None => true,
            Self::Live { live, offset } => *offset >= live.durable.load(Ordering::Acquire),
            Self::Sealed { table, at, .. } => *at >= table.len(),
        }
    }
}

/// Reads batches in order. Made by [`Reader::cursor`](super::Reader::cursor).
pub struct Cursor {
    shared: Arc<Shared>,
    position: u64,
    view: View,
    blocks: BlockReader,
    /// How often records had been erased when the view was opened.
    erased: u64,
    shows: Option<ShowFn>,
}

impl Cursor {
    pub(super) fn new(shared: Arc<Shared>, position: u64, shows: Option<ShowFn>) -> Self {
        Self {
            erased: shared.erased(),
            shared,
            position,
            shows,
            view: View::None,
            blocks: BlockReader::default(),
        }
    }

    /// The number of the record that is read next.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Fills `out` with the next batches, until they have about `max_bytes` or no more are durable; it is empty if
    /// there are none, or if none of those that were read is shown: the position tells where to go on. At least one
    /// batch is given, however large. If the position is inside of a batch, that batch is given whole: its records
    /// before the position ([`Batch::first`](super::Batch::first) tells) are to be passed over.
    ///
    /// # Errors
    /// If a file cannot be read for a reason that may pass; the cursor stays where it was, nothing is lost by asking
    /// again.
    pub fn next_batches(
        &mut self,
        out: &mut Batches,
        max_bytes: usize,
    ) -> Result<Progress, ReadError> {
        out.clear();
        let mut progress = Progress::default();
        loop {
            let stepped = self.step(out, max_bytes, &mut progress);
            if let Some(shows) = &self.shows {
                out.retain(|bytes| shows(bytes));
            }
            match stepped {
                // Who sees some batches only may wait for the next one for long: he is asked whether he still wants it.
                Ok(true) if out.is_empty() && self.shows.is_none() => {}
                Ok(_) => break Ok(progress),
                // What was read or skipped before stands; the error comes again.
                Err(_) if !out.is_empty() || progress.skipped() > 0 => break Ok(progress),
                Err(e) => break Err(e),
            }
        }
    }

    /// Reads a piece; false if there is no more.
    fn step(
        &mut self,
        out: &mut Batches,
        max_bytes: usize,
        progress: &mut Progress,
    ) -> Result<bool, ReadError> {
        let removals = self.shared.removals();
        let erased = self.shared.erased();
        if self.erased != erased {
            // The file at hand may have what is in none any more.
            (self.erased, self.view) = (erased, View::None);
        }
        if self.view.is_exhausted() && !self.enter(progress)? {
            return Ok(false);
        }
        self.read(out, max_bytes, progress, &removals)?;
        Ok(true)
    }

    /// Enters the segment that has the position; false if there is nothing to read in it.
    fn enter(&mut self, progress: &mut Progress) -> Result<bool, ReadError> {
        loop {
            let (segment, end, first) = {
                let state = self.shared.state();
                let Some((segment, next)) = state.locate(self.position) else {
                    return Ok(false);
                };
                (segment, next.unwrap_or(state.end), state.first())
            };
            if self.position < first {
                progress.expired += first - self.position;
                self.position = first;
            }
            if self.view.id() == Some(segment.id()) {
                if !self.view.is_exhausted() {
                    return Ok(true);
                }
                // What was durable when the state was looked at, and is not in the segment, is lost.
                if end <= self.position {
                    return Ok(false);
                }
                progress.damaged += end - self.position;
                self.shared.note_lost(segment.path(), self.position..end);
                self.position = end;
                continue;
            }
            match self.open(&segment) {
                Ok(view) => self.view = view,
                // Retention was quicker: look again.
                Err(e) if e.kind() == io::ErrorKind::NotFound && self.is_gone(&segment) => continue,
                Err(e) => return Err(FileError::new("open", segment.path(), e).into()),
            }
        }
    }

    fn is_gone(&self, segment: &Segment) -> bool {
        let state = self.shared.state();
        let kept = state
            .place(segment.id())
            .and_then(|at| state.segments.get(at));
        kept.is_none_or(|kept| kept.path() != segment.path())
    }

    fn open(&self, segment: &Segment) -> io::Result<View> {
        match segment {
            Segment::Live(live) => {
                let frame = live.memory().frame_with(self.position);
                Ok(View::Live {
                    live: Arc::clone(live),
                    offset: frame.map_or(SEGMENT_HEADER as u64, |f| f.offset),
                })
            }
            Segment::Sealed(sealed) => {
                let file = self.shared.layer.open(&sealed.path)?;
                // Without a table nothing is found, and all of the segment is said to be lost when it is passed.
                let table = sealed::table(&*file, &sealed.footer)?.unwrap_or_default();
                let after = table.partition_point(|b| b.first <= self.position);
                Ok(View::Sealed {
                    id: sealed.footer.id,
                    path: sealed.path.clone(),
                    file,
                    table,
                    at: after.saturating_sub(1),
                })
            }
        }
    }

    /// Reads on in the segment that the cursor is in.
    fn read(
        &mut self,
        out: &mut Batches,
        max_bytes: usize,
        progress: &mut Progress,
        removals: &[Removal],
    ) -> Result<(), FileError> {
        match &mut self.view {
            View::None => Ok(()),
            View::Live { live, offset } => read_live(
                live,
                offset,
                &mut self.position,
                out,
                (max_bytes, removals),
                progress,
                &self.shared,
            )
            .map_err(|e| FileError::new("read", &live.path, e)),
            View::Sealed {
                path,
                file,
                table,
                at,
                ..
            } => {
                while let Some(block) = table.get(*at) {
                    let start = out.bytes.len();
                    if start > 0 && start + block.raw as usize > max_bytes {
                        break;
                    }
                    let good = self
                        .blocks
                        .read(&**file, block, &mut out.bytes)
                        .map_err(|e| FileError::new("read", &*path, e))?;
                    *at += 1;
                    // What a damaged block had is missing before the next frame.
                    if good {
                        let lost = |numbers| self.shared.note_lost(path, numbers);
                        take_frames(out, start, &mut self.position, removals, progress, lost);
                    }
                }
                Ok(())
            }
        }
    }
}

/// Lists the batches of the frames in `out.bytes` from `at` on that are not before the position.
fn take_frames(
    out: &mut Batches,
    mut at: usize,
    position: &mut u64,
    removals: &[Removal],
    progress: &mut Progress,
    lost: impl Fn(Range<u64>),
) {
    while let Some(frame) = FrameHeader::decode(&out.bytes[at..]) {
        take_frame(out, (&frame, at), position, removals, progress, &lost);
        at += frame.total();
        if at >= out.bytes.len() {
            break;
        }
    }
}

fn take_frame(
    out: &mut Batches,
    (frame, at): (&FrameHeader, usize),
    position: &mut u64,
    removals: &[Removal],
    progress: &mut Progress,
    lost: impl Fn(Range<u64>),
) {
    if frame.end() <= *position {
        return;
    }
    if frame.first > *position {
        progress.damaged += frame.first - *position;
        lost(*position..frame.first);
        *position = frame.first;
    }
    out.add_frame(frame, at, removals, |batch, _| batch.end() > *position);
    *position = frame.end();
}

/// Reads whole frames of a raw segment from `offset` on, no further than is durable.
fn read_live(
    live: &Live,
    offset: &mut u64,
    position: &mut u64,
    out: &mut Batches,
    (max_bytes, removals): (usize, &[Removal]),
    progress: &mut Progress,
    shared: &Shared,
) -> io::Result<()> {
    let durable = live.durable.load(Ordering::Acquire);
    // A frame that is larger is read whole.
    let wanted = max_bytes.max(4096);
    let mut len = durable.saturating_sub(*offset).min(wanted as u64) as usize;
    let mut done = 0;
    while done < len {
        // In the first round all that is wanted; in a second one the rest of a frame that is larger than that.
        let have = out.bytes.len();
        out.bytes.resize(len, 0);
        match read_full(&*live.file, &mut out.bytes[have..], *offset + have as u64) {
            Err(e) if is_damage(&e) => {}
            other => {
                other?;
            }
        }
        let mut bad = false;
        while done < len {
            let rest = &out.bytes[done..];
            let header = FrameHeader::decode(rest).filter(|h| h.salt == live.header.salt);
            match header {
                Some(h) if rest.len() >= h.total() && body_is_good(&h, rest) => {
                    let lost = |numbers| shared.note_lost(&live.path, numbers);
                    take_frame(out, (&h, done), position, removals, progress, lost);
                    done += h.total();
                }
                Some(h) if rest.len() < h.total() => {
                    if done == 0 && *offset + h.total() as u64 <= durable {
                        len = h.total();
                    }
                    break;
                }
                None if rest.len() < FRAME_HEADER && done > 0 => break,
                _ => {
                    bad = true;
                    break;
                }
            }
        }
        if bad || (done == 0 && len == out.bytes.len()) {
            // Damage in what was durable: the index knows where the next frame begins.
            let next = live.memory().frame_after(*offset + done as u64);
            out.bytes.truncate(done);
            *offset = next.map_or(durable, |f| f.offset.min(durable));
            return Ok(());
        }
        if done > 0 {
            break;
        }
    }
    out.bytes.truncate(done);
    *offset += done as u64;
    Ok(())
}
