//! Which messages the stream has, of those that may be presented again.
//!
//! After a failure everything since the last flush is presented again, perhaps later than the stream remembers what it
//! has. And a flush may come before all of that was presented: what is beyond it is still known then.

use std::collections::HashSet;

/// The ids of messages.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// Presented since the last flush or failure.
    presented: HashSet<String>,
    /// Acknowledged before a failure, and not presented again yet.
    earlier: HashSet<String>,
}

impl Acknowledged {
    /// The stream has this one.
    pub(super) fn add(&mut self, id: String) {
        self.presented.insert(id);
    }

    /// Whether the stream has one that is presented now.
    pub(super) fn present(&mut self, id: &str) -> bool {
        let known = self.earlier.take(id);
        let is_known = known.is_some();
        self.presented.extend(known);
        is_known
    }

    /// What was presented is not presented again.
    pub(super) fn flushed(&mut self) {
        self.presented.clear();
    }

    /// All since the last flush is presented again.
    pub(super) fn failed(&mut self) {
        self.earlier.extend(self.presented.drain());
    }

    /// The stream is another one.
    pub(super) fn forget(&mut self) {
        *self = Acknowledged::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_beyond_the_next_flush_is_known_after_it() {
        let mut acknowledged = Acknowledged::default();
        for id in ["1", "2", "3"] {
            assert!(!acknowledged.present(id));
            acknowledged.add(id.to_owned());
        }
        // The fourth is refused: all come again.
        acknowledged.failed();
        assert!(acknowledged.present("1"));
        acknowledged.flushed();
        assert!(acknowledged.present("2"));
        // It fails again before the third is presented.
        acknowledged.failed();
        assert!(acknowledged.present("2") && acknowledged.present("3"));
        acknowledged.flushed();
        acknowledged.failed();
        assert!(!acknowledged.present("3"), "it was flushed");
    }

    #[test]
    fn another_stream_has_nothing() {
        let mut acknowledged = Acknowledged::default();
        acknowledged.add("1".into());
        acknowledged.failed();
        acknowledged.add("2".into());
        acknowledged.forget();
        acknowledged.failed();
        assert!(!acknowledged.present("1") && !acknowledged.present("2"));
    }
}
