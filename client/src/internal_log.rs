//! What a client tells its user. It cannot log, so this goes to stderr: once, not with every attempt.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Writes a line to stderr.
pub fn log(what: impl fmt::Display) {
    // Whatever is wrong with stderr: the program that logs is not harmed.
    let _ = writeln!(std::io::stderr(), "distlog: {what}");
}

/// Different messages of one reporter. Texts with a number in them can be new each time.
const MAX_MESSAGES: usize = 16;

/// Logs each message once, until it has recovered.
#[derive(Debug, Default)]
pub struct Reporter(Mutex<HashSet<String>>);

impl Reporter {
    /// Logs a message, unless it was logged already.
    pub fn report(&self, what: impl fmt::Display) {
        let what = what.to_string();
        if self.is_new(&what) {
            log(&what);
        }
    }

    fn is_new(&self, what: &str) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logged.len() < MAX_MESSAGES && logged.insert(what.to_owned())
    }

    /// It has recovered: the next failure is logged again.
    pub fn recovered(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = HashSet::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_that_take_turns_are_logged_once_each_until_they_are_over() {
        let reporter = Reporter::default();
        for time in 0..3 {
            assert_eq!(reporter.is_new("one daemon"), time == 0);
            assert_eq!(reporter.is_new("the other daemon"), time == 0);
        }
        let new = (0..1000).filter(|n| reporter.is_new(&format!("offset {n}")));
        assert_eq!(new.count(), MAX_MESSAGES - 2);
        reporter.recovered();
        assert!(reporter.is_new("one daemon"));
    }
}
