//! The page in front of a spool's ring, as far as the living process writes it.

#[cfg(not(loom))]
use std::sync::atomic::AtomicU64;

#[cfg(not(loom))]
use distlog_spool::layout;
#[cfg(loom)]
use loom::sync::atomic::AtomicU64;

use super::live::{LEVELS, Line, Losses};

/// Copies of what moves, for whoever recovers the file. They are only ever written: what the living process goes by is
/// in its own memory (`live.rs`).
#[repr(C)]
pub(super) struct Mirror {
    /// What [`distlog_spool`] wrote when it made the file.
    constants: Line<[AtomicU64; 6]>,
    /// The last epoch used.
    pub(super) epoch: Line<AtomicU64>,
    /// Position before which everything is durable in a daemon.
    pub(super) acked: Line<AtomicU64>,
    /// Drops, and when.
    pub(super) losses: Line<Losses>,
    /// Drops by level that a record in the stream has told of.
    pub(super) reported: Line<[AtomicU64; LEVELS]>,
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Mirror>() <= layout::HEADER_LEN);
    assert!(std::mem::offset_of!(Mirror, epoch) == layout::EPOCH_AT);
    assert!(std::mem::offset_of!(Mirror, acked) == layout::ACKED_AT);
    assert!(std::mem::offset_of!(Mirror, losses) == layout::DROPPED_AT);
    assert!(std::mem::offset_of!(Mirror, reported) == layout::REPORTED_AT);
};

impl Mirror {
    #[cfg(loom)]
    pub(super) fn zeroed() -> Mirror {
        let zero = || AtomicU64::new(0);
        Mirror {
            constants: Line(std::array::from_fn(|_| zero())),
            epoch: Line(zero()),
            acked: Line(zero()),
            losses: Line(Losses::new()),
            reported: Line(std::array::from_fn(|_| zero())),
        }
    }
}
