//! What waits to be stored.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;

use super::{Batch, Closed};

/// Doors without credit wait while so much of theirs is not yet durable, in bytes.
const UNCREDITED_BYTES: usize = 16 << 20;

/// One thing to do, in order.
pub(super) enum Item {
    /// Store it. Its sender was given credit for it.
    Batch(Batch),
    /// Store it. It waited for room, which is given back when it is durable.
    Bounded(Batch),
    /// Let a producer stand at least there, and say where it stands.
    Stand {
        producer: ProducerId,
        acked: u64,
        answer: Box<dyn FnOnce(u64) + Send>,
    },
    /// Only to be called.
    After(Box<dyn FnOnce() + Send>),
}

/// Room in memory that batches take, in bytes: without and with credit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Room {
    bytes: usize,
    credited: usize,
}

impl Room {
    /// And that of another one.
    pub(super) fn add(&mut self, item: &Item) {
        match item {
            Item::Batch(batch) => self.credited += batch.bytes.len(),
            Item::Bounded(batch) => self.bytes += batch.bytes.len(),
            Item::Stand { .. } | Item::After(_) => {}
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

/// The queue between the doors and the thread that writes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Of batches without credit, until they are durable.
    bytes: usize,
    /// Of batches with credit, until they are durable.
    credited: usize,
    closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("waiting", &self.waiting.len())
            .field("bytes", &self.bytes)
            .field("credited", &self.credited)
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
        let mut state = self.lock();
        if state.closed {
            return Err(Closed);
        }
        if let Item::Batch(batch) = &item {
            state.credited += batch.bytes.len();
        }
        state.waiting.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Puts a batch into the queue once there is room.
    pub(super) fn push_when_room(&self, batch: Batch) -> Result<(), Closed> {
        let mut state = self.lock();
        while state.bytes >= UNCREDITED_BYTES && !state.closed {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(Closed);
        }
        state.bytes += batch.bytes.len();
        state.waiting.push_back(Item::Bounded(batch));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes all that waits; waits for something until `deadline`. False once it is closed and empty.
    pub(super) fn take(&self, into: &mut VecDeque<Item>, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self
                .filled
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        std::mem::swap(&mut state.waiting, into);
        !state.closed || !into.is_empty()
    }

    /// Gives back the room of what is durable, or was given up.
    pub(super) fn release(&self, room: Room) {
        let mut state = self.lock();
        state.credited -= room.credited;
        if room.bytes > 0 {
            state.bytes -= room.bytes;
            drop(state);
            self.room.notify_all();
        }
    }

    /// Bytes of batches with credit that are not yet durable.
    pub(super) fn credited(&self) -> usize {
        self.lock().credited
    }

    /// Bytes of all batches that are not yet durable.
    pub(super) fn bytes(&self) -> usize {
        let state = self.lock();
        state.bytes + state.credited
    }

    /// Nothing more is taken; what waits still is.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.room.notify_all();
    }

    /// Waits until it is closed, at most so long. Whether it is.
    pub(super) fn wait_closed(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .filled
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.closed
    }
}
