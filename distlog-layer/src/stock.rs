//! [`Stock`]: the records of one producer, as those who bring them to a daemon see them.

use distlog_proto::session::Dropped;

/// Records in order, of which the first are durable somewhere and the next ones are sent. Positions are offsets.
pub(crate) trait Stock {
    /// A number higher than all that were used for the producer before. `None`: it cannot be kept, so that the next one
    /// could be the same.
    fn next_epoch(&mut self) -> Option<u64>;

    /// All before is durable.
    fn acked(&self) -> u64;

    /// Where the next batch begins.
    fn position(&self) -> u64;

    /// There are records up to here.
    fn head(&self) -> u64;

    /// No daemon can have more than what is before.
    fn limit(&self) -> u64 {
        self.head()
    }

    /// What was dropped since the producer began.
    fn dropped(&self) -> Dropped;

    /// The next batch begins there. `false`, and nothing changes, if that is no place where one can.
    fn seek(&mut self, to: u64) -> bool;

    /// All before is durable and is needed no more. `false`, and nothing changes, if no record ends there.
    fn free_to(&mut self, to: u64) -> bool;
}
