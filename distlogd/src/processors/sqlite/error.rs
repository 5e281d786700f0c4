//! What is wrong with the database, in words that say what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The system says so.
    #[error(transparent)]
    File(#[from] io::Error),
    /// Another program's database.
    #[error("it is a database of another program: choose another path")]
    Foreign,
    /// A newer daemon wrote it.
    #[error(
        "a newer distlogd wrote it (its schema has version {found}, this one knows {known}): update this one, or choose \
         another path"
    )]
    Newer {
        /// The version of its schema.
        found: usize,
        /// The newest that is known here.
        known: usize,
    },
    /// Somebody moved or removed it.
    #[error(
        "it was moved or removed: what had come since the last flush is written again, to a new file"
    )]
    Moved,
}

/// What is wrong with which file.
#[derive(Debug)]
pub(super) struct DatabaseError {
    pub(super) path: PathBuf,
    pub(super) fault: Fault,
}

impl DatabaseError {
    /// Of this file.
    pub(super) fn new(path: &Path, fault: impl Into<Fault>) -> DatabaseError {
        DatabaseError {
            path: path.to_owned(),
            fault: fault.into(),
        }
    }
}

impl Fault {
    fn code(&self) -> Option<ErrorCode> {
        match self {
            Fault::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        }
    }

    /// Whether SQLite takes no value of this size, and never will.
    pub(super) fn is_too_big(&self) -> bool {
        self.code() == Some(ErrorCode::TooBig)
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.fault.code() {
            Some(ErrorCode::DiskFull) => write!(f, "cannot write {path}: the disk is full"),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => write!(
                f,
                "cannot write {path}: another program is writing to it, and does not end"
            ),
            Some(ErrorCode::NotADatabase) => write!(
                f,
                "cannot use {path}: it is no SQLite database: choose another path, or move the file away"
            ),
            Some(ErrorCode::DatabaseCorrupt) => write!(
                f,
                "cannot use {path}: it is damaged: move it away, and see `.recover` of the program sqlite3"
            ),
            Some(ErrorCode::ReadOnly) => {
                write!(f, "cannot write {path}: this user may only read it")
            }
            _ => write!(f, "cannot use {path}: {}", self.fault),
        }
    }
}

impl std::error::Error for DatabaseError {}
