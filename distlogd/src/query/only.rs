//! Records of one kind, and the blocks that may hold some.

use distlog_proto::wire::{Parts, field::record as field};
use distlog_proto::{Kind, Outcome, RecordRef, Severity};
use distlog_store::{BlockSummary, Rows};

/// Of which kind the records are that a query is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// Of any.
    All,
    /// All records of blocks in which a task may begin.
    WithBegins,
    /// Ends of such tasks, and begins of tasks that have none above; other records of their blocks may be there, too.
    WithEnds(Ends),
    /// Errors that were logged, and ends of tasks that failed or were lost.
    Failures,
}

/// Tasks that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// In one of these ways.
    pub outcomes: Vec<Outcome>,
    /// After so long at least, in ns.
    pub at_least: u64,
    /// Having begun not after this, in ns since the epoch.
    pub began_by: u64,
}

impl Only {
    /// Whether a block may hold such a record.
    pub(super) fn may_pass(&self, block: &BlockSummary) -> bool {
        match self {
            Only::All => true,
            Only::WithBegins => block.begins > 0,
            Only::WithEnds(ends) => {
                ends.outcomes.iter().any(|outcome| block.ends(*outcome) > 0)
                    && block.longest >= ends.at_least
                    && block.times.start().saturating_sub(block.longest) <= ends.began_by
            }
            Only::Failures => {
                block.ends(Outcome::Failed) > 0
                    || block.ends(Outcome::Lost) > 0
                    || block.counts().is_none_or(|mut counts| {
                        counts.any(|(_, severity, _)| severity >= Severity::ERROR)
                    })
            }
        }
    }

    /// Those that are read of a block where it is known which they are.
    pub(super) fn rows(&self) -> Rows<'_> {
        match self {
            Only::WithEnds(ends) => Rows::Ended(&ends.outcomes),
            Only::All | Only::WithBegins | Only::Failures => Rows::All,
        }
    }

    /// Adds the parts of records that tell.
    pub(super) fn add_parts(&self, parts: &mut Parts) {
        if *self == Only::Failures {
            parts.add_severity();
            for number in [field::KIND, field::TASK, field::OUTCOME] {
                parts.add(number);
            }
        }
    }

    /// Whether a record is such a one.
    pub(super) fn takes(&self, record: &RecordRef<'_>) -> bool {
        match self {
            Only::All | Only::WithBegins | Only::WithEnds(_) => true,
            Only::Failures => match record.kind {
                Kind::Begin => false,
                Kind::End => record.task.is_some() && record.outcome.is_failure(),
                Kind::Event | Kind::Bind => record.severity >= Severity::ERROR,
            },
        }
    }
}
