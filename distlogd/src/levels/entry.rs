//! Levels that were set, for whom.

use distlog_proto::levels::{Directives, Level};
use distlog_proto::{ProducerId, TaskId};

/// Whose levels they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All processes of a service.
    Service(String),
    /// One process.
    Process(ProducerId),
    /// One task with all below it, in every process.
    Task(TaskId),
}

/// Levels as they are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By target, of a service or process.
    Directives(Scope, Directives),
    /// All of a task.
    Task(TaskId, Level),
}

impl Wanted {
    /// Whose they are.
    pub fn scope(&self) -> Scope {
        match self {
            Wanted::Directives(scope, _) => scope.clone(),
            Wanted::Task(task, _) => Scope::Task(task.clone()),
        }
    }

    /// As people write them.
    pub(super) fn text(&self) -> String {
        match self {
            Wanted::Directives(_, directives) => directives.to_string(),
            Wanted::Task(_, level) => level.to_string(),
        }
    }
}

/// Levels that were set, until they end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) wanted: Wanted,
    /// In ns since the epoch.
    pub(super) until: u64,
    /// The processor that set them for a rule; `None`: people did.
    pub(super) by: Option<String>,
}
