//! Reads a block.

use std::io;
use std::sync::Arc;

use distlog_proto::Severity;

use super::block::{Block, Frames, Place};
use super::buffer::BlockBuffer;
use crate::batches::Batches;
use crate::block_reader::Selected;
use crate::columns::Selection;
use crate::cursor::Cursor;
use crate::error::{FileError, ReadError};
use crate::format::{FrameHeader, body_is_good};
use crate::layer::read_full;
use crate::live::Live;
use crate::memory::FrameAt;
use crate::options::FRAME_TARGET;
use crate::removal::Removal;
use crate::scan::is_damage;
use crate::sealed::{BlockAt, Sealed};
use crate::summary::BlockSummary;
use crate::text_part::TextPart;

impl Block {
    /// Reads what is wanted of it. One that retention removed meanwhile may be empty. What is damaged is left out,
    /// counted and told.
    ///
    /// # Errors
    /// If a file cannot be read for a reason that may pass.
    pub fn read(&self, wanted: &Selection<'_>, buffer: &mut BlockBuffer) -> Result<(), ReadError> {
        buffer.clear();
        buffer.shows = self.shows.clone();
        // In this order: see `Shared::removals`.
        let removals = self.shared.removals();
        if self.erased != self.shared.erased() {
            buffer.close();
            return self.read_anew(buffer);
        }
        match &self.place {
            Place::Frames(live, frames) => {
                let good = self
                    .read_frames(live, frames, (wanted.texts, &removals), buffer)
                    .map_err(|e| FileError::new("read", &live.path, e))?;
                // Whoever asks next need not read them if he only counts.
                if good
                    && frames.full
                    && frames.known.is_none()
                    && let Some(summary) = BlockSummary::of(&buffer.batches)
                {
                    live.learn(frames.places.start, summary);
                }
                Ok(())
            }
            Place::Block(sealed, list, place) => {
                let Some(at) = list.table.get(*place) else {
                    return Ok(());
                };
                let read = self.read_block(sealed, at, (wanted, &removals), buffer);
                match read {
                    Err(e) if self.shared.is_gone(sealed, &e) => Ok(()),
                    Err(e) if self.shared.is_replaced(sealed, &e) => self.read_anew(buffer),
                    other => other.map_err(|e| FileError::new("read", &sealed.path, e).into()),
                }
            }
        }
    }

    /// Shows how many of its records that are at least so severe have which text in a field, and how many have no such
    /// field. False where that cannot be told without reading them, as where [`Block::is_whole`] does not hold; nothing
    /// was shown then. (Names with dots are those of fields, not ways into maps.)
    ///
    /// # Errors
    /// As [`Block::read`].
    pub fn count_texts(
        &self,
        severity: Severity,
        field: &str,
        buffer: &mut BlockBuffer,
        see: &mut dyn FnMut(Option<&str>, u64),
    ) -> Result<bool, ReadError> {
        let Place::Block(sealed, list, place) = &self.place else {
            return Ok(false);
        };
        let Some(at) = list.table.get(*place).filter(|_| self.is_whole()) else {
            return Ok(false);
        };
        let file = buffer.open(&*self.shared.layer, sealed);
        match file.and_then(|file| buffer.count_texts(&*file, at, (severity, field), see)) {
            // It is told where it is read.
            Err(e) if self.shared.is_gone(sealed, &e) => Ok(false),
            Err(e) if self.shared.is_replaced(sealed, &e) => Ok(false),
            other => other.map_err(|e| FileError::new("read", &sealed.path, e).into()),
        }
    }

    /// Reads its records from where they stand now.
    fn read_anew(&self, buffer: &mut BlockBuffer) -> Result<(), ReadError> {
        let mut cursor = Cursor::new(Arc::clone(&self.shared), self.numbers.start, None);
        let mut batches = Batches::new();
        while cursor.position() < self.numbers.end {
            cursor.next_batches(&mut batches, FRAME_TARGET)?;
            if batches.is_empty() {
                break;
            }
            buffer.batches.append(&batches, &self.numbers);
        }
        Ok(())
    }

    fn read_block(
        &self,
        sealed: &Arc<Sealed>,
        at: &BlockAt,
        (wanted, removals): (&Selection<'_>, &[Removal]),
        buffer: &mut BlockBuffer,
    ) -> io::Result<()> {
        let file = buffer.open(&*self.shared.layer, sealed)?;
        // To tell which of its records are deleted, all of each must be known.
        let wanted = (!self.is_left_out(removals)).then_some(wanted);
        match buffer.read(&*file, at, wanted)? {
            Some(Selected::Batches) => {}
            Some(Selected::Frames) => buffer.batches.add_frames(removals),
            None => {
                // Nothing is left to show.
                buffer.clear();
                self.shared.note_lost(&sealed.path, self.numbers());
            }
        }
        Ok(())
    }

    /// Reads frames. Where they were all good before, those in which a part of a text does not stand are left out.
    /// Gives whether all are good.
    fn read_frames(
        &self,
        live: &Live,
        frames: &Frames,
        (texts, removals): (&[TextPart], &[Removal]),
        buffer: &mut BlockBuffer,
    ) -> io::Result<bool> {
        let texts = match frames.known {
            Some(_) => texts,
            None => &[],
        };
        let frames = frames_at(live, frames);
        let BlockBuffer {
            batches, scratch, ..
        } = buffer;
        let mut good = true;
        for (place, frame) in frames.iter().enumerate() {
            let (start, len) = (batches.bytes.len(), frame.len as usize);
            let read = if texts.is_empty() {
                batches.bytes.resize(start + len, 0);
                read_full(&*live.file, &mut batches.bytes[start..], frame.offset)
            } else {
                // What was longer stays so: else its bytes were set to zero each time.
                scratch.resize(scratch.len().max(len), 0);
                let read = read_full(&*live.file, &mut scratch[..len], frame.offset);
                let is_whole = read.as_ref().is_ok_and(|read| *read == len);
                if is_whole && !texts.iter().all(|part| part.is_in(&scratch[..len])) {
                    continue;
                }
                batches.bytes.extend_from_slice(&scratch[..len]);
                read
            };
            match read {
                Err(e) if !is_damage(&e) => return Err(e),
                _ => {}
            }
            let bytes = &batches.bytes[start..];
            let header = FrameHeader::decode(bytes)
                .filter(|header| header.salt == live.header.salt && body_is_good(header, bytes));
            match header {
                Some(header) => batches.add_frame(&header, start, removals, |_, _| true),
                None => {
                    good = false;
                    batches.bytes.truncate(start);
                    let next = frames.get(place + 1);
                    let end = next.map_or(self.numbers.end, |next| next.first);
                    self.shared.note_lost(&live.path, frame.first..end);
                }
            }
        }
        Ok(good)
    }
}

fn frames_at(live: &Live, frames: &Frames) -> Vec<FrameAt> {
    let memory = live.memory();
    let frames = memory.frames().get(frames.places.clone());
    frames.unwrap_or_default().to_vec()
}
