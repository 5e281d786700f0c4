//! Why records cannot be read.

use distlog_store::ReadError;

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The store of this daemon cannot.
    #[error(transparent)]
    Store(#[from] ReadError),
}
