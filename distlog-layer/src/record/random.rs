//! Random trace ids without asking the system for each.

use distlog_proto::{TaskId, TraceId, random_u64};
use fastrand::Rng;

/// A thread's generators, one for each half of an id, seeded by the system: a seed of 64 bits alone would let ids of a
/// fleet meet after some 2³² traces. Nothing here is secret.
pub(crate) struct Random {
    high: Rng,
    low: Rng,
}

impl Random {
    pub(crate) fn new() -> Random {
        Random {
            high: Rng::with_seed(random_u64()),
            low: Rng::with_seed(random_u64()),
        }
    }

    /// The top-level task of a new trace.
    pub(crate) fn top(&mut self) -> TaskId {
        let bits = u128::from(self.high.u64(..)) << 64 | u128::from(self.low.u64(..));
        TaskId::top(TraceId::from_bytes(bits.to_be_bytes()).unwrap_or_else(TraceId::random))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn traces_never_meet() {
        let (mut one, mut other) = (Random::new(), Random::new());
        let ids: HashSet<_> = (0..1000)
            .flat_map(|_| [one.top().trace_id(), other.top().trace_id()])
            .collect();
        assert_eq!(ids.len(), 2000);
    }
}
