//! Reads a block.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::block::{Block, Place};
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

impl Block {
    /// Reads what is wanted of it. One that retention removed meanwhile is empty. What is damaged is left out, counted
    /// and told.
    ///
    /// # Errors
    /// If a file cannot be read for a reason that may pass.
    pub fn read(&self, wanted: &Selection<'_>, buffer: &mut BlockBuffer) -> Result<(), ReadError> {
        buffer.clear();
        buffer.shows = self.shows.clone();
        // In this order: see `Shared::removals`.
        let removals = self.shared.removals();
        if self.erased != self.shared.erased() {
            return self.read_anew(buffer);
        }
        match &self.place {
            Place::Frames(live, frames) => {
                let batches = &mut buffer.batches;
                self.read_frames(live, frames.places.clone(), &removals, batches)
                    .map_err(|e| FileError::new("read", &live.path, e))?;
                // Whoever asks next need not read them if he only counts.
                if frames.full
                    && frames.known.is_none()
                    && let Some(summary) = BlockSummary::of(batches)
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
        sealed: &Sealed,
        at: &BlockAt,
        (wanted, removals): (&Selection<'_>, &[Removal]),
        buffer: &mut BlockBuffer,
    ) -> io::Result<()> {
        let file = self.shared.layer.open(&sealed.path)?;
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

    fn read_frames(
        &self,
        live: &Live,
        places: Range<usize>,
        removals: &[Removal],
        out: &mut Batches,
    ) -> io::Result<()> {
        let frames: Vec<FrameAt> = live
            .memory()
            .frames()
            .get(places)
            .unwrap_or_default()
            .to_vec();
        for (place, frame) in frames.iter().enumerate() {
            let start = out.bytes.len();
            out.bytes.resize(start + frame.len as usize, 0);
            match read_full(&*live.file, &mut out.bytes[start..], frame.offset) {
                Err(e) if !is_damage(&e) => return Err(e),
                _ => {}
            }
            let bytes = &out.bytes[start..];
            let header = FrameHeader::decode(bytes)
                .filter(|header| header.salt == live.header.salt && body_is_good(header, bytes));
            match header {
                Some(header) => out.add_frame(&header, start, removals, |_, _| true),
                None => {
                    out.bytes.truncate(start);
                    let next = frames.get(place + 1);
                    let end = next.map_or(self.numbers.end, |next| next.first);
                    self.shared.note_lost(&live.path, frame.first..end);
                }
            }
        }
        Ok(())
    }
}
