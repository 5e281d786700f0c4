//! A new spool, and the spool of a living process.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use distlog_proto::ProducerId;

use crate::allocate::allocate;
use crate::error::SpoolError;
use crate::header::Header;
use crate::layout;
use crate::lock::Locked;
use crate::table;
use crate::unpublished::Unpublished;

/// Room that is kept on the disk for the table to grow, in bytes, where the file system can do so.
const TABLE_ROOM: u64 = 64 * 1024;

/// A spool that is complete, but has not got its name yet: nobody drains it. Dropped, it is gone.
pub struct NewSpool {
    file: Unpublished,
    table_end: u64,
}

impl NewSpool {
    /// Creates, locks, allocates and fills `temporary`, which is to become `path`.
    pub(crate) fn create(
        temporary: PathBuf,
        path: PathBuf,
        producer: ProducerId,
        capacity: u64,
        secret: u64,
        source: &[u8],
    ) -> Result<NewSpool, SpoolError> {
        let header = Header::new(producer, capacity, secret);
        if !header.is_possible() {
            return Err(SpoolError::File {
                action: "make a ring of that length in",
                path,
                source: std::io::ErrorKind::InvalidInput.into(),
            });
        }
        let mut table = Vec::new();
        table::put(&mut table, layout::KIND_SOURCE, 0, source);
        let table_at = layout::table_at(capacity);
        let table_end = table_at + table.len() as u64;

        let new = Unpublished::create(temporary, path, table_end)?;
        let fail = |action, error| SpoolError::of(action, new.path(), table_end, error);
        let file = new.file();
        allocate(file, table_end, TABLE_ROOM).map_err(|error| fail("allocate", error))?;
        let page = header.to_bytes();
        let (magic, rest) = page.split_at(layout::VERSION_AT);
        file.write_all_at(&table, table_at)
            .and_then(|()| file.write_all_at(rest, layout::VERSION_AT as u64))
            .and_then(|()| file.write_all_at(magic, layout::MAGIC_AT as u64))
            .map_err(|error| fail("write", error))?;
        Ok(NewSpool {
            file: new,
            table_end,
        })
    }

    /// The file, to be mapped: [`layout::HEADER_LEN`] bytes, then the ring, all zero.
    ///
    /// It must not be duplicated or opened a second time: closing any descriptor of it drops the lock. A map of it is
    /// no descriptor.
    pub fn file(&self) -> &File {
        self.file.file()
    }

    /// Gives the file its name: from now on, what is in it outlives this process.
    ///
    /// # Errors
    /// If the directory is gone, or the system refuses. The file is gone then.
    pub fn publish(self) -> Result<LiveSpool, SpoolError> {
        let (locked, path) = self.file.publish()?;
        Ok(LiveSpool {
            locked,
            path,
            table_end: Mutex::new(self.table_end),
        })
    }
}

/// The spool of this process. As long as it lives, nobody else takes the file. Dropped, the file stays and is open to
/// whoever drains the directory.
pub struct LiveSpool {
    locked: Locked,
    path: PathBuf,
    /// Where the next entry of the table goes.
    table_end: Mutex<u64>,
}

impl LiveSpool {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a callsite, encoded as a field of a batch. To be called before a record that names it is in the ring.
    ///
    /// # Errors
    /// If the disk is full, or somebody has cut the file off. The callsite is not kept then; whoever drains the file
    /// puts a nameless one in its place.
    pub fn append_callsite(&self, id: u32, encoded: &[u8]) -> Result<(), SpoolError> {
        let mut entry = Vec::with_capacity(encoded.len() + 32);
        table::put(&mut entry, layout::KIND_CALLSITE, id, encoded);
        let mut end = self
            .table_end
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // To write behind the end of a file that was cut off would make it look whole.
        self.check_length(*end)?;
        self.locked
            .file()
            .write_all_at(&entry, *end)
            .map_err(|error| SpoolError::of("write", &self.path, entry.len() as u64, error))?;
        *end += entry.len() as u64;
        Ok(())
    }

    /// Makes sure that the file is where it was and as long as it was, so that what is in it will be found.
    ///
    /// # Errors
    /// If it is not, or the system does not say.
    pub fn check(&self) -> Result<(), SpoolError> {
        let fail = |error| SpoolError::of("look at", &self.path, 0, error);
        if !self.locked.is_at(&self.path).map_err(fail)? {
            return Err(SpoolError::Removed {
                path: self.path.clone(),
            });
        }
        let end = *self
            .table_end
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.check_length(end)
    }

    fn check_length(&self, expected: u64) -> Result<(), SpoolError> {
        let metadata = self.locked.file().metadata();
        let length = metadata
            .map_err(|error| SpoolError::of("look at", &self.path, 0, error))?
            .len();
        if length < expected {
            return Err(SpoolError::Truncated {
                path: self.path.clone(),
                length,
                expected,
            });
        }
        Ok(())
    }

    /// Removes the file: everything in it is durable elsewhere. In a forked child nothing happens, as the file is its
    /// parent's; nor if the file is not there any more.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove(&self) -> Result<(), SpoolError> {
        self.locked
            .unlink(&self.path)
            .map_err(|error| SpoolError::of("remove", &self.path, 0, error))
    }
}

impl fmt::Debug for NewSpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSpool")
            .field("path", &self.file.path())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LiveSpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSpool")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
