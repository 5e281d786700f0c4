//! Which services there are, and the names of their spans.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::{Kind, RecordRef, SpanKind};
use distlog_store::BlockSummary;

use super::budget::{Budget, Held};
use super::only::Only;
use super::scan::{Collect, Place};
use super::{Engine, Filter, QueryError};

/// So many names are listed at most.
const MAX_NAMES: usize = 10_000;
/// After so many spans none of which had a new name a thread looks no further.
const ENOUGH: u64 = 200_000;
/// What a name takes beside its text, in bytes.
const NAME: usize = 64;
/// Where neither the service nor the process has a name.
const UNKNOWN: &str = "unknown_service";

/// The service of a record's source as its resource in OTLP says it; empty where it says none.
pub(super) fn otlp_service(record: &RecordRef<'_>) -> String {
    let source = record.source;
    match (source.service, source.process_name) {
        ("", _) if record.is_by_otlp() => String::new(),
        ("", "") => UNKNOWN.to_owned(),
        ("", process) => format!("{UNKNOWN}:{process}"),
        (service, _) => service.to_owned(),
    }
}

/// As filters name a service that OTLP names so.
pub(super) fn filtered_service(service: &str) -> String {
    let of_process = service.strip_prefix(UNKNOWN).map(|rest| {
        let process = rest.strip_prefix(':').unwrap_or(rest);
        process.to_owned()
    });
    of_process.unwrap_or_else(|| service.to_owned())
}

/// The kind of a span as its begin says it.
pub(super) fn kind_of(record: &RecordRef<'_>) -> SpanKind {
    match record.span_kind {
        SpanKind::Unset => SpanKind::Internal,
        kind => kind,
    }
}

fn with_begins() -> Filter {
    Filter {
        only: Only::WithBegins,
        ..Filter::default()
    }
}

impl Engine {
    /// The services that have spans, sorted: of the newest records that can be looked at within the time.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub async fn span_services(&self, timeout: Duration) -> Result<Vec<String>, QueryError> {
        let names = self.span_names(with_begins(), None, timeout).await?;
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    /// The names of the spans of a service, each with its kind, sorted: of the newest records that can be looked at
    /// within the time.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub async fn span_operations(
        &self,
        service: String,
        timeout: Duration,
    ) -> Result<Vec<(String, &'static str)>, QueryError> {
        let filter = Filter {
            service: Some(filtered_service(&service)),
            ..with_begins()
        };
        let names = self.span_names(filter, Some(service), timeout).await?;
        Ok(names.into_iter().collect())
    }

    async fn span_names(
        &self,
        filter: Filter,
        service: Option<String>,
        timeout: Duration,
    ) -> Result<BTreeSet<(String, &'static str)>, QueryError> {
        let budget = Arc::clone(&self.budget);
        let new = move || SpanNames::new(service.clone(), &budget);
        let mut running = self.begin(filter, timeout, &Arc::default(), new).await?;
        Ok(running.outcome().await?.found.names)
    }
}

/// Names of services or, of one service, of spans with their kinds.
struct SpanNames {
    service: Option<String>,
    names: BTreeSet<(String, &'static str)>,
    /// The last one that was added: mostly the next is the same.
    last: (String, &'static str),
    /// Spans since a name was new.
    since_new: u64,
    /// Older ones are not looked at.
    floor: u64,
    held: Held,
}

impl SpanNames {
    fn new(service: Option<String>, budget: &Arc<Budget>) -> SpanNames {
        SpanNames {
            service,
            names: BTreeSet::new(),
            last: Default::default(),
            since_new: 0,
            floor: 0,
            held: budget.hold(),
        }
    }

    fn add(&mut self, name: (String, &'static str)) {
        if !self.names.contains(&name)
            && self.names.len() < MAX_NAMES
            && self.held.grow(name.0.len() + NAME)
        {
            self.names.insert(name);
            self.since_new = 0;
        }
    }
}

impl Collect for SpanNames {
    const COUNTED: bool = false;

    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        if record.kind != Kind::Begin || record.task.is_none() {
            return;
        }
        let name = match &self.service {
            None => (otlp_service(record), ""),
            Some(service) if *service == otlp_service(record) => {
                (record.task_name().to_owned(), kind_of(record).name())
            }
            Some(_) => return,
        };
        self.since_new += 1;
        if self.since_new > ENOUGH {
            self.floor = self.floor.max(place.time);
        }
        if !name.0.is_empty() && name != self.last {
            self.add(name.clone());
            self.last = name;
        }
    }

    fn take_counts(&mut self, block: &BlockSummary, _: &Filter, _: &Range<u64>) -> bool {
        let is_known = |name: &str| self.names.contains(&(name.to_owned(), ""));
        self.service.is_none()
            && block
                .counts()
                .is_some_and(|mut counts| counts.all(|(name, ..)| is_known(name)))
    }

    fn merge(&mut self, other: SpanNames) {
        for name in other.names {
            self.add(name);
        }
    }

    fn enough(&self) -> u64 {
        self.floor
    }
}
