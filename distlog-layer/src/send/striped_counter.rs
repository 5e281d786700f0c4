//! A sum that many threads add to, each on a cache line of its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads beyond so many share; a power of two.
const STRIPES: usize = 16;

#[derive(Default)]
pub(crate) struct StripedCounter([Stripe; STRIPES]);

/// Two lines, since some processors fetch them by pairs.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl StripedCounter {
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0[stripe()].0.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes back what was added before, on whichever thread.
    pub(crate) fn take_back(&self, count: u64) {
        self.0[stripe()].0.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self) -> u64 {
        let stripes = self.0.iter();
        // A stripe from which more was taken back than added has wrapped around, and wraps the sum back.
        stripes.fold(0, |sum, stripe| {
            sum.wrapping_add(stripe.0.load(Ordering::Relaxed))
        })
    }
}

/// The stripe of this thread.
#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);

    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    let own = STRIPE.get();
    if own < STRIPES {
        return own;
    }
    let own = NEXT.fetch_add(1, Ordering::Relaxed) & (STRIPES - 1);
    STRIPE.set(own);
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_and_take_back_to_one_sum() {
        let counter = StripedCounter::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1000).for_each(|_| counter.add(3)));
            }
        });
        std::thread::scope(|scope| {
            scope.spawn(|| counter.take_back(110_000));
        });
        assert_eq!(counter.sum(), 10_000);
    }
}
