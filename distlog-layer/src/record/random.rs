//! Random trace ids without asking the system for each.

use distlog_proto::{TaskId, TraceId};

/// A thread's generator: xoshiro256++ (Blackman, Vigna: Scrambled linear pseudorandom number generators, 2021), seeded
/// by the system. Nothing here is secret; ids must only never meet.
pub(crate) struct Random([u64; 4]);

impl Random {
    pub(crate) fn new() -> Random {
        // Two ids of the crate that knows what to do where the system has no random numbers to give.
        let seed = [TraceId::random(), TraceId::random()].map(|id| {
            let bits = u128::from_be_bytes(id.to_bytes());
            [(bits >> 64) as u64, bits as u64]
        });
        Random([seed[0][0], seed[0][1], seed[1][0], seed[1][1]])
    }

    /// The top-level task of a new trace.
    pub(crate) fn top(&mut self) -> TaskId {
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        TaskId::top(TraceId::from_bytes(bits.to_be_bytes()).unwrap_or_else(TraceId::random))
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut random = Random([1, 2, 3, 4]);
        assert_eq!(
            [random.next(), random.next(), random.next()],
            [41_943_041, 58_720_359, 3_588_806_011_781_223]
        );
    }

    #[test]
    fn traces_never_meet() {
        let (mut one, mut other) = (Random::new(), Random::new());
        let ids: HashSet<_> = (0..1000)
            .flat_map(|_| [one.top().trace_id(), other.top().trace_id()])
            .collect();
        assert_eq!(ids.len(), 2000);
    }
}
