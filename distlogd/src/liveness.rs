//! When each producer was last seen, and which have ended or moved to another daemon.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;

/// Producers that are remembered in each of two generations.
const GENERATION_PRODUCERS: usize = 1 << 18;

/// When each producer was last seen. Receivers note it, the tracker asks.
#[derive(Debug)]
pub struct Liveness {
    started: Instant,
    last: Mutex<Generations>,
}

/// How a producer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProducerEnd {
    /// It closed its session.
    Exited,
    /// It died; what it left in its spool is stored.
    Died,
}

/// What is known of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has been silent for so long. One that was never seen: since the daemon started.
    Silent(Duration),
    /// It sends to another daemon.
    Moved,
    /// It ended at that time.
    Ended(ProducerEnd, Instant),
}

#[derive(Debug, Clone, Copy)]
enum Last {
    Seen(Instant),
    Moved,
    Ended(ProducerEnd, Instant),
}

/// Evicts the least recently seen producers: when the newer generation is full, the older one is dropped.
#[derive(Debug, Default)]
struct Generations {
    newer: HashMap<ProducerId, Last>,
    older: HashMap<ProducerId, Last>,
}

impl Default for Liveness {
    fn default() -> Liveness {
        Liveness {
            started: Instant::now(),
            last: Mutex::default(),
        }
    }
}

impl Liveness {
    /// A producer was seen now.
    pub fn note_seen(&self, producer: ProducerId) {
        self.set(producer, Last::Seen(Instant::now()));
    }

    /// A producer moves to another daemon, where it cannot be seen from here.
    pub fn note_moved(&self, producer: ProducerId) {
        self.set(producer, Last::Moved);
    }

    /// A producer has ended. Called when readers of the store see everything that it sent: a task whose end they do not
    /// see then has none.
    pub fn note_end(&self, producer: ProducerId, end: ProducerEnd) {
        self.set(producer, Last::Ended(end, Instant::now()));
    }

    /// What is known of a producer now.
    pub fn presence(&self, producer: ProducerId) -> Presence {
        let known = self.known(producer);
        known.unwrap_or_else(|| Presence::Silent(self.started.elapsed()))
    }

    /// As [`presence`](Liveness::presence); `None` for one that was not seen since the daemon started.
    pub fn known(&self, producer: ProducerId) -> Option<Presence> {
        let last = self.lock();
        let found = last.newer.get(&producer);
        let found = found.or_else(|| last.older.get(&producer))?;
        Some(match *found {
            Last::Seen(at) => Presence::Silent(at.elapsed()),
            Last::Moved => Presence::Moved,
            Last::Ended(end, at) => Presence::Ended(end, at),
        })
    }

    fn set(&self, producer: ProducerId, value: Last) {
        let mut last = self.lock();
        if last.newer.len() >= GENERATION_PRODUCERS && !last.newer.contains_key(&producer) {
            last.older = std::mem::take(&mut last.newer);
        }
        last.newer.insert(producer, value);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ProducerId {
        ProducerId::from_bytes((n as u128 + 1).to_be_bytes())
    }

    #[test]
    fn however_many_come_the_last_ones_are_remembered() {
        let liveness = Liveness::default();
        for n in 0..3 * GENERATION_PRODUCERS {
            liveness.note_seen(id(n));
        }
        let last = liveness.last.lock().unwrap();
        assert!(last.newer.len() + last.older.len() <= 2 * GENERATION_PRODUCERS);
        for n in 2 * GENERATION_PRODUCERS + 1..3 * GENERATION_PRODUCERS {
            assert!(last.newer.contains_key(&id(n)) || last.older.contains_key(&id(n)));
        }
    }

    #[test]
    fn a_producer_that_is_seen_again_has_neither_moved_nor_ended() {
        let liveness = Liveness::default();
        assert!(matches!(liveness.presence(id(1)), Presence::Silent(_)));
        liveness.note_moved(id(1));
        assert_eq!(liveness.presence(id(1)), Presence::Moved);
        let before = Instant::now();
        liveness.note_end(id(1), ProducerEnd::Died);
        match liveness.presence(id(1)) {
            Presence::Ended(ProducerEnd::Died, since) => assert!(since >= before),
            other => panic!("{other:?}"),
        }
        liveness.note_seen(id(1));
        match liveness.presence(id(1)) {
            Presence::Silent(silence) => assert!(silence <= before.elapsed()),
            other => panic!("{other:?}"),
        }
    }
}
