//! What can go wrong, said with what, where and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another `Store` of this one, has it open.
    #[error(
        "the store {} is in use by {}: stop that one, or choose another path for this one",
        path.display(),
        pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The directory of the store.
        path: PathBuf,
        /// Who holds it, if that could be read.
        pid: Option<u32>,
    },
    /// A later version of distlogd wrote it.
    #[error(
        "the store has {}, which a later version of distlogd wrote (format {version}, this one knows {known}): \
         use that version, or another path",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        version: u32,
        /// The latest version that can be read.
        known: u32,
    },
    /// A file operation failed.
    #[error("cannot open the store: {0}")]
    File(#[from] FileError),
}

/// A file operation that failed: which, on what, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was attempted.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The answer of the operating system.
    pub source: io::Error,
}

impl FileError {
    pub(super) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// Why something was not stored.
///
/// After `NoSpace` and `File` everything appended since the last successful commit may be forgotten: ask
/// [`position_of`](super::Store::position_of) where each producer stands now, and let it send again from there.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system is (nearly) full. The store works on when there is room again.
    #[error(
        "nothing more is stored in {}: {free} bytes are free and {needed} are needed (the reserve included); \
         make room, or keep less",
        path.display()
    )]
    NoSpace {
        /// The directory of the store.
        path: PathBuf,
        /// Bytes free there.
        free: u64,
        /// Bytes that must be free.
        needed: u64,
    },
    /// A file operation failed. The file is not written again; the store goes on in a new one.
    #[error("what was not yet acknowledged is lost and must be sent again: {0}")]
    File(#[from] FileError),
    /// A batch is larger than the store takes. Nothing else is affected.
    #[error(
        "a batch of {bytes} bytes is larger than the store takes ({limit} bytes): send smaller ones"
    )]
    TooLarge {
        /// The size of the batch.
        bytes: usize,
        /// The largest that is taken.
        limit: usize,
    },
    /// A batch whose range of offsets is empty or runs backwards, or that claims more records than offsets.
    #[error("a batch of {count} records cannot cover the offsets {from} to {to}")]
    BadRange {
        /// The first offset.
        from: u64,
        /// The offset after the last.
        to: u64,
        /// The number of records claimed.
        count: u32,
    },
}

/// Why something could not be read. Damage in the data is no error: it is skipped and counted.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the store: {0}")]
pub struct ReadError(#[from] pub FileError);

/// Why a saved cursor cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CursorFileError {
    /// The name is empty or too long to be one of a file.
    #[error("{name:?} cannot name a cursor: use 1 to {limit} bytes")]
    Name {
        /// The name.
        name: String,
        /// The longest name, in bytes.
        limit: usize,
    },
    /// The file is not what was saved.
    #[error("the cursor {} is damaged: remove it to begin anew, or write back a good copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("{0}")]
    File(#[from] FileError),
}
