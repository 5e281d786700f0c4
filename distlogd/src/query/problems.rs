//! What fails: errors and failed tasks, grouped by where they come from and what kind they are.
//!
//! A failure shows in several records: the error that was logged, the task that failed with it, the tasks above that
//! failed with it, too. Within a trace the same error counts once for all of them: as the record that was logged, else
//! as the end of the task that failed first.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::{Kind, RecordRef, TraceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Window};
use super::only::Only;
use super::scan::{Collect, Counters, Place};
use super::slots::Slots;
pub use super::slots::Times;
use super::{Engine, Filter, QueryError};
use crate::tree::{reason, service_of, template_of, without_numbers};

/// Groups that are kept.
const MAX_GROUPS: usize = 10_000;
/// Ids of a group.
const MAX_IDS: usize = 5;
/// Longest text, in characters; longer ones are cut.
const MAX_TEXT: usize = 300;
/// Errors and failed tasks that are told from each other, about 100 bytes each.
const MAX_FAILURES: usize = 200_000;

/// Failures of one kind from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "StoredProblem")]
pub struct Problem {
    /// The service.
    pub service: String,
    /// What the records have in common.
    pub template: String,
    /// The target of `tracing` or the logger.
    pub target: String,
    /// The place in the code, `FILE:LINE`; empty where it is not known.
    pub place: String,
    /// The type of the error, else `failed` or `lost` of tasks, else the severity.
    pub kind: String,
    /// Of an error without a type: what is said of it, with `#` for numbers and ids.
    pub error: String,
    /// How many.
    pub count: u64,
    /// In ns since the epoch.
    pub first_seen_ns: u64,
    /// In ns since the epoch.
    pub last_seen_ns: u64,
    /// When, in slots of time.
    #[serde(default)]
    pub times: Times,
    /// Ids of the newest tasks with it.
    pub ids: Vec<String>,
    /// The message of the newest.
    pub message: String,
}

/// A page of problems, the last seen first.
#[derive(Debug, Default)]
pub struct ProblemsPage {
    /// The problems.
    pub items: Vec<Problem>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
    /// Whether all records were looked at.
    pub complete: bool,
    /// Whether there were more groups, or more failures than can be told from each other.
    pub truncated: bool,
}

impl Engine {
    /// The problems of the records that pass, at most `limit`.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub async fn problems(
        &self,
        mut filter: Filter,
        cursor: Option<Cursor>,
        limit: usize,
        timeout: Duration,
        counters: &Arc<Counters>,
    ) -> Result<ProblemsPage, QueryError> {
        let whole = Window {
            numbers: 0..self.end().await?,
            ..Window::ALL
        };
        let first = cursor.and_then(|cursor| cursor.windows.into_iter().next());
        let window = first.unwrap_or(whole);
        // Of a group on an earlier page all records count.
        filter.window = Window {
            numbers: window.numbers.clone(),
            ..Window::ALL
        };
        filter.only = Only::Failures;
        let new = Problems::default;
        let mut running = self.begin(filter, timeout, counters, new).await?;
        let outcome = running.outcome().await?;
        let complete = outcome.looked_from <= window.numbers.start;
        let (groups, truncated) = outcome.found.finish();
        let mut left = groups
            .into_iter()
            .filter(|group| group.last < window.before);
        let shown: Vec<Group> = left.by_ref().take(limit).collect();
        let more = left.next().is_some();
        let next = shown.last().filter(|_| more).and_then(|last| {
            Cursor::over(vec![Window {
                numbers: window.numbers,
                before: last.last,
            }])
        });
        Ok(ProblemsPage {
            items: shown.into_iter().map(Group::problem).collect(),
            next,
            complete,
            truncated,
        })
    }
}

/// What tells groups from each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    service: String,
    template: String,
    target: String,
    place: String,
    kind: String,
    error: String,
}

/// The failures of a group.
#[derive(Debug, Clone)]
struct Group {
    key: Key,
    count: u64,
    first: u64,
    last: Place,
    times: Slots,
    /// The newest last.
    ids: BTreeSet<(Place, String)>,
    message: String,
}

/// The end of a task that failed.
struct FailedEnd {
    group: Group,
    trace_id: TraceId,
    /// Hashes of its error as it may be told elsewhere.
    errors: Vec<u64>,
}

/// Collects failures.
#[derive(Default)]
struct Problems {
    groups: HashMap<Key, Group>,
    /// Errors that were logged, by trace.
    logged: HashSet<(TraceId, u64)>,
    ends: Vec<FailedEnd>,
    truncated: bool,
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The error of a record in the words in which it may be told elsewhere.
fn errors(record: &RecordRef<'_>) -> Vec<u64> {
    let error = record.error();
    let of_error = error.map_or("", |error| error.message);
    let kind = match (of_error, record.status_message, record.kind) {
        ("", "", Kind::End) => error.map_or("", |error| error.kind),
        _ => "",
    };
    let message = if record.kind == Kind::End {
        ""
    } else {
        record.message
    };
    let texts = [of_error, record.status_message, message, kind];
    texts
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| hash(text))
        .collect()
}

impl Group {
    /// That of a single record.
    fn of(record: &RecordRef<'_>, place: Place) -> Group {
        let callsite = record.callsite;
        let is_end = record.kind == Kind::End;
        let template = if is_end {
            record.task_name().to_owned()
        } else {
            template_of(record)
        };
        let kind = match record.error().map(|error| error.kind) {
            Some(kind) if !kind.is_empty() => kind,
            _ if is_end => record.outcome.name(),
            _ => record.severity.name(),
        };
        let error = match record.error() {
            Some(error) if !error.kind.is_empty() => String::new(),
            _ => without_numbers(reason(record)),
        };
        let message = match reason(record) {
            "" => record.message,
            reason if is_end => reason,
            reason if record.message.is_empty() => reason,
            _ => record.message,
        };
        let id = record.task.map(|task| match task.path {
            "" => task.trace_id.to_string(),
            path => format!("{}/{path}", task.trace_id),
        });
        Group {
            key: Key {
                service: cut(service_of(record)),
                template: cut(&template),
                target: cut(callsite.target),
                place: match (callsite.file, callsite.line) {
                    ("", _) => String::new(),
                    (file, line) => format!("{}:{line}", cut(file)),
                },
                kind: cut(kind),
                error: cut(&error),
            },
            count: 1,
            first: place.time,
            last: place,
            times: Slots::of(place.time),
            ids: id.into_iter().map(|id| (place, id)).collect(),
            message: cut(message),
        }
    }

    fn merge(&mut self, other: Group) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        self.times.merge(other.times);
        if other.last > self.last {
            (self.last, self.message) = (other.last, other.message);
        }
        for (place, id) in other.ids {
            match self.ids.iter().find(|known| known.1 == id).cloned() {
                Some(known) if known.0 >= place => continue,
                Some(known) => _ = self.ids.remove(&known),
                None => {}
            }
            self.ids.insert((place, id));
        }
        while self.ids.len() > MAX_IDS {
            self.ids.pop_first();
        }
    }

    fn problem(self) -> Problem {
        Problem {
            service: self.key.service,
            template: self.key.template,
            target: self.key.target,
            place: self.key.place,
            kind: self.key.kind,
            error: self.key.error,
            count: self.count,
            first_seen_ns: self.first,
            last_seen_ns: self.last.time,
            times: self.times.times(),
            ids: self.ids.into_iter().rev().map(|(_, id)| id).collect(),
            message: self.message,
        }
    }
}

impl Problems {
    fn add(&mut self, group: Group) {
        if let Some(known) = self.groups.get_mut(&group.key) {
            known.merge(group);
        } else if self.groups.len() >= MAX_GROUPS {
            self.truncated = true;
        } else {
            self.groups.insert(group.key.clone(), group);
        }
    }

    fn end(&mut self, end: FailedEnd) {
        if self.ends.len() >= MAX_FAILURES {
            self.truncated = true;
            return self.add(end.group);
        }
        self.ends.push(end);
    }

    fn log(&mut self, error: (TraceId, u64)) {
        if self.logged.len() >= 2 * MAX_FAILURES {
            self.truncated = true;
        } else {
            self.logged.insert(error);
        }
    }

    /// The groups, the last seen first, and whether some are missing.
    fn finish(mut self) -> (Vec<Group>, bool) {
        let mut ends = std::mem::take(&mut self.ends);
        // That which failed first.
        ends.sort_unstable_by_key(|end| end.group.last);
        let mut told = std::mem::take(&mut self.logged);
        for end in ends {
            let known = |error: &u64| told.contains(&(end.trace_id, *error));
            let is_told = end.errors.iter().any(known);
            told.extend(end.errors.iter().map(|error| (end.trace_id, *error)));
            if !is_told {
                self.add(end.group);
            }
        }
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_unstable_by_key(|group| std::cmp::Reverse(group.last));
        (groups, self.truncated)
    }
}

impl Collect for Problems {
    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        // Only failures pass the filter.
        if record.kind == Kind::End {
            if let Some(task) = record.task {
                self.end(FailedEnd {
                    group: Group::of(record, place),
                    trace_id: task.trace_id,
                    errors: errors(record),
                });
            }
        } else {
            if let Some(task) = record.task {
                for error in errors(record) {
                    self.log((task.trace_id, error));
                }
            }
            self.add(Group::of(record, place));
        }
    }

    fn merge(&mut self, other: Problems) {
        self.truncated |= other.truncated;
        other.groups.into_values().for_each(|group| self.add(group));
        other.logged.into_iter().for_each(|error| self.log(error));
        other.ends.into_iter().for_each(|end| self.end(end));
    }
}
