//! Why a daemon did not start.

use crate::{doors, http, tracker};
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
    /// A ZeroMQ door did not open.
    #[error("{0}")]
    Door(#[from] doors::OpenError),
    /// The HTTP door did not open.
    #[error("{0}")]
    Http(#[from] http::OpenError),
    /// Tasks cannot be followed.
    #[error("{0}")]
    Tracker(#[from] tracker::StartError),
    /// The system gives no thread or runtime.
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
}
