//! Producers for senders that name none: each gets an id here, and each of its records an offset.

use std::hash::{BuildHasher, Hash, RandomState};

use distlog_proto::ProducerId;
use hashbrown::HashMap;

/// Senders whose producer id is remembered. Beyond that all get new ones.
const MAX_SENDERS: usize = 1 << 16;

/// The producers that senders were given.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    known: HashMap<SenderKey, Producer>,
    keys: (RandomState, RandomState),
}

/// Two keyed hashes of what identifies a sender, which may have any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SenderKey(u64, u64);

#[derive(Debug)]
struct Producer {
    id: ProducerId,
    next: u64,
}

impl ProducerIds {
    /// The key of a sender.
    pub(super) fn key(&self, sender: impl Hash) -> SenderKey {
        SenderKey(self.keys.0.hash_one(&sender), self.keys.1.hash_one(&sender))
    }

    /// The producer of a sender, and the first of `count` offsets that nobody else gets.
    pub(super) fn offsets(&mut self, key: SenderKey, count: u64) -> (ProducerId, u64) {
        if self.known.len() >= MAX_SENDERS && !self.known.contains_key(&key) {
            self.known.clear();
        }
        let producer = self.known.entry(key).or_insert_with(|| Producer {
            id: ProducerId::random(),
            next: 0,
        });
        let first = producer.next;
        producer.next = producer.next.saturating_add(count);
        (producer.id, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_is_one_producer_and_no_offset_is_given_twice() {
        let mut producers = ProducerIds::default();
        let keys = (producers.key(b"a"), producers.key(b"b"));
        let (a, first) = producers.offsets(keys.0, 10);
        assert_eq!(first, 0);
        assert_eq!(producers.offsets(keys.0, 5), (a, 10));
        assert_eq!(producers.offsets(keys.0, 1), (a, 15));
        let (b, first) = producers.offsets(keys.1, 1);
        assert_eq!(first, 0);
        assert!(a != b && a.is_known());
    }
}
