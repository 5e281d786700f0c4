//! Levels of `tracing` as numbers.

use distlog_proto::Severity;
use tracing_core::Level;

use crate::ring::LEVELS;

/// Severity number of OpenTelemetry.
pub(crate) fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::ERROR,
        Level::WARN => Severity::WARN,
        Level::INFO => Severity::INFO,
        Level::DEBUG => Severity::DEBUG,
        Level::TRACE => Severity::TRACE,
    }
}

/// Place in an array by level: ERROR is 0, TRACE 4.
pub(crate) fn index(level: Level) -> usize {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}

/// The fields that say how many records of each level were lost, in that order.
pub(crate) const LOST: [&str; LEVELS] = [
    "lost.error",
    "lost.warn",
    "lost.info",
    "lost.debug",
    "lost.trace",
];
