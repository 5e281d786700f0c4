//! What is known of a tree, and the names that conditions have for it.

use std::sync::Arc;

use cel::Value;
use distlog_proto::Severity;

use super::names::Type;

/// What is known of the records of one trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeSummary<'a> {
    /// Whether a task of it failed or was lost.
    pub failed: bool,
    /// Whether a task of it was lost.
    pub lost: bool,
    /// How long the root took, in nanoseconds; while that is not known, from the earliest to the latest record.
    pub duration: u64,
    /// The highest of its records.
    pub severity: Severity,
    /// The services that wrote it, each once, separated by zero bytes, which no name has.
    pub services: &'a str,
    /// How many it has.
    pub records: u64,
    /// How many tasks began in it.
    pub tasks: u64,
    /// What the root is called; empty while it has not come.
    pub name: &'a str,
    /// Whether the root has ended.
    pub root: bool,
}

/// A name that conditions have.
pub(super) struct Field {
    /// As it is written, without `tree.` and with it.
    pub(super) short: &'static str,
    pub(super) long: &'static str,
    pub(super) get: Get,
}

/// Its value.
#[derive(Clone, Copy)]
pub(super) enum Get {
    Flag(fn(&TreeSummary<'_>) -> bool),
    Number(fn(&TreeSummary<'_>) -> i64),
    /// In ns.
    Duration(fn(&TreeSummary<'_>) -> i64),
    Text(for<'t> fn(&'t TreeSummary<'_>) -> &'t str),
    /// Separated by zero bytes.
    Names(for<'t> fn(&'t TreeSummary<'_>) -> &'t str),
}

const fn named(short: &'static str, long: &'static str, get: Get) -> Field {
    Field { short, long, get }
}

/// All names.
pub(super) const FIELDS: [Field; 9] = [
    named("failed", "tree.failed", Get::Flag(|tree| tree.failed)),
    named("lost", "tree.lost", Get::Flag(|tree| tree.lost)),
    named(
        "duration",
        "tree.duration",
        Get::Duration(|tree| number(tree.duration)),
    ),
    named(
        "severity",
        "tree.severity",
        Get::Number(|tree| tree.severity.number().into()),
    ),
    named(
        "services",
        "tree.services",
        Get::Names(|tree| tree.services),
    ),
    named(
        "records",
        "tree.records",
        Get::Number(|tree| number(tree.records)),
    ),
    named(
        "tasks",
        "tree.tasks",
        Get::Number(|tree| number(tree.tasks)),
    ),
    named("name", "tree.name", Get::Text(|tree| tree.name)),
    named("root", "tree.root", Get::Flag(|tree| tree.root)),
];

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Finds a field by its name without `tree.`.
pub(super) fn find(field: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|known| known.short == field)
}

impl Field {
    /// The type of its value, for the checker.
    pub(super) fn kind(&self) -> Type {
        match self.get {
            Get::Flag(_) => Type::Bool,
            Get::Number(_) => Type::Number,
            Get::Duration(_) => Type::Duration,
            Get::Text(_) => Type::Str,
            Get::Names(_) => Type::List,
        }
    }

    /// What it is, for the interpreter.
    pub(super) fn value(&self, tree: &TreeSummary<'_>) -> Value {
        match self.get {
            Get::Flag(get) => Value::Bool(get(tree)),
            Get::Number(get) => Value::Int(get(tree)),
            Get::Duration(get) => Value::Duration(chrono::Duration::nanoseconds(get(tree))),
            Get::Text(get) => Value::String(Arc::new(get(tree).to_owned())),
            Get::Names(get) => {
                let names = get(tree).split('\0').filter(|name| !name.is_empty());
                let names = names.map(|name| Value::String(Arc::new(name.to_owned())));
                Value::List(Arc::new(names.collect()))
            }
        }
    }
}
