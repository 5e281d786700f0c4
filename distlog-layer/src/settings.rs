//! What the builder was told; everything a producer is made from, also the next one after a fork.

use std::time::Duration;

use distlog_proto::{Encoding, Stream, System};

/// What happens to a record for which the ring has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// It is dropped and counted by its level. When there is room again, a record with the totals follows.
    #[default]
    Drop,
    /// The caller waits so long at most; then it is dropped and counted.
    Block(Duration),
}

/// See [`crate::Builder`], which explains each.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) service: String,
    pub(crate) host: String,
    pub(crate) resource: Vec<(String, String)>,
    pub(crate) system: System,
    pub(crate) stream: Stream,
    pub(crate) encoding: Encoding,
    pub(crate) ring: usize,
    pub(crate) overflow: Overflow,
    pub(crate) heartbeat: Duration,
    pub(crate) flush_on_drop: Duration,
    pub(crate) address: String,
}
