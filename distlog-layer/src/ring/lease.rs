//! Leases: a thread that meets others at `head` takes some KiB at once and reserves within them on a word of its own.
//!
//! A lease is a range of positions that one thread has reserved and not used yet. Its owner takes entries from its
//! beginning; the reader, when it comes to what is left, takes all of that away. Whoever takes that makes it an entry
//! of padding, so that positions stay those of entries, and recovery sees holes as it always did.
//!
//! Positions then are in the order of time within a thread, and between threads only as far as the caller asks for it:
//! a record that must stand behind a certain position is not put into a lease that begins before it
//! ([`super::Ring::push_after`]).

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

use super::entry::ENTRY_HEADER;
use super::live::Line;
use super::slot::{self, SLOTS};

/// The first lease of a thread that had to wait for another one, in bytes; the next ones are twice as long each.
const FIRST: u64 = 512;
/// No lease is longer, in bytes.
const LONGEST: u64 = 4096;
/// All leases together take no more than half of the ring.
const SHARE: u64 = 2 * SLOTS as u64;

/// What the threads have reserved, each for itself.
pub(super) struct Leases {
    /// No lease is longer, in bytes.
    longest: u64,
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

/// What was reserved and is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) position: u64,
    /// A multiple of 16, and not 0.
    pub(super) length: u64,
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
    /// None, in a ring with room for so many bytes.
    pub(super) fn new(capacity: u64) -> Leases {
        let share = capacity / SHARE;
        Leases {
            longest: LONGEST.min(share - share % ENTRY_HEADER),
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

    /// Takes `need` bytes behind `after` from a thread's lease, and says where they begin.
    ///
    /// # Errors
    /// If it has them not. The thread has no lease then; what was left of it is given.
    pub(super) fn take(&self, slot: usize, need: u64, after: u64) -> Result<u64, Option<Rest>> {
        let lease = self.of(slot);
        // Nobody but this thread adds to it.
        let state = State(lease.state.load(Ordering::Relaxed));
        let (position, length) = (state.position(), state.length());
        if length == 0 || state.is_closed() {
            return Err(None);
        }
        let fits = length >= need && position > after;
        let taken = if fits { need } else { length };
        let now = State::new(position + taken, length - taken);
        if !lease.swap(state, now) {
            // The reader has taken it away.
            return Err(None);
        }
        if fits {
            return Ok(position);
        }
        lease.was_left(length);
        Err(Some(Rest { position, length }))
    }

    /// How much a thread reserves where it needs less.
    pub(super) fn wanted(&self, slot: Option<usize>) -> u64 {
        slot.map_or(0, |slot| {
            let next = self.of(slot).next.load(Ordering::Relaxed);
            next.min(self.longest)
        })
    }

    /// Another thread moved `head` at the same time: this one gets a lease, or a longer one.
    #[cold]
    pub(super) fn want_more(&self, slot: &mut Option<usize>) -> u64 {
        let own = slot.or_else(slot::current);
        *slot = own;
        let Some(own) = own else { return 0 };
        let next = &self.of(own).next;
        let longer = (next.load(Ordering::Relaxed) * 2).clamp(FIRST, LONGEST);
        next.store(longer, Ordering::Relaxed);
        // Before the lease: who has seen a `head` behind it sees this, too.
        self.unused.store(0, Ordering::Relaxed);
        longer.min(self.longest)
    }

    /// Lets a thread that has no lease have what it reserved beyond what it needed. False if nothing is taken any more.
    pub(super) fn lend(&self, slot: usize, rest: Rest) -> bool {
        let lease = self.of(slot);
        let old = State(lease.state.load(Ordering::Relaxed));
        !old.is_closed() && lease.swap(old, State::new(rest.position, rest.length))
    }

    /// The reader's: takes away what is left of the lease that begins at `position`.
    pub(super) fn end(&self, position: u64) -> Option<Rest> {
        let at = |lease: &&Line<Lease>| {
            let state = State(lease.state.load(Ordering::Acquire));
            state.position() == position && state.length() > 0
        };
        let lease = self.slots.iter().find(at)?;
        let state = State(lease.state.load(Ordering::Acquire));
        let length = state.length();
        let ended = State(State::new(position + length, 0).0 | (state.0 & State::CLOSED));
        if state.position() != position || length == 0 || !lease.swap(state, ended) {
            return None;
        }
        lease.was_left(length);
        Some(Rest { position, length })
    }

    /// Gives none any more, and lets no thread go on in those that there are. What is left of them is the reader's.
    pub(super) fn close(&self) {
        for lease in &self.slots {
            lease.state.fetch_or(State::CLOSED, Ordering::AcqRel);
        }
    }

    /// How long the next lease of a slot is: a multiple of 16.
    #[cfg(test)]
    pub(super) fn set_next(&self, slot: usize, length: u64) {
        assert!(length.is_multiple_of(ENTRY_HEADER));
        self.of(slot).next.store(length, Ordering::Relaxed);
        self.unused.store(0, Ordering::Relaxed);
    }
}

impl Lease {
    fn swap(&self, old: State, new: State) -> bool {
        let swapped =
            self.state
                .compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Relaxed);
        swapped.is_ok()
    }

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
