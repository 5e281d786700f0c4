//! Why a daemon did not start.

use crate::{access, deletions, http, receivers, tracker};
use distlog_store::{CursorFileError, OpenError};

/// The daemon did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store cannot be opened.
    #[error("{0}")]
    Store(#[from] OpenError),
    /// A cursor cannot be read.
    #[error("{0}")]
    Cursor(#[from] CursorFileError),
    /// It is not known what is to be deleted.
    #[error("{0}")]
    Deletions(#[from] deletions::Error),
    /// A receiver cannot be bound to its address.
    #[error("{0}")]
    Receiver(#[from] receivers::BindError),
    /// A file of tokens cannot be used.
    #[error("{0}")]
    Tokens(#[from] access::TokensError),
    /// The HTTP server cannot be bound to its address.
    #[error("{0}")]
    Http(#[from] http::BindError),
    /// Tasks cannot be tracked.
    #[error("{0}")]
    Tracker(#[from] tracker::StartError),
    /// The system gives no thread or runtime.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
}
