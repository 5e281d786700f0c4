//! When each producer was last heard, and which said that they go.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;

/// So many producers are remembered in each of two generations.
const GENERATION: usize = 1 << 18;

/// When each producer was last heard. Shared by the doors, which note it, and the tracker, which asks.
#[derive(Debug)]
pub struct Heard {
    started: Instant,
    last: Mutex<Generations>,
}

/// How a producer came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It said that nothing more will come.
    Ended,
    /// It died; what it left was taken to the end.
    Died,
}

/// What is known of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has been silent for so long. One that was not heard at all: since the daemon started.
    Silent(Duration),
    /// It goes on at another daemon, until it is heard here again.
    Away,
    /// It is over since then.
    Over(Over, Instant),
}

#[derive(Debug, Clone, Copy)]
enum Last {
    Heard(Instant),
    Away,
    Over(Over, Instant),
}

/// When the newer one is full the older one is forgotten: those go of whom nothing was heard while many others were.
#[derive(Debug, Default)]
struct Generations {
    newer: HashMap<ProducerId, Last>,
    older: HashMap<ProducerId, Last>,
}

impl Default for Heard {
    fn default() -> Heard {
        Heard {
            started: Instant::now(),
            last: Mutex::default(),
        }
    }
}

impl Heard {
    /// Notes that a producer was heard now.
    pub fn note(&self, producer: ProducerId) {
        self.set(producer, Last::Heard(Instant::now()));
    }

    /// Notes that a producer goes to another daemon: what it does there cannot be seen from here.
    pub fn away(&self, producer: ProducerId) {
        self.set(producer, Last::Away);
    }

    /// Notes that a producer is over. To be called when readers of the store see everything that it sent: a task whose
    /// end they then do not see has none.
    pub fn over(&self, producer: ProducerId, how: Over) {
        self.set(producer, Last::Over(how, Instant::now()));
    }

    /// What is known of a producer now.
    pub fn presence(&self, producer: ProducerId) -> Presence {
        let last = self.lock();
        let found = last
            .newer
            .get(&producer)
            .or_else(|| last.older.get(&producer));
        match found.copied().unwrap_or(Last::Heard(self.started)) {
            Last::Heard(at) => Presence::Silent(at.elapsed()),
            Last::Away => Presence::Away,
            Last::Over(how, since) => Presence::Over(how, since),
        }
    }

    fn set(&self, producer: ProducerId, value: Last) {
        let mut last = self.lock();
        if last.newer.len() >= GENERATION && !last.newer.contains_key(&producer) {
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
        let heard = Heard::default();
        for n in 0..3 * GENERATION {
            heard.note(id(n));
        }
        let last = heard.last.lock().unwrap();
        assert!(last.newer.len() + last.older.len() <= 2 * GENERATION);
        for n in 2 * GENERATION + 1..3 * GENERATION {
            assert!(last.newer.contains_key(&id(n)) || last.older.contains_key(&id(n)));
        }
    }

    #[test]
    fn whoever_is_heard_again_is_neither_away_nor_over() {
        let heard = Heard::default();
        assert!(matches!(heard.presence(id(1)), Presence::Silent(_)));
        heard.away(id(1));
        assert_eq!(heard.presence(id(1)), Presence::Away);
        let before = Instant::now();
        heard.over(id(1), Over::Died);
        match heard.presence(id(1)) {
            Presence::Over(Over::Died, since) => assert!(since >= before),
            other => panic!("{other:?}"),
        }
        heard.note(id(1));
        match heard.presence(id(1)) {
            Presence::Silent(silence) => assert!(silence <= before.elapsed()),
            other => panic!("{other:?}"),
        }
    }
}
