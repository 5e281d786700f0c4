//! Leases: a thread that meets others at `head` takes some KiB at once and reserves within them on a word of its own.
//!
//! A lease is a range of positions that one thread has reserved and not used yet. Its owner takes entries from its
//! beginning; the reader, when it comes to what is left, takes all of that away. Whoever takes that makes it an entry
//! of padding, so that positions stay those of entries, and recovery sees holes as it always did.
//!
//! Positions then are in the order of time within a thread. Between threads they are so as far as the caller asks for
//! it: a record that must stand behind a certain position is not put into a lease that begins before it
//! ([`super::Ring::push_after`]). Others may change places by as much as a lease is old ([`MAX_AGE`]).

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

use super::entry::ENTRY_HEADER;
use super::live::Line;
use super::slot::{self, Owner, SLOTS};

/// The first lease of a thread that had to wait for another one, in bytes; the next ones are twice as long each.
const FIRST: u64 = 512;
/// No lease is longer, in bytes.
const LONGEST: u64 = 4096;
/// A lease is not used longer, in ns: records of different threads do not change places by more. Who logs as fast as it
/// can needs a tenth of it; not so the tests of this crate, which see more of what leases do.
pub(super) const MAX_AGE: u64 = if cfg!(test) { 5_000_000 } else { 50_000 };
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
    /// Whose it is, and since when, in ns. That thread alone reads and writes them.
    owner: AtomicU64,
    since: AtomicU64,
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
                    owner: AtomicU64::new(0),
                    since: AtomicU64::new(0),
                })
            }),
        }
    }

    fn of(&self, owner: Owner) -> &Lease {
        &self.slots[owner.slot % SLOTS]
    }

    /// Whether there ever was one.
    #[inline]
    pub(super) fn are_used(&self) -> bool {
        self.unused.load(Ordering::Relaxed) == 0
    }

    /// Takes `need` bytes behind `after` from a thread's lease, and says where they begin. `now` is in ns.
    ///
    /// # Errors
    /// If it has them not, or is too old. The thread has no lease then; what was left of it is given.
    pub(super) fn take(
        &self,
        owner: Owner,
        need: u64,
        after: u64,
        now: u64,
    ) -> Result<u64, Option<Rest>> {
        let lease = self.of(owner);
        // Nobody but this thread adds to it.
        let state = State(lease.state.load(Ordering::Relaxed));
        let (position, length) = (state.position(), state.length());
        if length == 0 || state.is_closed() {
            return Err(None);
        }
        let fits = length >= need && position > after && lease.is_usable(owner, now);
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
    pub(super) fn wanted(&self, owner: Option<Owner>) -> u64 {
        owner.map_or(0, |owner| {
            let next = self.of(owner).next.load(Ordering::Relaxed);
            next.min(self.longest)
        })
    }

    /// Another thread moved `head` at the same time: this one gets a lease, or a longer one.
    #[cold]
    pub(super) fn want_more(&self, owner: &mut Option<Owner>) -> u64 {
        let own = owner.or_else(slot::current);
        *owner = own;
        let Some(own) = own else { return 0 };
        let next = &self.of(own).next;
        let longer = (next.load(Ordering::Relaxed) * 2).clamp(FIRST, LONGEST);
        next.store(longer, Ordering::Relaxed);
        // Before the lease: who has seen a `head` behind it sees this, too.
        self.unused.store(0, Ordering::Relaxed);
        longer.min(self.longest)
    }

    /// Lets a thread have what it reserved beyond what it needed. Gives what is nobody's then: just that, if nothing is
    /// taken any more; or what a thread that is gone left in the slot, which this one took before it knew of leases.
    pub(super) fn lend(&self, owner: Owner, rest: Rest, now: u64) -> Option<Rest> {
        let lease = self.of(owner);
        lease.owner.store(owner.thread, Ordering::Relaxed);
        lease.since.store(now, Ordering::Relaxed);
        let old = State(lease.state.load(Ordering::Relaxed));
        if old.is_closed() || !lease.swap(old, State::new(rest.position, rest.length)) {
            return Some(rest);
        }
        let (position, length) = (old.position(), old.length());
        (length > 0).then_some(Rest { position, length })
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
        self.slots[slot].next.store(length, Ordering::Relaxed);
        self.unused.store(0, Ordering::Relaxed);
    }
}

impl Lease {
    /// Whether the thread may use it now. Not what one has left that is gone, nor one of before the clock was set back.
    fn is_usable(&self, owner: Owner, now: u64) -> bool {
        self.owner.load(Ordering::Relaxed) == owner.thread
            && now.wrapping_sub(self.since.load(Ordering::Relaxed)) <= MAX_AGE
    }

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
