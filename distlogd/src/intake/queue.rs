//! What waits to be stored.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;

use super::{Batch, Closed};

/// Receivers without credit wait while more of their bytes are not yet durable.
const MAX_UNCREDITED_BYTES: usize = 16 << 20;

/// Memory of each item beside its bytes, about, so that many small items count as much as few large ones.
const ITEM_BYTES: usize = 256;

/// One thing to do, in order.
pub(super) enum Item {
    /// Store it. Its sender was given credit for it.
    Batch(Batch),
    /// Store it. It waited for room, which is given back when it is durable.
    Bounded(Batch),
    /// Advance a producer at least to `acked`, and answer with its position.
    ResumeOffset {
        producer: ProducerId,
        acked: u64,
        answer: Box<dyn FnOnce(u64) + Send>,
    },
    /// Only to be called.
    After(Box<dyn FnOnce() + Send>),
}

/// Room in memory that things take, in bytes: those without credit, and all others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Room {
    bytes: usize,
    credited: usize,
}

impl Room {
    /// And that of another one.
    pub(super) fn add(&mut self, item: &Item) {
        match item {
            Item::Batch(batch) => self.credited += batch.memory() + ITEM_BYTES,
            Item::Bounded(batch) => self.bytes += batch.memory() + ITEM_BYTES,
            Item::ResumeOffset { .. } | Item::After(_) => self.credited += ITEM_BYTES,
        }
    }
}

impl From<&Item> for Room {
    fn from(item: &Item) -> Room {
        let mut room = Room::default();
        room.add(item);
        room
    }
}

/// The queue between the receivers and the thread that writes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Taken until it is durable.
    room: Room,
    closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("waiting", &self.waiting.len())
            .field("room", &self.room)
            .field("closed", &self.closed)
            .finish()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something into the queue.
    pub(super) fn push(&self, item: Item) -> Result<(), Closed> {
        self.push_to(self.lock(), item)
    }

    /// Puts a batch into the queue once there is room.
    pub(super) fn push_when_room(&self, batch: Batch) -> Result<(), Closed> {
        let is_full = |state: &mut State| state.room.bytes >= MAX_UNCREDITED_BYTES && !state.closed;
        let state = self.room.wait_while(self.lock(), is_full);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        self.push_to(state, Item::Bounded(batch))
    }

    fn push_to(&self, mut state: MutexGuard<'_, State>, item: Item) -> Result<(), Closed> {
        if state.closed {
            return Err(Closed);
        }
        state.room.add(&item);
        state.waiting.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes all that waits; waits for something until `deadline`. False once it is closed and empty.
    pub(super) fn take(&self, into: &mut VecDeque<Item>, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut state = self.wait(left, |state| state.waiting.is_empty() && !state.closed);
        std::mem::swap(&mut state.waiting, into);
        !state.closed || !into.is_empty()
    }

    /// Gives back the room of what is durable, or was given up.
    pub(super) fn release(&self, room: Room) {
        let mut state = self.lock();
        state.room.credited -= room.credited;
        state.room.bytes -= room.bytes;
        drop(state);
        if room.bytes > 0 {
            self.room.notify_all();
        }
    }

    /// Room of all that did not wait for it.
    pub(super) fn credited(&self) -> usize {
        self.lock().room.credited
    }

    /// Room of all.
    pub(super) fn bytes(&self) -> usize {
        let Room { bytes, credited } = self.lock().room;
        bytes + credited
    }

    /// Nothing more is taken; what waits still is.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.room.notify_all();
    }

    /// Closes it and drops what waits, with the callbacks.
    pub(super) fn abandon(&self) {
        self.close();
        let left = std::mem::take(&mut self.lock().waiting);
        drop(left);
    }

    /// Waits until it is closed, at most so long. Whether it is.
    pub(super) fn wait_closed(&self, timeout: Duration) -> bool {
        self.wait(timeout, |state| !state.closed).closed
    }

    /// Waits while something holds, at most so long.
    fn wait(
        &self,
        timeout: Duration,
        holds: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'_, State> {
        let waited = self.filled.wait_timeout_while(self.lock(), timeout, holds);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
