//! Leases: a thread that meets others at `head` takes some KiB at once and reserves within them on a word of its own.
//!
//! A lease is a range of positions that one thread has reserved and not used yet. Its owner takes entries from its
//! beginning; the reader, when it comes to what is left, takes all of that away. Whoever takes the last of it makes it
//! an entry of padding, so that positions stay those of entries, and recovery sees holes as it always did.
//!
//! Positions then are in the order of time within a thread, and between threads only as far as the caller asks for it:
//! a record that must stand behind a certain position is not put into a lease that begins before it
//! ([`Ring::push_after`]).

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

use super::entry::{ENTRY_HEADER, PADDING};
use super::live::Line;
use super::points::{Point, reach};
use super::slot::{self, SLOTS};
use super::writer::Ring;

/// The first lease of a thread that had to wait for another one, in bytes; the next ones are twice as long each.
const FIRST: u64 = 512;
/// No lease is longer, in bytes.
const LONGEST: u64 = 4096;
/// All leases together take no more than half of the ring.
const SHARE: u64 = 2 * SLOTS as u64;

/// What the threads have reserved, each for itself.
pub(super) struct Leases {
    /// No lease was given yet: a program whose threads do not log at the same time never has any.
    unused: AtomicU64,
    slots: [Line<Lease>; SLOTS],
}

/// That of one thread.
struct Lease {
    state: AtomicU64,
    /// How long the next one will be, in bytes; 0: there is none.
    next: AtomicU64,
}

/// Where what is left of a lease begins and how long it is, in one word: position, whether it is closed, length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State(u64);

impl State {
    const CLOSED: u64 = 1 << 9;

    fn new(position: u64, length: u64) -> State {
        let (position, length) = (position / ENTRY_HEADER, length / ENTRY_HEADER);
        State((position << 10) | length)
    }

    fn position(self) -> u64 {
        (self.0 >> 10) * ENTRY_HEADER
    }

    fn length(self) -> u64 {
        (self.0 & (State::CLOSED - 1)) * ENTRY_HEADER
    }

    fn is_closed(self) -> bool {
        self.0 & State::CLOSED != 0
    }
}

impl Leases {
    pub(super) fn new() -> Leases {
        Leases {
            unused: AtomicU64::new(1),
            slots: std::array::from_fn(|_| {
                Line(Lease {
                    state: AtomicU64::new(0),
                    next: AtomicU64::new(0),
                })
            }),
        }
    }

    fn of(&self, slot: usize) -> &Lease {
        &self.slots[slot % SLOTS]
    }

    /// Whether there ever was one.
    #[inline]
    pub(super) fn are_used(&self) -> bool {
        self.unused.load(Ordering::Relaxed) == 0
    }

    /// Gives none any more, and lets no thread go on in those that there are.
    pub(super) fn close(&self) {
        for lease in &self.slots {
            lease.state.fetch_or(State::CLOSED, Ordering::AcqRel);
        }
    }
}

impl Ring {
    /// Whether records of several threads may stand in another order than they were written in.
    #[inline]
    pub(crate) fn is_leasing(&self) -> bool {
        self.leases.are_used()
    }

    /// Takes `need` bytes behind `after` from the thread's lease. If it has them not, it has no lease afterwards.
    pub(super) fn take(&self, slot: usize, need: u64, after: u64) -> Option<u64> {
        let lease = self.leases.of(slot);
        // Nobody but this thread adds to it.
        let state = State(lease.state.load(Ordering::Relaxed));
        let (position, length) = (state.position(), state.length());
        if length == 0 || state.is_closed() {
            return None;
        }
        let fits = length >= need && position > after;
        let taken = if fits { need } else { length };
        let rest = State::new(position + taken, length - taken);
        // If it fails, the reader has taken it away.
        let swapped =
            lease
                .state
                .compare_exchange(state.0, rest.0, Ordering::AcqRel, Ordering::Relaxed);
        match swapped {
            Ok(_) if fits => Some(position),
            Ok(_) => {
                lease.was_left(length);
                self.leave(position, length);
                None
            }
            Err(_) => None,
        }
    }

    /// How much the thread reserves where it needs less.
    pub(super) fn wanted(&self, slot: Option<usize>) -> u64 {
        slot.map_or(0, |slot| {
            let next = self.leases.of(slot).next.load(Ordering::Relaxed);
            next.min(self.longest())
        })
    }

    /// Another thread moved `head` at the same time: the thread gets a lease, or a longer one.
    #[cold]
    pub(super) fn want_more(&self, slot: &mut Option<usize>) -> u64 {
        let Some(slot) = slot
            .or_else(slot::current)
            .inspect(|own| *slot = Some(*own))
        else {
            return 0;
        };
        let next = &self.leases.of(slot).next;
        let longer = (next.load(Ordering::Relaxed) * 2).clamp(FIRST, LONGEST);
        next.store(longer, Ordering::Relaxed);
        // Before the lease: who has seen a `head` behind it sees this, too.
        self.leases.unused.store(0, Ordering::Relaxed);
        longer.min(self.longest())
    }

    /// How long the next lease of a slot is: a multiple of 16.
    #[cfg(test)]
    pub(super) fn set_next_lease(&self, slot: usize, length: u64) {
        assert!(length.is_multiple_of(ENTRY_HEADER));
        self.leases.of(slot).next.store(length, Ordering::Relaxed);
        self.leases.unused.store(0, Ordering::Relaxed);
    }

    /// The same for all slots.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn set_next_leases(&self, length: u64) {
        (0..SLOTS).for_each(|slot| self.set_next_lease(slot, length));
    }

    fn longest(&self) -> u64 {
        let share = self.capacity() / SHARE;
        LONGEST.min(share - share % ENTRY_HEADER)
    }

    /// Lets the thread, which has no lease, have what it reserved beyond what it needed.
    pub(super) fn lend(&self, slot: usize, position: u64, length: u64) {
        let lease = self.leases.of(slot);
        let old = lease.state.load(Ordering::Relaxed);
        let new = State::new(position, length).0;
        let swapped = !State(old).is_closed()
            && lease
                .state
                .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if !swapped {
            self.leave(position, length);
        }
    }

    /// The reader's: takes away what is left of the lease that begins at `position`. Says whether there was one.
    pub(super) fn end_lease(&self, position: u64) -> bool {
        if !self.is_leasing() || position >= self.head() {
            return false;
        }
        for lease in &self.leases.slots {
            let state = State(lease.state.load(Ordering::Acquire));
            let length = state.length();
            if length == 0 || state.position() != position {
                continue;
            }
            let ended = State::new(position + length, 0).0 | state.0 & State::CLOSED;
            let swapped =
                lease
                    .state
                    .compare_exchange(state.0, ended, Ordering::AcqRel, Ordering::Relaxed);
            if swapped.is_ok() {
                lease.was_left(length);
                self.leave(position, length);
            }
            return swapped.is_ok();
        }
        false
    }

    /// Makes padding of what was reserved and is not needed.
    fn leave(&self, position: u64, length: u64) {
        self.fill(position, PADDING, &[], (length - ENTRY_HEADER) as u32);
        self.commit(position);
        reach(Point::Left);
    }
}

impl Lease {
    /// So much was left of it. Who leaves most of it needs none so long.
    fn was_left(&self, length: u64) {
        let next = self.next.load(Ordering::Relaxed);
        if length > next / 2 {
            let shorter = if next >= 2 * FIRST { next / 2 } else { 0 };
            self.next
                .store(shorter - shorter % ENTRY_HEADER, Ordering::Relaxed);
        }
    }
}
