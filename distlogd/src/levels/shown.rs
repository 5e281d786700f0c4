//! Levels as the API shows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Levels that daemon and programs apply beside what the programs were started with.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct LevelsShown {
    /// What is set: by the configuration, then by people and rules, the newest last.
    pub overrides: Vec<LevelOverride>,
    /// Programs that are connected by a session, by service.
    pub processes: Vec<LevelProcess>,
}

/// Levels of a service, a process or a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LevelOverride {
    /// The service whose processes have them.
    pub service: Option<String>,
    /// The process that has them, by its id as a producer.
    pub producer: Option<String>,
    /// The task that has them, with all below it, in every process.
    pub task: Option<String>,
    /// Directives like `info,orders=debug`; of a task a level.
    pub levels: String,
    /// The processor that set them for a rule; `null`: people did, or the configuration.
    #[serde(default)]
    pub by: Option<String>,
    /// When they end, in ns since the epoch; `null`: with the configuration.
    pub until_ns: Option<u64>,
    /// Programs that are connected and that they are for.
    pub processes: usize,
    /// Those of them that said that they apply them.
    pub applied: usize,
    /// Those of them that have no filter for levels (`guard.levels(…)` of distlog-layer), and cannot.
    pub without_filter: usize,
}

/// A program that is connected by a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LevelProcess {
    /// Its id as a producer.
    pub producer: String,
    /// Its service, else the name of its program.
    pub service: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub process_id: u64,
    /// Whether it has a filter for levels.
    pub has_filter: bool,
    /// Whether it said that it applies what is set now.
    pub applied: bool,
    /// What is set for it, on top of what it was started with; empty: nothing.
    pub levels: String,
}
