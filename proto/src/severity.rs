//! How severe a record is.

use std::fmt;

/// Severity number of OpenTelemetry: 1–24 in six bands of four, 0 where none is known
/// (<https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber>).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Severity(u8);

impl Severity {
    /// Not known.
    pub const UNSET: Severity = Severity(0);
    /// Finest detail.
    pub const TRACE: Severity = Severity(1);
    /// For those who look for a fault.
    pub const DEBUG: Severity = Severity(5);
    /// Something happened as it should.
    pub const INFO: Severity = Severity(9);
    /// Something may need a look.
    pub const WARN: Severity = Severity(13);
    /// Something failed.
    pub const ERROR: Severity = Severity(17);
    /// The program cannot go on.
    pub const FATAL: Severity = Severity(21);

    /// From OpenTelemetry's number; what lies beyond 24 is 24.
    pub fn new(number: u32) -> Severity {
        Severity(number.min(24) as u8)
    }

    /// OpenTelemetry's number, 0–24.
    pub fn number(self) -> u8 {
        self.0
    }

    /// From a level number of Python's `logging`: 10 is DEBUG, 20 INFO and so on; what lies between keeps its order.
    pub fn from_levelno(levelno: i64) -> Severity {
        match levelno {
            ..=0 => Severity::UNSET,
            1..=9 => Severity::TRACE,
            10..=59 => Severity((levelno / 10 * 4 + 1 + levelno % 10 * 4 / 10) as u8),
            _ => Severity(24),
        }
    }

    /// The level number of Python's `logging`; a trace is 5, as is custom there.
    pub fn levelno(self) -> i64 {
        match self.0 {
            0 => 0,
            1..=4 => 5,
            n => i64::from((n - 1) / 4) * 10 + [0, 3, 5, 8][usize::from((n - 1) % 4)],
        }
    }

    /// The name of its band in Python's `logging`.
    pub fn levelname(self) -> &'static str {
        [
            "NOTSET", "TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL",
        ][self.band()]
    }

    /// The name of its band in OpenTelemetry.
    pub fn name(self) -> &'static str {
        ["UNSET", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"][self.band()]
    }

    fn band(self) -> usize {
        usize::from(self.0.div_ceil(4))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_numbers_of_python_survive_the_round_trip() {
        for (levelno, severity) in [
            (10, Severity::DEBUG),
            (20, Severity::INFO),
            (30, Severity::WARN),
            (40, Severity::ERROR),
            (50, Severity::FATAL),
        ] {
            assert_eq!(Severity::from_levelno(levelno), severity);
            assert_eq!(severity.levelno(), levelno);
        }
        for number in 1..=24 {
            let severity = Severity::new(number);
            assert_eq!(
                Severity::from_levelno(severity.levelno()).name(),
                severity.name()
            );
        }
        assert_eq!(Severity::from_levelno(25), Severity::new(11));
        assert_eq!(Severity::from_levelno(i64::MAX), Severity::new(24));
        assert_eq!(Severity::from_levelno(i64::MIN), Severity::UNSET);
    }
}
