//! Writes a sealed segment anew, as another generation of the same id, and puts it in the place of the one before.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, TryLockError};

use super::batch::Batch;
use super::block_reader::BlockReader;
use super::format::{
    BatchesOf, FRAME_HEADER, FrameHeader, FramesIn, SEALED_MAGIC, SEGMENT_HEADER, SegmentHeader,
    padded, put,
};
use super::layer::{StoreFile, read_full};
use super::memory::{FrameAt, MemoryIndex};
use super::packers::ALONE;
use super::seal::SealWriter;
use super::sealed::{self, Sealed};
use super::state::{Segment, Shared};
use super::stats::add;

/// See [`ChangeFn`](super::removal::ChangeFn).
type Change<'c> = dyn Fn(&Batch, &[u8]) -> Option<(Vec<u8>, u64)> + 'c;

/// What is to be written anew, and how.
pub(super) struct Rewrite<'r> {
    pub(super) shared: &'r Shared,
    pub(super) sealed: &'r Arc<Sealed>,
    /// Takes records out of batches.
    pub(super) change: &'r Change<'r>,
    /// It must be done: blocks that cannot be read go, and the reserve of the disk may be used. Else the segment stays
    /// as it is.
    pub(super) must: bool,
    /// Asked before each block; an error ends it, and the segment stays as it was.
    pub(super) go_on: &'r dyn Fn() -> io::Result<()>,
}

impl Rewrite<'_> {
    /// Gives how many records were taken out; `None` if the segment is another one meanwhile, or gone.
    pub(super) fn run(&self) -> io::Result<Option<u64>> {
        let shared = self.shared;
        // One at a time: of two, one would bring back what the other has taken out.
        let _turn = match shared.rewriting.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if !self.must => {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Err(TryLockError::WouldBlock) => {
                let turn = shared.rewriting.lock();
                turn.unwrap_or_else(PoisonError::into_inner)
            }
        };
        (self.go_on)()?;
        if !self.is_current() {
            return Ok(None);
        }
        let free = shared.layer.free_space(&shared.segments_dir)?;
        let reserve = if self.must { 0 } else { shared.options.reserve };
        if free < self.sealed.size.saturating_mul(2).saturating_add(reserve) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let (new, removed) = self.write()?;
        let new = Arc::new(new);
        let kept = shared.update(|state| {
            let place = state.place(self.sealed.footer.id);
            let segment = place.and_then(|at| state.segments.get_mut(at));
            segment.is_some_and(|segment| {
                *segment = Segment::Sealed(Arc::clone(&new));
                true
            })
        });
        if !kept {
            // Retention was quicker.
            shared.discard(&new.path);
            return Ok(None);
        }
        // Readers who do not find it look for the new one.
        shared.discard(&self.sealed.path);
        add(&shared.counters.rewritten, 1);
        Ok(Some(removed))
    }

    fn is_current(&self) -> bool {
        let state = self.shared.state();
        let place = state.place(self.sealed.footer.id);
        place
            .and_then(|at| state.segments.get(at))
            .is_some_and(|now| match now {
                Segment::Sealed(now) => Arc::ptr_eq(now, self.sealed),
                Segment::Live(_) => false,
            })
    }

    fn write(&self) -> io::Result<(Sealed, u64)> {
        let (shared, sealed) = (self.shared, self.sealed);
        let file = shared.layer.open(&sealed.path)?;
        let table = sealed::table(&*file, &sealed.footer)?.ok_or_else(damaged)?;
        let mut salt = salt(&*file)?;
        let mut writer = None;
        let mut memory = MemoryIndex::default();
        let (mut reader, mut raw, mut frame_bytes) =
            (BlockReader::default(), Vec::new(), Vec::new());
        let mut removed = 0;
        for (n, block) in table.iter().enumerate() {
            (self.go_on)()?;
            raw.clear();
            if !reader.read(&*file, block, &mut raw)? {
                if !self.must {
                    return Err(damaged());
                }
                let next = table.get(n + 1);
                let end = next.map_or(sealed.footer.end, |next| next.first);
                shared.note_lost(&sealed.path, block.first..end);
                continue;
            }
            for (frame, range) in FramesIn::new(&raw) {
                removed += self.frame(&frame, &raw[range], &mut frame_bytes);
                memory.add_frame(FrameAt {
                    offset: 0,
                    first: frame.first,
                    len: frame_bytes.len() as u32,
                });
                if let Some(frame) = FrameHeader::decode(&frame_bytes) {
                    for (_, _, body) in BatchesOf::new(&frame, &frame_bytes) {
                        (shared.options.index)(&frame_bytes[body], &mut |trace| {
                            memory.add_trace(trace.to_bytes());
                        });
                    }
                }
                let salt = *salt.get_or_insert(frame.salt);
                let writer = match &mut writer {
                    Some(writer) => writer,
                    none => none.insert(self.begin(salt)?),
                };
                writer.frame(frame.first, &frame_bytes)?;
            }
        }
        let mut writer = match writer {
            Some(writer) => writer,
            None => self.begin(salt.unwrap_or_default())?,
        };
        let footer = &sealed.footer;
        writer.removed(removed.saturating_add(footer.removed.into()));
        let new = writer.finish(&memory, footer.end, footer.newest)?;
        Ok((new, removed))
    }

    fn begin(&self, salt: u32) -> io::Result<SealWriter<'_>> {
        let footer = &self.sealed.footer;
        let header = SegmentHeader {
            id: footer.id,
            first: footer.first,
            salt,
        };
        SealWriter::new(
            &*self.shared.layer,
            &self.shared.segments_dir,
            (header, self.sealed.generation + 1),
            &self.shared.options,
            ALONE,
        )
    }

    /// Puts the frame with changed batches into `out`; gives how many records were taken out.
    fn frame(&self, frame: &FrameHeader, bytes: &[u8], out: &mut Vec<u8>) -> u64 {
        out.clear();
        out.resize(FRAME_HEADER, 0);
        let mut removed = 0;
        for (head, first, body) in BatchesOf::new(frame, bytes) {
            let old = &bytes[body.clone()];
            let batch = Batch::new(&head, first, body);
            match (self.change)(&batch, old) {
                Some((new, count)) => {
                    let mut head = head;
                    head.len = new.len() as u32;
                    out.extend_from_slice(&head.encode());
                    out.extend_from_slice(&new);
                    removed += count;
                }
                None => {
                    out.extend_from_slice(&head.encode());
                    out.extend_from_slice(old);
                }
            }
        }
        if removed == 0 {
            // To the last byte, padding included.
            out.clear();
            out.extend_from_slice(bytes);
            return 0;
        }
        let header = FrameHeader {
            body: (out.len() - FRAME_HEADER) as u32,
            body_crc: crc32c::crc32c(&out[FRAME_HEADER..]),
            ..*frame
        };
        put(out, 0, &header.encode());
        out.resize(padded(out.len()), 0);
        removed
    }
}

/// The salt of a segment, if its header is good.
fn salt(file: &dyn StoreFile) -> io::Result<Option<u32>> {
    let mut bytes = [0; SEGMENT_HEADER];
    read_full(file, &mut bytes, 0)?;
    Ok(SegmentHeader::decode(&bytes, SEALED_MAGIC).map(|header| header.salt))
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is damaged")
}

impl Shared {
    /// Removes a file that is of no use any more; one that cannot be removed is tried again.
    pub(super) fn discard(&self, path: &Path) {
        let mut left = self.left_files();
        left.retain(|known| known != path);
        match self.layer.remove(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => left.push(path.to_owned()),
            _ => {}
        }
    }

    /// Tries again to remove what could not be removed; whether nothing is left.
    pub(super) fn discard_again(&self) -> bool {
        let left = self.left_files().clone();
        left.iter().for_each(|path| self.discard(path));
        self.left_files().is_empty()
    }
}
