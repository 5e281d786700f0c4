//! Whole trees pass to a processor, or nothing of them (`trees:` of its configuration).
//!
//! A tree is what all records of one trace say together. Its records wait in the store until its root has ended and
//! nothing came for a while, or it has waited long enough; then it is decided. What passes is read from the store
//! again, and delivered.
//!
//! ```text
//! store ──▶ decider ──▶ log of decisions ──▶ delivery ──▶ worker, processor
//!           (a summary   (what passes,        (reads what
//!           per tree)    durable)             passes)
//! ```
//!
//! Read it in this order: `config.rs`; `decision.rs`, `decider.rs` with `open.rs` (the summaries), `texts.rs` and
//! `clock.rs`; `plan.rs` and `frame.rs` (what is decided at once), `log.rs`; `delivery.rs`, `feed.rs` (what the worker
//! reads), `token.rs`. `judge.rs` decides trees of records that no store has, for tests of rules.
//!
//! After a restart the decider reads again from the first record of the oldest tree that is not decided or delivered.
//! What is decided stands in the log and is not decided again.

mod clock;
mod config;
mod decider;
mod decision;
mod delivery;
mod feed;
mod frame;
mod judge;
mod log;
mod open;
mod plan;
#[cfg(test)]
mod tests;
mod texts;
mod token;

pub(crate) use config::Section;
/// Reads a frame of a log of decisions with that body, whose checksum is right.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_frame(body: &[u8]) {
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    bytes.extend_from_slice(body);
    if let Some((frame, length)) = frame::Frame::decode(&bytes) {
        assert_eq!(length, bytes.len());
        assert_eq!(frame.encode(), bytes);
    }
}

pub use config::Trees;
pub(crate) use decision::Why;
pub use feed::{FeedError, Portion, Setup, TreeFeed};
pub(crate) use judge::{Judged, TreeJudge};
pub use token::own_token;
