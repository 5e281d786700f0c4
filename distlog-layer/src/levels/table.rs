//! What is recorded now, as callers look at it.

use std::collections::BTreeMap;

use distlog_proto::levels::{Directives, Level};
use distlog_proto::{TaskId, is_below};
use tracing_core::subscriber::Interest;
use tracing_core::{LevelFilter, Metadata};
use tracing_subscriber::filter::Targets;

/// What is recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    targets: Targets,
    /// The highest level of any target.
    highest: LevelFilter,
    /// Tasks of which more is recorded.
    tasks: Vec<(TaskId, Level)>,
    /// The highest level of any task.
    raised: LevelFilter,
}

impl Table {
    /// `sets`: of the same target the last one counts. `headers`: the highest level of tasks that are not in `tasks`.
    pub(crate) fn new<'d>(
        sets: impl IntoIterator<Item = &'d Directives>,
        tasks: Vec<(TaskId, Level)>,
        headers: Level,
    ) -> Table {
        let directives = sets.into_iter().flat_map(Directives::iter);
        let levels: BTreeMap<Option<&str>, Level> = directives
            .map(|directive| (directive.target.as_deref(), directive.level))
            .collect();
        let highest = levels.values().copied().max().unwrap_or_default();
        let targets = levels
            .into_iter()
            .fold(Targets::new(), |targets, (target, level)| match target {
                Some(target) => targets.with_target(target, filter(level)),
                None => targets.with_default(filter(level)),
            });
        let raised = tasks.iter().map(|(_, level)| *level).max();
        Table {
            targets,
            highest: filter(highest),
            raised: filter(raised.unwrap_or_default().max(headers)),
            tasks,
        }
    }

    /// Whether callsites are to be asked again what they are worth, if this is in place of another one.
    pub(crate) fn concerns_callsites(&self, other: &Table) -> bool {
        (&self.targets, self.raised) != (&other.targets, other.raised)
    }

    /// What of a callsite is recorded: all, nothing, or of some tasks.
    pub(crate) fn interest(&self, metadata: &Metadata<'_>) -> Interest {
        if self.enables(metadata) {
            Interest::always()
        } else if self.may_raise(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    /// Whether it is recorded in every task.
    pub(crate) fn enables(&self, metadata: &Metadata<'_>) -> bool {
        self.targets
            .would_enable(metadata.target(), metadata.level())
    }

    /// Whether it is recorded in some task.
    pub(crate) fn may_raise(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.raised
    }

    /// No callsite above it is recorded.
    pub(crate) fn max_level(&self) -> LevelFilter {
        self.highest.max(self.raised)
    }

    /// Up to which level all of a task is recorded, if more is than elsewhere.
    pub(crate) fn level_of(&self, task: &TaskId) -> Option<Level> {
        let all = self.tasks.iter().filter(|(raised, _)| {
            raised.trace_id() == task.trace_id() && is_below(task.path(), raised.path())
        });
        all.map(|(_, level)| *level).max()
    }
}

/// A level as `tracing` has it.
pub(crate) fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sets: &[&str], tasks: &[(&str, Level)]) -> Table {
        let sets: Vec<Directives> = sets.iter().map(|set| set.parse().unwrap()).collect();
        let tasks = tasks
            .iter()
            .map(|(id, level)| (id.parse().unwrap(), *level));
        Table::new(&sets, tasks.collect(), Level::Off)
    }

    fn records(table: &Table, target: &str, level: tracing_core::Level) -> bool {
        table.targets.would_enable(target, &level)
    }

    #[test]
    fn of_the_same_target_the_last_set_counts() {
        let table = table(
            &["info,hyper=warn", "orders=debug,hyper=off", "orders=trace"],
            &[],
        );
        assert_eq!(table.max_level(), LevelFilter::TRACE);
        assert!(records(&table, "shop", tracing_core::Level::INFO));
        assert!(!records(&table, "shop", tracing_core::Level::DEBUG));
        assert!(records(&table, "orders::cart", tracing_core::Level::TRACE));
        assert!(!records(&table, "hyper", tracing_core::Level::ERROR));
    }

    #[test]
    fn a_task_and_all_below_it_are_raised() {
        const T: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
        let raised = format!("{T}/1/3");
        let table = table(&["info"], &[(&raised, Level::Debug), (T, Level::Info)]);
        let level = |id: &str| table.level_of(&id.parse().unwrap());
        assert_eq!(level(&format!("{T}/1/3.9f2c01ab/1")), Some(Level::Debug));
        assert_eq!(level(&format!("{T}/1/33")), Some(Level::Info));
        assert_eq!(level("e252a11f-d33d-483d-ba08-bc8f642b2f11/1/3"), None);
        assert_eq!(table.max_level(), LevelFilter::DEBUG);
    }
}
