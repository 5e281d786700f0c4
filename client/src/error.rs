//! [`SessionError`]: how an attempt ends.

use distlog_proto::session::{RefusedReason, SessionEnd};

use crate::link::{Broken, SocketError};

/// Why an attempt ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("{0}")]
    Ended(SessionEnd),
    #[error("it says that it has all before {0}, where no record begins")]
    NoBoundary(u64),
    #[error("no socket: {0}")]
    NoSocket(SocketError),
    #[error("{0}")]
    NoConnection(Broken),
}

impl SessionError {
    /// Whether it is normal when daemons come and go.
    pub(crate) fn is_normal(&self) -> bool {
        match self {
            SessionError::Ended(SessionEnd::Silent | SessionEnd::Closing)
            | SessionError::NoConnection(Broken::Disconnected) => true,
            _ => matches!(
                self.refused(),
                Some(RefusedReason::UnknownSession | RefusedReason::Superseded)
            ),
        }
    }

    /// Whether the next attempt goes to the same daemon.
    pub(crate) fn retries_same_endpoint(&self) -> bool {
        matches!(
            self.refused(),
            Some(RefusedReason::UnknownSession | RefusedReason::Superseded | RefusedReason::Epoch)
        )
    }

    /// The daemon's epoch of this producer, if ours is not higher.
    pub(crate) fn known_epoch(&self) -> Option<u64> {
        match self {
            SessionError::Ended(SessionEnd::Refused(refused))
                if refused.reason == RefusedReason::Epoch =>
            {
                Some(refused.epoch)
            }
            _ => None,
        }
    }

    fn refused(&self) -> Option<RefusedReason> {
        match self {
            SessionError::Ended(SessionEnd::Refused(refused)) => Some(refused.reason),
            _ => None,
        }
    }
}

impl From<SessionEnd> for SessionError {
    fn from(end: SessionEnd) -> SessionError {
        SessionError::Ended(end)
    }
}
