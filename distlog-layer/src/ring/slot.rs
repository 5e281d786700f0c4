//! A place for each thread that logs while others do, in each ring.

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// So many threads at a time have one.
pub(super) const SLOTS: usize = if cfg!(loom) { 2 } else { u64::BITS as usize };

/// Those that no thread has, a bit each.
#[cfg(not(loom))]
static FREE: AtomicU64 = AtomicU64::new(u64::MAX);

/// A thread and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    /// Less than [`SLOTS`]; no other living thread has it.
    pub(super) slot: usize,
    /// No other thread has it, and none had. Not 0.
    pub(super) thread: u64,
}

/// This thread; none where all places are taken, or while the thread ends.
#[cfg(not(loom))]
pub(super) fn current() -> Option<Owner> {
    thread_local! {
        static SLOT: Option<Slot> = Slot::claim();
    }
    let owner = SLOT.try_with(|slot| slot.as_ref().map(|slot| slot.0));
    owner.ok().flatten()
}

/// Loom's threads are none of the system's.
#[cfg(loom)]
pub(super) fn current() -> Option<Owner> {
    None
}

/// Free again when it is dropped.
#[cfg(not(loom))]
struct Slot(Owner);

#[cfg(not(loom))]
impl Slot {
    fn claim() -> Option<Slot> {
        static THREADS: AtomicU64 = AtomicU64::new(0);

        let mut free = FREE.load(Ordering::Relaxed);
        while free != 0 {
            let lowest = free.trailing_zeros();
            let rest = free & !(1 << lowest);
            // What the thread before did with it happened before.
            match FREE.compare_exchange_weak(free, rest, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    return Some(Slot(Owner {
                        slot: lowest as usize,
                        thread: THREADS.fetch_add(1, Ordering::Relaxed) + 1,
                    }));
                }
                Err(now) => free = now,
            }
        }
        None
    }
}

#[cfg(not(loom))]
impl Drop for Slot {
    fn drop(&mut self) {
        FREE.fetch_or(1 << self.0.slot, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn no_two_threads_have_the_same_and_those_of_ended_ones_come_again() {
        let mut threads = BTreeSet::new();
        for _ in 0..40 {
            let all_here = Barrier::new(8);
            let slots: Vec<_> = std::thread::scope(|scope| {
                let one = || {
                    let slot = current();
                    all_here.wait();
                    assert_eq!(slot, current(), "it stays the thread's");
                    slot
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .collect()
            });
            // Threads of other tests may have all the others, and these none.
            let found: Vec<Owner> = slots.into_iter().flatten().collect();
            let slots: BTreeSet<_> = found.iter().map(|owner| owner.slot).collect();
            assert_eq!(slots.len(), found.len());
            assert!(slots.iter().all(|slot| *slot < SLOTS));
            for owner in found {
                assert!(threads.insert(owner.thread), "each thread is another one");
            }
        }
    }
}
