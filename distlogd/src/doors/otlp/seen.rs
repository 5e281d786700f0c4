//! Which requests have come lately: clients repeat one whose answer they did not hear.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashSet};

/// So many requests are remembered in each of two generations, 4 MiB in all.
const GENERATION: usize = 1 << 16;

/// Stands for the bytes of a request: two keyed hashes of them.
pub(super) type Key = (u64, u64);

/// The requests that came last. When the newer generation is full the older one is forgotten.
///
/// A client sends the same bytes again. One that divides its spans anew is not recognised: they are stored again then, and the
/// tree, which knows them by their ids, has them once all the same.
#[derive(Debug, Default)]
pub(super) struct Seen {
    keys: (DefaultHashBuilder, DefaultHashBuilder),
    newer: HashSet<Key>,
    older: HashSet<Key>,
}

impl Seen {
    /// The keys of the hashes, to hash without a lock.
    pub(super) fn hashers(&self) -> (DefaultHashBuilder, DefaultHashBuilder) {
        self.keys.clone()
    }

    /// Notes a request; false if it had come before.
    pub(super) fn note(&mut self, key: Key) -> bool {
        if self.newer.len() >= GENERATION {
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
        let mut seen = Seen::default();
        let hashers = seen.hashers();
        let key = |n: u64| key(&hashers, &n.to_le_bytes());
        assert!(seen.note(key(0)) && !seen.note(key(0)));
        seen.forget(key(0));
        assert!(seen.note(key(0)));
        (1..=3 * GENERATION as u64).for_each(|n| assert!(seen.note(key(n))));
        assert!(seen.newer.len() + seen.older.len() <= 2 * GENERATION);
        assert!(!seen.note(key(2 * GENERATION as u64 + 1)));
        assert!(seen.note(key(0)), "long ago");
    }
}
