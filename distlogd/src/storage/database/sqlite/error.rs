//! What is wrong with the file, in words that say what to do.

use std::io;

use rusqlite::ErrorCode;

use super::super::DatabaseError;

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
    #[error("it is a database of another program: name a file that processor `sqlite` writes")]
    Foreign,
    /// Nothing was written yet.
    #[error("nothing has been written to it yet: it is one as soon as processor `sqlite` opens it")]
    Empty,
    /// A newer daemon wrote it.
    #[error(
        "a newer distlogd wrote it (its schema has version {found}, this one knows {known}): use that one"
    )]
    Newer {
        /// The version of its schema.
        found: usize,
        /// The newest that is known here.
        known: usize,
    },
    /// An older daemon wrote it.
    #[error(
        "an older distlogd wrote it (its schema has version {found}, this one reads {known}): let a daemon of this \
         version write to it, which brings it up to date"
    )]
    Older {
        /// The version of its schema.
        found: usize,
        /// The one that is read here.
        known: usize,
    },
}

impl Fault {
    /// Of this database.
    pub(super) fn into_error(self, database: &str) -> DatabaseError {
        let database = database.to_owned();
        let code = match &self {
            Fault::Sqlite(error) => error.sqlite_error_code(),
            _ => None,
        };
        let schema = |reason: &str| DatabaseError::Schema {
            database: database.clone(),
            reason: reason.to_owned(),
        };
        let reason = match (&self, code) {
            (_, Some(ErrorCode::NotADatabase)) => {
                return schema("it is no SQLite database: name a file that processor `sqlite` writes");
            }
            (_, Some(ErrorCode::DatabaseCorrupt)) => {
                return schema("it is damaged: see `.recover` of the program sqlite3");
            }
            (Fault::Foreign | Fault::Empty | Fault::Newer { .. } | Fault::Older { .. }, _) => {
                return schema(&self.to_string());
            }
            (Fault::File(error), _) if error.kind() == io::ErrorKind::NotFound => {
                "there is no such file".to_owned()
            }
            (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                "another program keeps it locked".to_owned()
            }
            (_, Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly)) => {
                "it cannot be opened: this user must be able to read it, and to write in its directory, where SQLite \
                 keeps a file for readers"
                    .to_owned()
            }
            _ => self.to_string(),
        };
        DatabaseError::Unavailable { database, reason }
    }
}
