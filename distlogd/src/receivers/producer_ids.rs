//! Producers for senders that name none: each gets an id here, and each of its records an offset.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use distlog_proto::ProducerId;

/// Senders whose producer id is remembered. Beyond that all get new ones.
const MAX_SENDERS: usize = 1 << 16;

/// The producers that senders were given.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    /// By two keyed hashes of what identifies the sender, which may have any length.
    known: HashMap<(u64, u64), Producer>,
    keys: (RandomState, RandomState),
}

#[derive(Debug)]
struct Producer {
    id: ProducerId,
    next: u64,
}

impl ProducerIds {
    /// The producer of a sender, and the first of `count` offsets that nobody else gets.
    pub(super) fn offsets(&mut self, sender: impl Hash, count: u64) -> (ProducerId, u64) {
        let key = (self.keys.0.hash_one(&sender), self.keys.1.hash_one(&sender));
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
        let (a, first) = producers.offsets(b"a", 10);
        assert_eq!(first, 0);
        assert_eq!(producers.offsets(b"a", 5), (a, 10));
        assert_eq!(producers.offsets(b"a", 1), (a, 15));
        let (b, first) = producers.offsets(b"b", 1);
        assert_eq!(first, 0);
        assert!(a != b && a.is_known());
    }
}
