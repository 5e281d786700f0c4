//! The last epoch of each producer.

use std::collections::HashMap;

use crate::id::ProducerId;

/// So many producers are remembered in each of two generations.
const GENERATION: usize = 1 << 16;

/// When the newer generation is full the older one is forgotten, and with it the producers that were not seen since.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    newer: HashMap<ProducerId, u64>,
    older: HashMap<ProducerId, u64>,
}

impl Epochs {
    /// Notes an epoch.
    ///
    /// # Errors
    /// The last one, if this one is not higher.
    pub(super) fn rise(&mut self, producer: ProducerId, epoch: u64) -> Result<(), u64> {
        let known = self
            .newer
            .get(&producer)
            .or_else(|| self.older.get(&producer));
        if let Some(&last) = known
            && epoch <= last
        {
            return Err(last);
        }
        if self.newer.len() >= GENERATION && !self.newer.contains_key(&producer) {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(producer, epoch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_epoch_is_newer() {
        let mut epochs = Epochs::default();
        let producer = ProducerId::from_bytes([1; 16]);
        assert_eq!(epochs.rise(producer, 5), Ok(()));
        assert_eq!(epochs.rise(producer, 5), Err(5));
        assert_eq!(epochs.rise(producer, 4), Err(5));
        assert_eq!(epochs.rise(producer, 6), Ok(()));
        assert_eq!(epochs.rise(ProducerId::from_bytes([2; 16]), 1), Ok(()));
    }

    #[test]
    fn however_many_come_memory_is_bounded() {
        let mut epochs = Epochs::default();
        for n in 1..=3 * GENERATION as u128 {
            let producer = ProducerId::from_bytes(n.to_be_bytes());
            assert_eq!(epochs.rise(producer, 1), Ok(()));
        }
        assert!(epochs.newer.len() + epochs.older.len() <= 2 * GENERATION);
        let last = ProducerId::from_bytes((3 * GENERATION as u128).to_be_bytes());
        assert_eq!(epochs.rise(last, 1), Err(1));
    }
}
