//! A block, and what is known of it.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::buffer::BlockBuffer;
use crate::block_lists::BlockList;
use crate::error::{FileError, ReadError};
use crate::live::Live;
use crate::removal::Removal;
use crate::sealed::{self, Sealed};
use crate::show::ShowFn;
use crate::state::Shared;
use crate::summary::BlockSummary;
use crate::words::hash;

/// A piece of the store: a block of a sealed segment, or neighbouring frames of one that is not sealed. Cheap to clone.
#[derive(Clone)]
pub struct Block {
    pub(super) shared: Arc<Shared>,
    pub(super) place: Place,
    pub(super) numbers: Range<u64>,
    /// How often records had been erased when it was listed.
    pub(super) erased: u64,
    pub(super) shows: Option<ShowFn>,
}

#[derive(Clone)]
pub(super) enum Place {
    Frames(Arc<Live>, Frames),
    Block(Arc<Sealed>, Arc<BlockList>, usize),
}

/// Neighbouring frames.
#[derive(Clone)]
pub(super) struct Frames {
    pub(super) places: Range<usize>,
    /// More were too much: these stay together.
    pub(super) full: bool,
    pub(super) known: Option<Arc<BlockSummary>>,
}

impl Block {
    /// The numbers of its records.
    pub fn numbers(&self) -> Range<u64> {
        self.numbers.clone()
    }

    /// What is known of it without reading it.
    pub fn summary(&self) -> Option<&BlockSummary> {
        match &self.place {
            Place::Frames(_, frames) => frames.known.as_deref(),
            Place::Block(_, list, place) => list.summaries.get(*place)?.as_ref(),
        }
    }

    /// Whether what is known of it is true of all its records. Else some of them are deleted, or the reader does not
    /// see them, and are not read.
    pub fn is_whole(&self) -> bool {
        self.shows.is_none()
            && !self.is_left_out(&self.shared.removals())
            && self.erased == self.shared.erased()
    }

    /// Whether some of its records may be deleted.
    pub(super) fn is_left_out(&self, removals: &[Removal]) -> bool {
        let left_out = |removal: &Removal| self.numbers.start < removal.before;
        removals.iter().any(left_out)
    }

    /// Whether a record in it may have all of these words in the texts that [`any_text`](crate::any_text) shows. They
    /// are given as [`lowercase`](crate::lowercase) makes them. Reads 64 bytes for each; true where nothing is known.
    ///
    /// # Errors
    /// As [`Block::read`].
    pub fn may_hold<'w>(
        &self,
        words: impl IntoIterator<Item = &'w str>,
        buffer: &mut BlockBuffer,
    ) -> Result<bool, ReadError> {
        let (Some(summary), Place::Block(sealed, ..)) = (self.summary(), &self.place) else {
            return Ok(true);
        };
        let ask = || -> io::Result<bool> {
            for word in words {
                let file = buffer.open(&*self.shared.layer, sealed)?;
                if !sealed::may_hold_word(&*file, &sealed.footer, summary, hash(word))? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match ask() {
            Err(e) if self.shared.is_gone(sealed, &e) => Ok(false),
            Err(e) if self.shared.is_replaced(sealed, &e) => Ok(true),
            other => other.map_err(|e| FileError::new("read", &sealed.path, e).into()),
        }
    }
}
