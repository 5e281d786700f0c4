//! The calls of a logging thread: the last number it entered a call with, and the last that returned.
//!
//! A file for each thread of each run, mapped into memory: what is stored there survives the process, whatever kills
//! it. Eight words of 8 bytes: run, thread, entered, returned, two for the producer's id, whether the run waits when
//! its ring is full, and what the guard counted as dropped (plus one) when the run ended in order.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const WORDS: usize = 8;
const ENTERED: usize = 2;
const RETURNED: usize = 3;
const DROPPED: usize = 7;

/// Written by a client's thread.
#[derive(Debug, Clone, Copy)]
pub struct CallJournal {
    words: &'static [AtomicU64; WORDS],
}

impl CallJournal {
    /// Makes the file of a thread in `folder`.
    ///
    /// # Errors
    /// If it cannot be made or mapped.
    pub fn new(
        folder: &Path,
        run: u64,
        thread: u64,
        producer: [u8; 16],
        waits: bool,
    ) -> std::io::Result<CallJournal> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.join(format!("{run:06}-{thread}")))?;
        file.set_len((WORDS * 8) as u64)?;
        let words = map(&file)?;
        let producer = u128::from_ne_bytes(producer);
        let head = [
            run,
            thread,
            0,
            0,
            producer as u64,
            (producer >> 64) as u64,
            waits.into(),
            0,
        ];
        for (word, value) in words.iter().zip(head) {
            word.store(value, Ordering::SeqCst);
        }
        Ok(CallJournal { words })
    }

    /// The call for `n` begins.
    pub fn enter(&self, n: u64) {
        self.words[ENTERED].store(n, Ordering::SeqCst);
    }

    /// The call for `n` returned.
    pub fn leave(&self, n: u64) {
        self.words[RETURNED].store(n, Ordering::SeqCst);
    }

    /// The run ends in order, with so many dropped.
    pub fn close(&self, dropped: u64) {
        self.words[DROPPED].store(dropped + 1, Ordering::SeqCst);
    }
}

fn map(file: &File) -> std::io::Result<&'static [AtomicU64; WORDS]> {
    // SAFETY: the file is new, has the length of the words, and nobody but this process writes to it or shortens it
    // while the process runs. A map begins at a page, so the words are aligned; atomics may be shared by threads, and
    // any bits are one. The map is never dropped.
    unsafe {
        let map = memmap2::MmapMut::map_mut(file)?;
        let words = &*map.as_ptr().cast();
        std::mem::forget(map);
        Ok(words)
    }
}

/// Read when the thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// Number of the run.
    pub run: u64,
    /// Number of the thread in it.
    pub thread: u64,
    /// The last number that a call was entered with.
    pub entered: u64,
    /// The last number that a call returned with.
    pub returned: u64,
    /// Producer of the run.
    pub producer: [u8; 16],
    /// Whether the run waited for room, so that nothing may be dropped.
    pub waits: bool,
    /// What the guard had counted as dropped, if the run ended in order.
    pub dropped: Option<u64>,
}

impl Calls {
    /// Reads one file; `None` if the thread was killed before it had made it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> std::io::Result<Option<Calls>> {
        let bytes = std::fs::read(path)?;
        if bytes.len() != WORDS * 8 {
            return Ok(None);
        }
        let word = |at: usize| u64::from_ne_bytes(bytes[at * 8..][..8].try_into().unwrap());
        let producer = u128::from(word(4)) | u128::from(word(5)) << 64;
        let calls = Calls {
            run: word(0),
            thread: word(1),
            entered: word(ENTERED),
            returned: word(RETURNED),
            producer: producer.to_ne_bytes(),
            waits: word(6) != 0,
            dropped: word(DROPPED).checked_sub(1),
        };
        Ok((calls.entered > 0).then_some(calls))
    }

    /// Reads all files of a folder, by run and thread.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn read_all(folder: &Path) -> std::io::Result<Vec<Calls>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            all.extend(Calls::read(&entry?.path())?);
        }
        all.sort_by_key(|calls| (calls.run, calls.thread));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let journal = CallJournal::new(folder.path(), 7, 1, [9; 16], true).unwrap();
        assert_eq!(Calls::read_all(folder.path()).unwrap(), []);
        journal.enter(3);
        journal.leave(2);
        let mut expected = Calls {
            run: 7,
            thread: 1,
            entered: 3,
            returned: 2,
            producer: [9; 16],
            waits: true,
            dropped: None,
        };
        assert_eq!(Calls::read_all(folder.path()).unwrap(), [expected]);
        journal.close(0);
        expected.dropped = Some(0);
        assert_eq!(Calls::read_all(folder.path()).unwrap(), [expected]);
    }
}
