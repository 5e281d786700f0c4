//! Requests that came before: clients repeat a request whose answer they did not get.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashSet};

/// Requests that are remembered in each of two generations, 4 MiB in all.
const GENERATION_REQUESTS: usize = 1 << 16;

/// Two keyed hashes of the bytes of a request.
pub(super) type Key = (u64, u64);

/// The latest requests. When the newer generation is full, the older one is forgotten.
///
/// Only the same bytes are recognised. Spans that a client batches differently are stored again; the tree shows them
/// once, since it knows them by their ids.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    keys: (DefaultHashBuilder, DefaultHashBuilder),
    newer: HashSet<Key>,
    older: HashSet<Key>,
}

impl Dedup {
    /// The keys of the hashes, to hash without a lock.
    pub(super) fn hashers(&self) -> (DefaultHashBuilder, DefaultHashBuilder) {
        self.keys.clone()
    }

    /// Remembers a request; false if it came before.
    pub(super) fn insert(&mut self, key: Key) -> bool {
        if self.newer.len() >= GENERATION_REQUESTS {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key) && !self.older.contains(&key)
    }

    /// Forgets a request that was not stored after all.
    pub(super) fn forget(&mut self, key: Key) {
        self.newer.remove(&key);
        self.older.remove(&key);
    }
}

/// The key of a request.
pub(super) fn key((one, other): &(DefaultHashBuilder, DefaultHashBuilder), request: &[u8]) -> Key {
    (one.hash_one(request), other.hash_one(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_new_once_and_the_memory_is_bounded() {
        let mut dedup = Dedup::default();
        let hashers = dedup.hashers();
        let key = |n: u64| key(&hashers, &n.to_le_bytes());
        assert!(dedup.insert(key(0)) && !dedup.insert(key(0)));
        dedup.forget(key(0));
        assert!(dedup.insert(key(0)));
        (1..=3 * GENERATION_REQUESTS as u64).for_each(|n| assert!(dedup.insert(key(n))));
        assert!(dedup.newer.len() + dedup.older.len() <= 2 * GENERATION_REQUESTS);
        assert!(!dedup.insert(key(2 * GENERATION_REQUESTS as u64 + 1)));
        assert!(dedup.insert(key(0)), "long ago");
    }
}
