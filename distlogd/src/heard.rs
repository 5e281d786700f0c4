//! When each producer was last heard.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
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

/// When the newer one is full the older one is forgotten: those go of whom nothing was heard while many others were.
#[derive(Debug, Default)]
struct Generations {
    newer: HashMap<ProducerId, Instant>,
    older: HashMap<ProducerId, Instant>,
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
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.newer.len() >= GENERATION && !last.newer.contains_key(&producer) {
            last.older = std::mem::take(&mut last.newer);
        }
        last.newer.insert(producer, Instant::now());
    }

    /// How long a producer has been silent; one that was not heard at all, since the daemon started.
    pub fn silence(&self, producer: ProducerId) -> Duration {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.newer
            .get(&producer)
            .or_else(|| last.older.get(&producer))
            .unwrap_or(&self.started)
            .elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_come_the_last_ones_are_remembered() {
        let heard = Heard::default();
        let id = |n: usize| ProducerId::from_bytes((n as u128 + 1).to_be_bytes());
        for n in 0..3 * GENERATION {
            heard.note(id(n));
        }
        let last = heard.last.lock().unwrap();
        assert!(last.newer.len() + last.older.len() <= 2 * GENERATION);
        for n in 2 * GENERATION + 1..3 * GENERATION {
            assert!(last.newer.contains_key(&id(n)) || last.older.contains_key(&id(n)));
        }
    }
}
