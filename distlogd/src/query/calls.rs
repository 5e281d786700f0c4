//! Which service calls which: tasks of one below tasks of another.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::{Kind, RecordRef, SpanId, TraceId};

use super::only::Only;
use super::scan::{Collect, Place};
use super::span_names::otlp_service;
use super::{Engine, Filter, QueryError};

/// The newest tasks are looked at, so many: some 40 bytes each.
const MAX_TASKS: usize = 1 << 19;
/// Services that are told from each other.
const MAX_SERVICES: usize = 1000;

/// How often a service called another, or itself, by their names.
pub type Calls = BTreeMap<(String, String), u64>;

impl Engine {
    /// The calls of the newest tasks that began within some time: of those that can be looked at before it is over.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub async fn calls(&self, times: Range<u64>, timeout: Duration) -> Result<Calls, QueryError> {
        let filter = Filter {
            from: times.start,
            to: times.end,
            only: Only::WithBegins,
            ..Filter::default()
        };
        let most = MAX_TASKS / self.pool.threads().max(1);
        let new = move || Tasks::new(most);
        let mut running = self.begin(filter, timeout, &Arc::default(), new).await?;
        Ok(running.outcome().await?.found.calls())
    }
}

/// Tasks, and those above them.
struct Tasks {
    most: usize,
    services: Vec<String>,
    /// The service of each task, by a hash of its ids.
    tasks: HashMap<u64, u32>,
    /// The task above each, and its own service.
    below: Vec<(u64, u32)>,
    floor: u64,
}

fn key(trace_id: TraceId, span_id: SpanId) -> u64 {
    let mut hasher = DefaultHasher::new();
    (trace_id, span_id).hash(&mut hasher);
    hasher.finish()
}

impl Tasks {
    fn new(most: usize) -> Tasks {
        Tasks {
            most,
            services: Vec::new(),
            tasks: HashMap::new(),
            below: Vec::new(),
            floor: 0,
        }
    }

    fn service(&mut self, name: String) -> Option<u32> {
        let known = self.services.iter().position(|known| *known == name);
        let at = known.or_else(|| {
            (self.services.len() < MAX_SERVICES).then(|| {
                self.services.push(name);
                self.services.len() - 1
            })
        });
        u32::try_from(at?).ok()
    }

    fn calls(self) -> Calls {
        let mut counts: HashMap<(u32, u32), u64> = HashMap::new();
        for (above, service) in &self.below {
            if let Some(caller) = self.tasks.get(above) {
                *counts.entry((*caller, *service)).or_default() += 1;
            }
        }
        let name = |at: u32| self.services.get(at as usize).cloned().unwrap_or_default();
        let counts = counts.into_iter();
        counts
            .map(|((caller, called), count)| ((name(caller), name(called)), count))
            .collect()
    }
}

impl Collect for Tasks {
    const COUNTED: bool = false;

    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        let Some(task) = record.task.filter(|_| record.kind == Kind::Begin) else {
            return;
        };
        if self.tasks.len() >= self.most {
            self.floor = self.floor.max(place.time);
            return;
        }
        let Some(service) = self.service(otlp_service(record)) else {
            return;
        };
        self.tasks.insert(key(task.trace_id, task.span_id), service);
        if let Some(above) = task.parent_span_id {
            self.below.push((key(task.trace_id, above), service));
        }
    }

    fn merge(&mut self, other: Tasks) {
        let names = other.services.into_iter();
        let here: Vec<Option<u32>> = names.map(|name| self.service(name)).collect();
        let moved = |service: u32| here.get(service as usize).copied().flatten();
        let tasks = other.tasks.into_iter();
        self.tasks
            .extend(tasks.filter_map(|(task, service)| Some((task, moved(service)?))));
        let below = other.below.into_iter();
        self.below
            .extend(below.filter_map(|(above, service)| Some((above, moved(service)?))));
        self.floor = self.floor.max(other.floor);
    }

    fn enough(&self) -> u64 {
        self.floor
    }
}
