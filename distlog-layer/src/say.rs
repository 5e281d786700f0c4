//! What the layer has to say to a human. It cannot log, so it goes to stderr: once, not with every attempt.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Says it.
pub(crate) fn say(what: impl fmt::Display) {
    // Whatever is wrong with stderr: the program that logs is not harmed.
    let _ = writeln!(std::io::stderr(), "distlog: {what}");
}

/// A kind of trouble, of which each is said once.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Mutex<Option<String>>);

impl Trouble {
    /// Says it, unless it was the last that was said.
    pub(crate) fn say(&self, what: impl fmt::Display) {
        let what = what.to_string();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != Some(&what) {
            say(&what);
            *last = Some(what);
        }
    }

    /// It is over: should it come back, it is said again.
    pub(crate) fn is_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
