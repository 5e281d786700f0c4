//! Who wrote the records that the store holds: the newest producers, by name.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use distlog_proto::ProducerId;
use distlog_proto::wire::SourceRef;
use distlog_store::Batch;

use crate::self_telemetry::ProducerInfo;

/// Producers that are remembered; at twice as many the least recent go.
const MAX_PRODUCERS: usize = 1 << 12;

/// A producer of records.
#[derive(Debug, Clone)]
pub struct Producer {
    /// Its id.
    pub id: ProducerId,
    /// Who it is.
    pub info: ProducerInfo,
    /// Its records that were stored since the daemon started.
    pub records: u64,
    /// When its newest batch was received, in ns since the epoch.
    pub received: u64,
    /// Number in the store of the first record of that batch.
    newest: u64,
}

/// The newest producers.
#[derive(Debug, Default)]
pub struct Producers(Mutex<HashMap<ProducerId, Producer>>);

impl Producers {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProducerId, Producer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a batch; `is_new` if it was stored since the daemon started.
    pub(super) fn note(&self, head: &Batch, source: &SourceRef<'_>, is_new: bool) {
        let mut producers = self.lock();
        if producers.len() >= 2 * MAX_PRODUCERS && !producers.contains_key(&head.producer) {
            let mut newest: Vec<u64> = producers.values().map(|known| known.newest).collect();
            let (_, oldest_kept, _) = newest.select_nth_unstable(MAX_PRODUCERS);
            producers.retain(|_, known| known.newest >= *oldest_kept);
        }
        let known = producers.entry(head.producer).or_insert_with(|| Producer {
            id: head.producer,
            info: ProducerInfo::new(source),
            records: 0,
            received: 0,
            newest: 0,
        });
        known.records += if is_new { u64::from(head.count) } else { 0 };
        (known.received, known.newest) = (head.received, head.first);
    }

    /// The newest ones, those whose batches came last first, and how many are known.
    pub fn newest(&self, limit: usize) -> (Vec<Producer>, usize) {
        let producers = self.lock();
        let mut order: Vec<&Producer> = producers.values().collect();
        order.sort_unstable_by_key(|known| std::cmp::Reverse(known.newest));
        let newest = order.into_iter().take(limit).cloned();
        (newest.collect(), producers.len())
    }
}
