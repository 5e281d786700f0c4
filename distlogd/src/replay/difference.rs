//! What differs between two configurations: counts, and a few examples.

use serde::Serialize;

use super::side::Reason;

/// What is counted and shown of one processor.
#[derive(Debug, Clone, Default)]
pub(super) struct Compared {
    pub(super) name: String,
    /// Its numbers; `None`: the configuration does not have it.
    pub(super) old: Option<usize>,
    pub(super) new: Option<usize>,
    /// Whether a record that both send can differ.
    pub(super) can_change: bool,
    /// Records that each sends.
    pub(super) sent: [u64; 2],
    /// Records that only the new one sends.
    pub(super) gained: Difference,
    /// Records that only the old one sends.
    pub(super) lost: Difference,
    /// Records that both send, in another form.
    pub(super) changed: Difference,
}

/// One kind of difference.
#[derive(Debug, Clone, Default)]
pub(super) struct Difference {
    pub(super) records: u64,
    pub(super) examples: Vec<Example>,
}

/// A record that is treated otherwise.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Example {
    /// As `distlogd tail` shows it.
    pub(super) record: String,
    /// Of its task, for `distlogd tree`; empty outside of tasks.
    pub(super) id: String,
    /// What decided in each.
    pub(super) old: String,
    pub(super) new: String,
}

/// A record that may become an example.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) record: String,
    pub(super) id: String,
    pub(super) reasons: [Reason; 2],
    /// What differs in it, if both send it.
    pub(super) changed: Option<String>,
}
