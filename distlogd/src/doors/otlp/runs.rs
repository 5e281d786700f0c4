//! OTLP has no producers: each resource gets one from us, and each of its records an offset.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use distlog_proto::ProducerId;

/// Resources whose producer is remembered; beyond that all are given new ones.
const MAX_RUNS: usize = 1 << 16;

/// The producers that resources were given.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// By two keyed hashes of the resource, which may be of any length.
    known: HashMap<(u64, u64), Run>,
    keys: (RandomState, RandomState),
}

#[derive(Debug)]
struct Run {
    producer: ProducerId,
    next: u64,
}

impl Runs {
    /// The producer of a resource, and the first of `count` offsets that nobody else gets.
    pub(super) fn offsets(&mut self, resource: &[u8], count: u64) -> (ProducerId, u64) {
        let key = (
            self.keys.0.hash_one(resource),
            self.keys.1.hash_one(resource),
        );
        if self.known.len() >= MAX_RUNS && !self.known.contains_key(&key) {
            self.known.clear();
        }
        let run = self.known.entry(key).or_insert_with(|| Run {
            producer: ProducerId::random(),
            next: 0,
        });
        let first = run.next;
        run.next = run.next.saturating_add(count);
        (run.producer, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_is_one_producer_and_no_offset_is_given_twice() {
        let mut runs = Runs::default();
        let (a, first) = runs.offsets(b"a", 10);
        assert_eq!(first, 0);
        assert_eq!(runs.offsets(b"a", 5), (a, 10));
        assert_eq!(runs.offsets(b"a", 1), (a, 15));
        let (b, first) = runs.offsets(b"b", 1);
        assert_eq!(first, 0);
        assert!(a != b && a.is_known());
    }
}
