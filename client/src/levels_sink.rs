//! [`LevelsSink`]: who applies the levels that a daemon says.

use std::time::Instant;

use distlog_proto::session::Levels;

/// Applies the levels that the daemon says, which are on top of those that the program was started with.
pub trait LevelsSink: Send + Sync {
    /// Whether they have an effect: daemons say them only then.
    fn has_filter(&self) -> bool;

    /// Takes the levels that hold from now on, in place of those before. Each ends by itself when its time is over,
    /// also if no daemon is there any more.
    fn apply(&self, levels: &Levels<'_>, now: Instant);
}
