//! How much memory requests may take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that all requests under way may take together. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    left: Arc<AtomicUsize>,
}

/// What one request took. Dropped, it gives it back.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    taken: AtomicUsize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Budget {
        Budget {
            left: Arc::new(AtomicUsize::new(bytes)),
        }
    }

    /// For a request, which has nothing yet.
    pub(super) fn share(&self) -> Arc<Share> {
        Arc::new(Share {
            budget: self.clone(),
            taken: AtomicUsize::new(0),
        })
    }
}

impl Share {
    /// Takes more. False if there is not so much.
    #[must_use]
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = &self.budget.left;
        let taken = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
            left.checked_sub(bytes)
        });
        if taken.is_ok() {
            self.taken.fetch_add(bytes, Ordering::AcqRel);
        }
        taken.is_ok()
    }

    /// Gives back what was taken so far.
    pub(super) fn give_back(&self) {
        let taken = self.taken.swap(0, Ordering::AcqRel);
        self.budget.left.fetch_add(taken, Ordering::AcqRel);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_more_than_is_there_and_all_of_it_comes_back() {
        let budget = Budget::new(100);
        let (one, other) = (budget.share(), budget.share());
        assert!(one.take(60) && other.take(30));
        assert!(!one.take(11));
        assert!(one.take(10));
        one.give_back();
        assert!(other.take(70) && !other.take(1));
        drop(other);
        assert!(budget.share().take(100));
    }
}
