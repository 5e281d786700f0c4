//! [`Transport`]: a way to a daemon.

use std::time::{Duration, Instant};

use distlog_proto::session::{ByeReason, Dropped};

use crate::unacked::UnackedRecords;
use crate::waker::Waker;

/// What [`Transport::work`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A batch was sent; another may be due.
    Sent,
    /// A batch is due, and cannot be sent now.
    Blocked,
    /// No batch is due.
    Idle,
}

/// Brings the records of one producer to a daemon.
pub trait Transport: Send {
    /// Receives what is there, does what is due, and sends one batch at most. Never waits. Call it every 100 ms at
    /// least.
    fn work(&mut self, records: &mut dyn UnackedRecords, now: Instant) -> Progress;

    /// Whether a daemon takes records.
    fn is_connected(&self) -> bool;

    /// Records of the next batch that were sent already.
    fn partly_sent(&self) -> u64 {
        0
    }

    /// Waits until there is something to do, or the waker is used, for `timeout` at most. `blocked`: the last work was
    /// [`Progress::Blocked`]. Returns whether the waker was used.
    fn wait(&self, blocked: bool, waker: Option<&Waker>, timeout: Duration) -> bool;

    /// Disconnects. ZeroMQ gets the time `linger` to send what it has. `reason`: what a bye to the daemon says; without
    /// one no bye is sent.
    fn close(self: Box<Self>, reason: Option<ByeReason>, dropped: Dropped, linger: Duration);
}
