//! Finding traces by their spans: the newest that have a span which meets all conditions.
//!
//! The end of a task tells most of its span: service, name, times and, as a rule, all attributes. Attributes that only
//! other records of it have, as those of events, are looked for in these; in the end what was found is put together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use distlog_bridge::names;
use distlog_proto::wire::FieldsRef;
use distlog_proto::{Kind, Outcome, RecordRef, SpanId, TraceId, ValueRef};
use distlog_python::json::write_value;

use super::scan::{Collect, Place};
use super::span_names::{filtered_service, otlp_service};
use super::{Engine, Filter, QueryError};

/// Spans that are looked at are told from each other up to this number, by each thread.
const MAX_SPANS: usize = 50_000;
/// Whether a span failed is asked for by this attribute.
const ERROR: &str = "error";

/// What a span is to be. The default is any span.
#[derive(Debug, Clone, Default)]
pub struct SpanTest {
    /// Its service.
    pub service: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// It began no earlier and no later; in ns since the epoch.
    pub began: Option<(u64, u64)>,
    /// It took no less, in ns.
    pub shortest: Option<u64>,
    /// It took no longer, in ns.
    pub longest: Option<u64>,
    /// Attributes of it, its events, its scope or its resource, at most 64.
    pub attributes: Vec<(String, String)>,
}

impl SpanTest {
    /// Whether the span may pass that ends here, its attributes aside.
    fn passes(&self, end: &RecordRef<'_>) -> bool {
        if self
            .name
            .as_deref()
            .is_some_and(|name| name != end.task_name())
        {
            return false;
        }
        let Some(took) = end.took() else {
            return self.shortest.is_none() && self.longest.is_none();
        };
        let began = end.time.saturating_sub(took);
        self.shortest.is_none_or(|least| took >= least)
            && self.longest.is_none_or(|most| took <= most)
            && self
                .began
                .is_none_or(|(first, last)| (first..=last).contains(&began))
    }

    /// Which of the attributes a record has, a bit for each.
    fn attributes_of(&self, record: &RecordRef<'_>) -> u64 {
        let attributes = self.attributes.iter().take(64).enumerate();
        attributes.fold(0, |found, (bit, (name, value))| {
            found | u64::from(has(record, name, value)) << bit
        })
    }

    fn all_attributes(&self) -> u64 {
        match self.attributes.len() {
            0 => 0,
            len => u64::MAX >> 64_usize.saturating_sub(len),
        }
    }
}

fn has(record: &RecordRef<'_>, name: &str, value: &str) -> bool {
    if name == ERROR && matches!(value, "true" | "false") {
        let failed =
            record.status_code == 2 || matches!(record.outcome, Outcome::Failed | Outcome::Lost);
        return record.kind == Kind::End && failed == (value == "true");
    }
    let in_fields = |fields: FieldsRef<'_>| fields.get(name).is_some_and(|v| is_text(v, value));
    in_fields(record.fields)
        || record.task.is_some_and(|task| in_fields(task.context))
        || in_fields(record.source.resource)
        || record
            .otlp()
            .is_some_and(|otlp| in_fields(otlp.scope_attributes))
        || has_by_itself(record, name, value)
}

/// What the conversion to OTLP adds to records of distlog's own clients.
fn has_by_itself(record: &RecordRef<'_>, name: &str, value: &str) -> bool {
    let (source, callsite) = (record.source, record.callsite);
    match name {
        names::SERVICE_NAME => otlp_service(record) == value,
        names::HOST_NAME => source.host == value,
        names::PROCESS_PID => source.process_id.to_string() == value,
        names::PROCESS_EXECUTABLE_NAME => source.process_name == value,
        names::DEPLOYMENT_ENVIRONMENT_NAME => {
            !record.is_by_otlp() && source.environment.name() == value
        }
        names::THREAD_NAME => record.thread_name == value,
        names::CODE_FUNCTION_NAME => callsite.function == value,
        names::TARGET => record.kind == Kind::Event && callsite.target == value,
        names::LEVEL => record.kind == Kind::Event && record.severity.name() == value,
        names::DISTLOG_OUTCOME => record.kind == Kind::End && record.outcome.name() == value,
        names::DISTLOG_TASK => record.task.is_some_and(|task| task.to_string() == value),
        names::ERROR_TYPE | names::EXCEPTION_TYPE => {
            record.error().is_some_and(|error| error.kind == value)
        }
        _ => false,
    }
}

/// Whether a value is that text: as it is, else as JSON.
fn is_text(value: ValueRef<'_>, text: &str) -> bool {
    match value {
        ValueRef::Str(known) | ValueRef::Text(known) => known == text,
        value => {
            let mut json = Vec::new();
            write_value(&mut json, value);
            json == text.as_bytes()
        }
    }
}

impl Engine {
    /// The newest traces with a span that passes, at most `limit`, the newest first. Out of time, it gives what was
    /// found.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub async fn find_traces(
        &self,
        test: SpanTest,
        limit: usize,
        timeout: Duration,
    ) -> Result<Vec<TraceId>, QueryError> {
        let (first, last) = test.began.unwrap_or((0, u64::MAX));
        let latest_end = test.longest.map(|longest| last.saturating_add(longest));
        let filter = Filter {
            service: test.service.as_deref().map(filtered_service),
            from: first,
            to: latest_end.unwrap_or(u64::MAX).saturating_add(1),
            ..Filter::default()
        };
        let test = Arc::new(test);
        let new = move || Found::new(&test, limit);
        let mut running = self.begin(filter, timeout, &Arc::default(), new).await?;
        let newest = running.outcome().await?.found.newest_first();
        Ok(newest
            .into_iter()
            .take(limit)
            .map(|(_, trace)| trace)
            .collect())
    }
}

/// Spans that may pass, as far as they are known.
struct Found {
    test: Arc<SpanTest>,
    limit: usize,
    /// Of attributes nobody asks for, only the trace counts.
    spans: HashMap<(TraceId, Option<SpanId>), Known>,
    /// Older ones were forgotten.
    floor: u64,
}

#[derive(Clone, Copy, Default)]
struct Known {
    attributes: u64,
    /// When its end was, if that passes.
    ended: Option<u64>,
    /// Its newest record.
    newest: u64,
}

impl Found {
    fn new(test: &Arc<SpanTest>, limit: usize) -> Found {
        Found {
            test: Arc::clone(test),
            limit,
            spans: HashMap::new(),
            floor: 0,
        }
    }

    fn add(&mut self, key: (TraceId, Option<SpanId>), known: Known) {
        let span = self.spans.entry(key).or_default();
        span.attributes |= known.attributes;
        span.ended = span.ended.max(known.ended);
        span.newest = span.newest.max(known.newest);
        if self.spans.len() > MAX_SPANS {
            self.forget();
        }
    }

    /// Forgets the older half.
    fn forget(&mut self) {
        let mut times: Vec<u64> = self.spans.values().map(|span| span.newest).collect();
        let middle = times.len() / 2;
        let (_, floor, _) = times.select_nth_unstable(middle);
        self.floor = self.floor.max(*floor);
        let floor = self.floor;
        self.spans.retain(|_, span| span.newest > floor);
    }

    /// Of each trace that passes the newest end.
    fn passing(&self) -> HashMap<TraceId, u64> {
        let all = self.test.all_attributes();
        let mut traces = HashMap::new();
        for ((trace, _), span) in &self.spans {
            if let Some(ended) = span.ended
                && span.attributes == all
            {
                let newest = traces.entry(*trace).or_insert(ended);
                *newest = ended.max(*newest);
            }
        }
        traces
    }

    fn newest_first(&self) -> Vec<(u64, TraceId)> {
        let passing = self.passing().into_iter();
        let mut traces: Vec<(u64, TraceId)> =
            passing.map(|(trace, ended)| (ended, trace)).collect();
        traces.sort_unstable_by(|a, b| b.cmp(a));
        traces
    }
}

impl Collect for Found {
    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        let Some(task) = &record.task else { return };
        let is_end = record.kind == Kind::End;
        let by_trace = self.test.attributes.is_empty();
        if by_trace && !is_end {
            return;
        }
        let other = |service: &String| *service != otlp_service(record);
        if self.test.service.as_ref().is_some_and(other) {
            return;
        }
        let attributes = self.test.attributes_of(record);
        let passes = is_end && self.test.passes(record);
        // What has ended in another way than is asked for is not looked for any further.
        if (is_end && !passes) || (!is_end && attributes == 0) {
            return;
        }
        let key = (task.trace_id, (!by_trace).then_some(task.span_id));
        self.add(
            key,
            Known {
                attributes,
                ended: passes.then_some(place.time),
                newest: place.time,
            },
        );
    }

    fn merge(&mut self, other: Found) {
        self.floor = self.floor.max(other.floor);
        for (key, known) in other.spans {
            self.add(key, known);
        }
    }

    fn enough(&self) -> u64 {
        if self.spans.len() < self.limit {
            return self.floor;
        }
        let mut ends: Vec<u64> = self.passing().into_values().collect();
        match ends.len().checked_sub(self.limit) {
            None => self.floor,
            Some(older) => {
                let (_, oldest, _) = ends.select_nth_unstable(older);
                self.floor.max(*oldest)
            }
        }
    }
}
