//! Levels of `tracing` as numbers.

use distlog_proto::Severity;
use tracing_core::Level;

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
