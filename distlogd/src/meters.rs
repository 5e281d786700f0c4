//! Counters that a processor has beside those of every worker. One that exists is in the metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counters of one processor. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct Meters(Arc<Mutex<Vec<Meter>>>);

/// A counter, and what it is called in the metrics.
#[derive(Debug, Clone)]
pub struct Meter {
    /// Without `distlogd_processor_` before it.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    count: Arc<AtomicU64>,
}

impl Meters {
    /// The counter of that name; the same one if the processor is made again.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Arc<AtomicU64> {
        let mut meters = self.lock();
        if let Some(known) = meters.iter().find(|meter| meter.name == name) {
            return Arc::clone(&known.count);
        }
        let count = Arc::default();
        meters.push(Meter {
            name,
            help,
            count: Arc::clone(&count),
        });
        count
    }

    /// All of them.
    pub fn list(&self) -> Vec<Meter> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Meter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
