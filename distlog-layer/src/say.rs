//! What the layer has to say to a human. It cannot log, so it goes to stderr: once, not with every attempt.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Says it.
pub(crate) fn say(what: impl fmt::Display) {
    // Whatever is wrong with stderr: the program that logs is not harmed.
    let _ = writeln!(std::io::stderr(), "distlog: {what}");
}

/// So many different ones are said. Texts with a number in them can be new each time.
const MOST: usize = 16;

/// A kind of trouble, of which each is said once.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Mutex<HashSet<String>>);

impl Trouble {
    /// Says it, unless it was said already.
    pub(crate) fn say(&self, what: impl fmt::Display) {
        let what = what.to_string();
        if self.is_new(&what) {
            say(&what);
        }
    }

    fn is_new(&self, what: &str) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.len() < MOST && said.insert(what.to_owned())
    }

    /// It is over: should it come back, it is said again.
    pub(crate) fn is_over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = HashSet::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_that_take_turns_are_said_once_each_until_they_are_over() {
        let trouble = Trouble::default();
        for time in 0..3 {
            assert_eq!(trouble.is_new("one daemon"), time == 0);
            assert_eq!(trouble.is_new("the other daemon"), time == 0);
        }
        let new = (0..1000).filter(|n| trouble.is_new(&format!("offset {n}")));
        assert_eq!(new.count(), MOST - 2);
        trouble.is_over();
        assert!(trouble.is_new("one daemon"));
    }
}
