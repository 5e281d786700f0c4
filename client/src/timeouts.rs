//! [`FailoverTimeouts`].

use std::time::Duration;

/// When a client goes to another daemon, and how often it looks for work.
#[derive(Debug, Clone, Copy)]
pub struct FailoverTimeouts {
    /// A daemon that does not accept the connection or the session for so long is given up.
    pub absent: Duration,
    /// A daemon that acknowledges nothing for so long, though there are records, is given up.
    pub stuck: Duration,
    /// Interval of probes whether a preferred daemon is back.
    pub probe: Duration,
    /// Interval of scans of the spool directory.
    pub scan: Duration,
    /// Longest pause between two attempts.
    pub max_backoff: Duration,
}

impl Default for FailoverTimeouts {
    fn default() -> FailoverTimeouts {
        FailoverTimeouts {
            absent: Duration::from_secs(2),
            stuck: Duration::from_secs(10),
            probe: Duration::from_secs(10),
            scan: Duration::from_secs(10),
            max_backoff: Duration::from_secs(5),
        }
    }
}
