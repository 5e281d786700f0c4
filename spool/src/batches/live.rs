//! [`BatchSpool`]: the batches of a living process.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use distlog_proto::ProducerId;

use super::frame::{Frame, MAX_BATCH};
use super::header::{HEADER_LEN, Header};
use crate::error::SpoolError;
use crate::layout::{self, LEVELS};
use crate::lock::Locked;
use crate::unpublished::Unpublished;

/// Bytes of acknowledged batches in front of the others before the file is written anew without them.
const MIN_COMPACT: u64 = 1 << 20;

/// A file of batches of this process. As long as it lives, nobody else takes the file. Dropped, the file stays and is
/// open to whoever drains the directory.
pub struct BatchSpool {
    temporary: PathBuf,
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    locked: Locked,
    header: Header,
    /// The frame with the source alone. Empty: not known yet.
    source: Vec<u8>,
    /// Those that are not acknowledged, in order.
    frames: VecDeque<Place>,
    /// Where the next frame goes.
    end: u64,
    /// An append failed, and what it had written may still be behind the end.
    is_torn: bool,
    /// Acknowledged bytes from which on the file is written anew.
    compact_at: u64,
}

/// Where a frame stands in the file.
struct Place {
    /// The offset after its last record.
    to: u64,
    at: u64,
}

impl BatchSpool {
    /// Creates and locks `temporary`, and renames it to `path`.
    pub(crate) fn create(
        temporary: PathBuf,
        path: PathBuf,
        producer: ProducerId,
    ) -> Result<BatchSpool, SpoolError> {
        let header = Header::new(producer);
        let locked = write_new(&temporary, &path, &header.to_bytes())?;
        Ok(BatchSpool {
            temporary,
            path,
            state: Mutex::new(State {
                locked,
                header,
                source: Vec::new(),
                frames: VecDeque::new(),
                end: HEADER_LEN as u64,
                is_torn: false,
                compact_at: MIN_COMPACT,
            }),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends batches, all of them or none. Each begins where the one before ends or later. Once this has returned,
    /// they outlive the process.
    ///
    /// # Errors
    /// If the disk is full, or somebody has removed the file or cut it off.
    pub fn append<'a>(
        &self,
        batches: impl IntoIterator<Item = Frame<'a>>,
    ) -> Result<(), SpoolError> {
        let mut state = self.state();
        self.check(&state)?;
        self.compact(&mut state);
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for frame in batches {
            if frame.bytes.len() > MAX_BATCH {
                return Err(self.error("append to", io::ErrorKind::InvalidInput.into()));
            }
            let at = state.end + bytes.len() as u64;
            places.push(Place { to: frame.to, at });
            frame.put(&mut bytes);
        }
        let file = state.locked.file();
        let end = state.end;
        let written = match state.is_torn {
            true => file.set_len(end),
            false => Ok(()),
        };
        if let Err(error) = written.and_then(|()| file.write_all_at(&bytes, end)) {
            // What is half written must not be taken for a frame behind a shorter one that comes later.
            state.is_torn = state.locked.file().set_len(end).is_err();
            let needed = bytes.len() as u64;
            return Err(SpoolError::of("append to", &self.path, needed, error));
        }
        state.is_torn = false;
        state.end += bytes.len() as u64;
        state.frames.extend(places);
        Ok(())
    }

    /// Sets what is told about the producer while the file has no batches: a batch with the source alone.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_source(&self, source: &[u8]) -> Result<(), SpoolError> {
        let mut state = self.state();
        state.source.clear();
        let frame = Frame {
            from: 0,
            to: 0,
            bytes: source,
        };
        frame.put(&mut state.source);
        match state.frames.is_empty() {
            true => self.clear(&mut state),
            false => Ok(()),
        }
    }

    /// The next epoch, noted in the file before it is told.
    ///
    /// # Errors
    /// If it cannot be noted.
    pub fn next_epoch(&self) -> Result<u64, SpoolError> {
        let mut state = self.state();
        let epoch = state.header.epoch + 1;
        self.write(&state, layout::EPOCH_AT, &[epoch])?;
        state.header.epoch = epoch;
        Ok(epoch)
    }

    /// Notes that everything before `to` is durable elsewhere. Once that is all there is, the file is emptied.
    ///
    /// # Errors
    /// If it cannot be noted. The batches then come again when the file is claimed.
    pub fn set_acked(&self, to: u64) -> Result<(), SpoolError> {
        let mut state = self.state();
        if to <= state.header.acked {
            return Ok(());
        }
        self.write(&state, layout::ACKED_AT, &[to])?;
        state.header.acked = to;
        let acked = state.frames.partition_point(|frame| frame.to <= to);
        state.frames.drain(..acked);
        match acked > 0 && state.frames.is_empty() {
            true => self.clear(&mut state),
            false => Ok(()),
        }
    }

    /// Notes how many records were dropped since the producer began, by level, ERROR first.
    ///
    /// # Errors
    /// If it cannot be noted.
    pub fn set_dropped(&self, dropped: &[u64; LEVELS]) -> Result<(), SpoolError> {
        let mut state = self.state();
        // Threads that count at the same time come in any order.
        let dropped = std::array::from_fn(|level| state.header.dropped[level].max(dropped[level]));
        self.write(&state, layout::DROPPED_AT, &dropped)?;
        state.header.dropped = dropped;
        Ok(())
    }

    /// Removes the file, unless batches in it are not acknowledged. Returns whether it is gone. In a forked child
    /// nothing happens, as the file is its parent's; nor if another file has its name.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove(&self) -> Result<bool, SpoolError> {
        let state = self.state();
        let is_empty = state.frames.is_empty();
        if is_empty {
            let removed = state.locked.unlink(&self.path);
            removed.map_err(|error| self.error("remove", error))?;
        }
        Ok(is_empty)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that the file is this process's, and where and as long as it was.
    fn check(&self, state: &State) -> Result<(), SpoolError> {
        let fail = |error| self.error("look at", error);
        let file = state.own_file().map_err(fail)?;
        if !state.locked.is_at(&self.path).map_err(fail)? {
            return Err(SpoolError::Removed {
                path: self.path.clone(),
            });
        }
        let length = file.metadata().map_err(fail)?.len();
        if length < state.end {
            return Err(SpoolError::Truncated {
                path: self.path.clone(),
                length,
                expected: state.end,
            });
        }
        Ok(())
    }

    /// Leaves nothing but header and source.
    fn clear(&self, state: &mut State) -> Result<(), SpoolError> {
        let start = HEADER_LEN as u64;
        let file = state.own_file();
        file.and_then(|file| {
            file.set_len(start)?;
            file.write_all_at(&state.source, start)
        })
        .map_err(|error| self.error("empty", error))?;
        state.end = start + state.source.len() as u64;
        state.is_torn = false;
        Ok(())
    }

    /// Writes the file anew if it is acknowledged for the most part. If that fails, it goes on growing for a while.
    fn compact(&self, state: &mut State) {
        let start = state.frames.front().map_or(state.end, |frame| frame.at);
        let dead = start - HEADER_LEN as u64;
        if dead < state.compact_at || dead < state.end - start {
            return;
        }
        let mut bytes = state.header.to_bytes();
        bytes.extend_from_slice(&state.source);
        let new_start = bytes.len() as u64;
        let left = (state.end - start) as usize;
        bytes.resize(bytes.len() + left, 0);
        let copied = bytes
            .get_mut(new_start as usize..)
            .is_some_and(|to| state.locked.file().read_exact_at(to, start).is_ok());
        let new = copied.then(|| write_new(&self.temporary, &self.path, &bytes));
        match new {
            Some(Ok(locked)) => {
                state.locked = locked;
                state.end = bytes.len() as u64;
                state.is_torn = false;
                state.compact_at = MIN_COMPACT;
                for frame in &mut state.frames {
                    frame.at = frame.at - start + new_start;
                }
            }
            _ => state.compact_at = dead.saturating_mul(2),
        }
    }

    fn write(&self, state: &State, at: usize, words: &[u64]) -> Result<(), SpoolError> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let file = state.own_file();
        file.and_then(|file| file.write_all_at(&bytes, at as u64))
            .map_err(|error| self.error("write", error))
    }

    fn error(&self, action: &'static str, error: io::Error) -> SpoolError {
        SpoolError::of(action, &self.path, 0, error)
    }
}

impl State {
    /// The file, unless this is a forked child: it is its parent's.
    fn own_file(&self) -> io::Result<&File> {
        match self.locked.is_mine() {
            true => Ok(self.locked.file()),
            false => Err(io::Error::other("it belongs to the parent process")),
        }
    }
}

/// Makes a file of these bytes in the place of what is at `path`.
fn write_new(temporary: &Path, path: &Path, bytes: &[u8]) -> Result<Locked, SpoolError> {
    let length = bytes.len() as u64;
    let new = Unpublished::create(temporary.to_owned(), path.to_owned(), length)?;
    new.file()
        .write_all_at(bytes, 0)
        .map_err(|error| SpoolError::of("write", path, length, error))?;
    new.publish().map(|(locked, _)| locked)
}

impl fmt::Debug for BatchSpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchSpool")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
