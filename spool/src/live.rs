//! Which spools this process has open, so that it never opens one of them a second time: closing any descriptor of a
//! file drops the process's POSIX locks on it.
//!
//! Everything here is atomic and of fixed size. A `fork` may come at any moment, from a thread that is not in here
//! while another one is; a mutex would then stay locked in the child for ever.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many spools a process can have open at once. What is dead beyond them is claimed later.
const SLOTS: usize = 1024;
/// So long a thread waits for another one that opens or creates a file.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The process one of whose threads is in a [`Section`]; 0: none.
static HOLDER: AtomicU32 = AtomicU32::new(0);
static OPEN: [Slot; SLOTS] = [const { Slot::free() }; SLOTS];

struct Slot {
    /// The process that has the file open; 0: none.
    process: AtomicU32,
    device: AtomicU64,
    inode: AtomicU64,
    /// The file is about to be closed, or just was: the system may have given its inode to another one.
    closing: AtomicBool,
}

impl Slot {
    const fn free() -> Slot {
        Slot {
            process: AtomicU32::new(0),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        }
    }
}

/// What this process does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    None,
    Open,
    /// It is being closed. What has its identity afterwards may be a new file: ask again.
    Closing,
}

/// Identifies a file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> FileId {
        FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// While it lives, no other thread of this process opens or creates a spool.
pub(crate) struct Section {
    process: u32,
}

impl Section {
    /// Waits for the other threads.
    ///
    /// # Errors
    /// If one of them hangs in the file system.
    pub(crate) fn enter() -> io::Result<Section> {
        let process = std::process::id();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let holder = HOLDER.load(Ordering::Relaxed);
            // A holder that is another process was left behind by a fork: that thread does not exist here.
            if holder != process
                && HOLDER
                    .compare_exchange(holder, process, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return Ok(Section { process });
            }
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether this process has the file open.
    pub(crate) fn use_of(&self, file: FileId) -> Use {
        let slot = OPEN.iter().find(|slot| {
            slot.process.load(Ordering::Acquire) == self.process
                && slot.device.load(Ordering::Relaxed) == file.device
                && slot.inode.load(Ordering::Relaxed) == file.inode
        });
        match slot {
            None => Use::None,
            Some(slot) if slot.closing.load(Ordering::Relaxed) => Use::Closing,
            Some(_) => Use::Open,
        }
    }

    /// Notes that this process has the file open, until the result is dropped. `None` if it has too many.
    pub(crate) fn register(&self, file: FileId) -> Option<Registration> {
        // Slots of another process are those from before a fork.
        let slot = OPEN
            .iter()
            .find(|slot| slot.process.load(Ordering::Acquire) != self.process)?;
        slot.device.store(file.device, Ordering::Relaxed);
        slot.inode.store(file.inode, Ordering::Relaxed);
        slot.closing.store(false, Ordering::Relaxed);
        slot.process.store(self.process, Ordering::Release);
        Some(Registration {
            slot,
            process: self.process,
        })
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        HOLDER.store(0, Ordering::Release);
    }
}

/// See [`Section::register`]. To be dropped after the file is closed.
pub(crate) struct Registration {
    slot: &'static Slot,
    process: u32,
}

impl Registration {
    /// Whether this is the process that has the file open, and no child of it.
    pub(crate) fn is_mine(&self) -> bool {
        self.process == std::process::id()
    }

    /// Says that the file is about to be closed.
    pub(crate) fn closing(&self) {
        if self.is_mine() {
            self.slot.closing.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // In a forked child the slot may be in use for a file of its own.
        if self.is_mine() {
            self.slot.process.store(0, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_from_registration_to_drop() {
        let file = FileId {
            device: u64::MAX,
            inode: 7,
        };
        let section = Section::enter().unwrap();
        assert_eq!(section.use_of(file), Use::None);
        let registration = section.register(file).unwrap();
        assert_eq!(section.use_of(file), Use::Open);
        registration.closing();
        assert_eq!(section.use_of(file), Use::Closing);
        drop(registration);
        assert_eq!(section.use_of(file), Use::None);
        let _registration = section.register(file).unwrap();
        assert_eq!(section.use_of(file), Use::Open);
    }
}
