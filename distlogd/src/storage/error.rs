//! Why records cannot be read.

use distlog_store::ReadError;

use super::database::DatabaseError;

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The store of this daemon cannot.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// The database cannot.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
