//! What was answered, or why nothing was.

use std::io;

use http::StatusCode;

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "cannot reach distlogd at {url}: {reason}; is it running? (--url names another address)"
    )]
    Unreachable { url: String, reason: String },
    #[error("no distlogd answers at {url}: {why} (--url names another address)")]
    Stranger { url: String, why: String },
    /// An argument is wrong.
    #[error("{0}")]
    Wrong(String),
    #[error("{0}")]
    Refused(String),
    /// Nothing was found, and not all was looked at.
    #[error("{0}")]
    Incomplete(String),
    #[error("{0}")]
    NotFound(String),
    #[error("the daemon's answer cannot be read: {0}")]
    Answer(String),
    #[error("the connection to the daemon broke off: {0}")]
    BrokenOff(io::Error),
    #[error("cannot write: {0}")]
    Output(io::Error),
}

/// What was answered.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// A page for people is of another server.
    pub(super) is_page: bool,
    pub(super) body: Box<dyn io::Read + Send>,
}
