//! The memory that all queries together may hold for what they found.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So much is held for all queries together, in bytes.
pub(super) const ALL: usize = 64 << 20;

/// Counts the bytes that are held.
#[derive(Debug, Default)]
pub struct Budget(AtomicUsize);

/// Bytes that are held; they are given back when this is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// A share of nothing yet.
    pub fn hold(self: &Arc<Budget>) -> Held {
        Held {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl Held {
    /// Takes more; false if there is not so much left.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let held = &self.budget.0;
        let fits = |all: usize| all.checked_add(bytes).filter(|all| *all <= ALL);
        let grown = held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok();
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// How many bytes it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_given_back() {
        let budget = Arc::new(Budget::default());
        let mut a = budget.hold();
        assert!(a.grow(ALL - 10));
        let mut b = budget.hold();
        assert!(!b.grow(11));
        assert!(b.grow(10));
        drop(a);
        assert!(b.grow(11));
        assert!(!b.grow(usize::MAX));
        assert_eq!(b.bytes(), 21);
    }
}
