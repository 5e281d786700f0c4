//! Erasing: takes deleted records out of the files. Whoever asks for it keeps a list of what is to be erased in the
//! store's directory, so that it is known after a crash.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::batch::Batch;
use super::block_reader::BlockReader;
use super::error::FileError;
use super::format::{BatchesOf, FramesIn};
use super::reader::Reader;
use super::removal::Removal;
use super::replace;
use super::rewrite::Rewrite;
use super::sealed::{self, Sealed};
use super::state::{Segment, Shared};

/// The file with the list.
const LIST: &str = "deletions";

/// Takes records out of the files of a store. Made by [`Store::eraser`](super::Store::eraser).
#[derive(Clone)]
pub struct Eraser {
    shared: Arc<Shared>,
}

/// Counts who erases, so that others stand back.
struct Turn<'s>(&'s Shared);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.erasing.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reader {
    /// What readers leave out from now on; what they left out before they do not any more.
    pub fn leave_out(&self, removals: Vec<Removal>) {
        self.shared().set_removals(removals.into());
    }
}

impl Eraser {
    pub(super) fn new(shared: Arc<Shared>) -> Eraser {
        Eraser { shared }
    }

    /// Whether the store stops, so that nothing is erased any more.
    pub fn is_stopped(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    /// The list that was saved last, empty if none was.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn list(&self) -> Result<Vec<u8>, FileError> {
        let list = replace::read(&*self.shared.layer, &self.shared.dir.join(LIST))?;
        Ok(list.unwrap_or_default())
    }

    /// Saves the list, durably; an empty one leaves no file.
    ///
    /// # Errors
    /// If it cannot be written. What was saved before holds.
    pub fn save(&self, list: &[u8]) -> Result<(), FileError> {
        let (layer, dir) = (&*self.shared.layer, &self.shared.dir);
        if !list.is_empty() {
            return replace::replace(layer, dir, LIST, list);
        }
        let path = dir.join(LIST);
        match layer.remove(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::new("remove", &path, e));
            }
            _ => {}
        }
        layer
            .sync_dir(dir)
            .map_err(|e| FileError::new("sync", dir, e))
    }

    /// Has all segments closed and sealed that have records before a number; false if they are not within the time.
    /// The writer does its part when it commits, and when it is [maintained](super::Store::maintain).
    pub fn seal_before(&self, number: u64, timeout: Duration) -> bool {
        self.shared
            .close_before
            .fetch_max(number, Ordering::Relaxed);
        let is_open = |segment: &Segment| matches!(segment, Segment::Live(live) if live.header.first < number);
        self.shared
            .wait(timeout, |state| !state.segments.iter().any(is_open))
    }

    /// Takes the records out of all sealed segments, one after the other; `done` hears how many went after each.
    ///
    /// # Errors
    /// If a segment could not be read or written, or the store was closed. What is done is done; all may be asked for
    /// again.
    pub fn erase(&self, removal: &Removal, mut done: impl FnMut(u64)) -> Result<(), FileError> {
        let shared = &*self.shared;
        shared.erasing.fetch_add(1, Ordering::Relaxed);
        let _turn = Turn(shared);
        let ids: Vec<u64> = {
            let state = shared.state();
            let before = state.segments.iter().filter(|s| s.first() < removal.before);
            before.map(Segment::id).collect()
        };
        for id in ids {
            while let Some(sealed) = self.sealed(id) {
                let fail = |e| FileError::new("erase records in", &sealed.path, e);
                match self.holds(&sealed, removal) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(e) if shared.is_replaced(&sealed, &e) => continue,
                    Err(e) => return Err(fail(e)),
                }
                let rewrite = Rewrite {
                    shared,
                    sealed: &sealed,
                    change: &|batch, bytes| removal.apply(batch, bytes),
                    must: true,
                    go_on: &|| go_on(shared),
                };
                // Else it is another one meanwhile.
                if let Some(removed) = rewrite.run().map_err(fail)? {
                    done(removed);
                    break;
                }
            }
        }
        self.finish()
    }

    /// Sees that no old file is left, and that readers that are in one leave it.
    fn finish(&self) -> Result<(), FileError> {
        let shared = &*self.shared;
        let dir: &Path = &shared.segments_dir;
        if !shared.discard_again() {
            let error = io::Error::other("some cannot be removed yet");
            return Err(FileError::new("remove old files in", dir, error));
        }
        shared
            .layer
            .sync_dir(dir)
            .map_err(|e| FileError::new("sync", dir, e))?;
        shared.erased.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn sealed(&self, id: u64) -> Option<Arc<Sealed>> {
        let state = self.shared.state();
        match state.segments.get(state.place(id)?)? {
            Segment::Sealed(sealed) => Some(Arc::clone(sealed)),
            Segment::Live(_) => None,
        }
    }

    /// Whether the segment has some of the records. It looks at all: the index of an earlier version may not have them.
    fn holds(&self, sealed: &Sealed, removal: &Removal) -> io::Result<bool> {
        let file = self.shared.layer.open(&sealed.path)?;
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its table is damaged");
        let table = sealed::table(&*file, &sealed.footer)?.ok_or_else(damaged)?;
        let (mut reader, mut raw) = (BlockReader::default(), Vec::new());
        for block in &table {
            go_on(&self.shared)?;
            raw.clear();
            if !reader.read(&*file, block, &mut raw)? {
                // Whatever it had, it is not to stay.
                return Ok(block.first < removal.before);
            }
            for (frame, range) in FramesIn::new(&raw) {
                let bytes = &raw[range];
                for (head, first, body) in BatchesOf::new(&frame, bytes) {
                    let batch = Batch::new(&head, first, body.clone());
                    if removal.apply(&batch, &bytes[body]).is_some() {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
}

fn go_on(shared: &Shared) -> io::Result<()> {
    if shared.stopping.load(Ordering::Relaxed) {
        return Err(io::Error::other("the store is closed"));
    }
    Ok(())
}
