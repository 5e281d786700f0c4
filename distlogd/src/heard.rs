//! When each producer was last heard.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;

/// Producers that were silent for longer than this are forgotten.
const FORGET: Duration = Duration::from_secs(24 * 3600);
/// At most so many are remembered.
const MAX_PRODUCERS: usize = 1 << 20;

/// When each producer was last heard. Shared by the doors, which note it, and the tracker, which asks.
#[derive(Debug)]
pub struct Heard {
    started: Instant,
    last: Mutex<HashMap<ProducerId, Instant>>,
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
        if last.len() >= MAX_PRODUCERS {
            let now = Instant::now();
            last.retain(|_, at| now.duration_since(*at) < FORGET / 24);
        }
        last.insert(producer, Instant::now());
    }

    /// How long a producer has been silent; one that was not heard at all, since the daemon started.
    pub fn silence(&self, producer: ProducerId) -> Duration {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(&producer).unwrap_or(&self.started).elapsed()
    }
}
