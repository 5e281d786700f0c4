//! What is decided about a tree, and who is told.

use distlog_proto::TraceId;
use distlog_rules::TreeSummary;

/// What was decided is remembered here, for records that come late.
pub(super) trait Decisions {
    /// Whether a tree passes, if that is decided; `number` is that of a record of it.
    fn decision(&mut self, trace: TraceId, number: u64) -> Option<bool>;

    /// Remembers a decision.
    fn decide(&mut self, trace: TraceId, passes: bool);

    /// Is told why a tree passes or not.
    fn explain(&mut self, _decided: &Decided<'_>) {}
}

/// A decision.
pub(super) struct Decided<'t> {
    pub trace: TraceId,
    pub summary: TreeSummary<'t>,
    /// Whether it matches the condition.
    pub matches: bool,
    pub passes: bool,
    pub why: Why,
}

/// Why a tree is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its root has ended, and nothing came for a while.
    Quiet,
    /// It has waited for long.
    Wait,
    /// Too many trees are open.
    Limit,
}
