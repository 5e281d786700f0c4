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

    /// From the name that a program gives a level, in any case: of tracing, Python's and Java's logging, .NET, syslog,
    /// Go and their short forms; OpenTelemetry's `INFO2`. `None` for what is no such name.
    ///
    /// `critical` is `fatal`, as Python and .NET mean it; syslog's `alert` and `emerg` stand above it.
    pub fn from_text(text: &str) -> Option<Severity> {
        let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let (name, step) = match text.as_bytes() {
            [name @ .., digit @ b'1'..=b'4'] => (name, digit - b'1'),
            name => (name, 0),
        };
        let (_, severity) = NAMES
            .iter()
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))?;
        match step {
            0 => Some(*severity),
            // Only the names of OpenTelemetry's bands are counted.
            step if severity.name().as_bytes().eq_ignore_ascii_case(name) => {
                Some(Severity(severity.0 + step))
            }
            _ => None,
        }
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

/// What programs call their levels.
const NAMES: &[(&str, Severity)] = &[
    ("error", Severity::ERROR),
    ("warn", Severity::WARN),
    ("warning", Severity::WARN),
    ("info", Severity::INFO),
    ("information", Severity::INFO),
    ("informational", Severity::INFO),
    ("debug", Severity::DEBUG),
    ("trace", Severity::TRACE),
    ("verbose", Severity::TRACE),
    ("fatal", Severity::FATAL),
    ("critical", Severity::FATAL),
    ("notice", Severity(10)),
    // Python's loguru.
    ("success", Severity(11)),
    // Syslog.
    ("err", Severity::ERROR),
    ("crit", Severity::FATAL),
    ("alert", Severity(22)),
    ("emerg", Severity(23)),
    ("emergency", Severity(23)),
    // Go.
    ("panic", Severity::FATAL),
    ("dpanic", Severity::FATAL),
    // Java's own.
    ("severe", Severity::ERROR),
    ("config", Severity(8)),
    ("fine", Severity::DEBUG),
    ("finer", Severity(3)),
    ("finest", Severity::TRACE),
    // Three letters, as Serilog, zerolog and others print them.
    ("trc", Severity::TRACE),
    ("vrb", Severity::TRACE),
    ("dbg", Severity::DEBUG),
    ("inf", Severity::INFO),
    ("wrn", Severity::WARN),
    ("ftl", Severity::FATAL),
    // One letter, as Android and Google's glog print them.
    ("t", Severity::TRACE),
    ("v", Severity::TRACE),
    ("d", Severity::DEBUG),
    ("i", Severity::INFO),
    ("n", Severity(10)),
    ("w", Severity::WARN),
    ("e", Severity::ERROR),
    ("c", Severity::FATAL),
    ("f", Severity::FATAL),
];

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
    fn a_text_in_any_spelling_is_a_severity() {
        for (text, number) in [
            ("error", 17),
            ("Error", 17),
            (" ERR ", 17),
            ("[WARN]", 13),
            ("Warning", 13),
            ("information", 9),
            ("Informational", 9),
            ("INFO", 9),
            ("Info2", 10),
            ("ERROR4", 20),
            ("notice", 10),
            ("CRITICAL", 21),
            ("crit", 21),
            ("alert", 22),
            ("emerg", 23),
            ("Fatal", 21),
            ("FATAL4", 24),
            ("SEVERE", 17),
            ("FINEST", 1),
            ("verbose", 1),
            ("Trace", 1),
            ("debug", 5),
            ("W", 13),
        ] {
            let severity = Severity::from_text(text).map(Severity::number);
            assert_eq!(severity, Some(number), "{text}");
        }
        for text in [
            "", "NOTSET", "unset", "off", "none", "Level 60", "error5", "warning2", "17", "err or",
            "é",
        ] {
            assert_eq!(Severity::from_text(text), None, "{text}");
        }
    }

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
