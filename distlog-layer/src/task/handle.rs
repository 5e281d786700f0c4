//! [`Task`]: a handle on a span, with what a task can do beyond a span.

use std::error::Error;

use distlog_proto::trace_context::{NEW_TRACE, Outgoing};
use distlog_proto::wire::encode::Key;
use distlog_proto::wire::field::task;
use distlog_proto::{Link, Outcome, TaskId};
use serde::Serialize;
use tracing::Span;
use tracing_core::Dispatch;
use tracing_core::span::Id;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use crate::record::encode::{self, ERROR};
use crate::record::field::FieldWriter;
use crate::record::redact::Redact;
use crate::record::val::to_value;
use crate::send::producer::Producer;
use crate::task::bind::{add_fields, add_link};
use crate::task::end::{self, Done};
use crate::task::late;
use crate::task::layer::DistlogLayer;
use crate::task::local;
use crate::task::outcome::TaskOutcome;
use crate::task::outcome_state::OutcomePriority;
use crate::task::span::{SpanData, task_of};

/// A task: something a program wants to achieve, with a begin, an outcome and an end.
///
/// [`task!`](crate::task), [`to!`](crate::to) and [`import_task!`](crate::import_task) open one; it ends when the last
/// handle is dropped and its subtasks have ended. Every span of `tracing` is a task, too: `Task::from(span)`.
///
/// Where no [`DistlogLayer`] listens, or a filter disables the span, nothing of this does anything.
#[derive(Debug, Clone)]
#[must_use = "a task ends when its handle is dropped"]
pub struct Task {
    span: Span,
}

impl From<Span> for Task {
    fn from(span: Span) -> Task {
        Task { span }
    }
}

/// The current task of this thread: that of the current span.
pub fn current() -> Task {
    Task::from(Span::current())
}

/// Reserves a child of the current task for another process: its text is what the other gives to
/// [`import_task!`](crate::import_task). Outside any task it is one in a new trace.
pub fn get_foreign_task() -> TaskId {
    current().get_foreign_task()
}

/// Adds a field to the current task: see [`Task::bind`].
pub fn bind(name: &str, value: impl Serialize) {
    current().bind(name, value);
}

impl Task {
    /// The span that it is.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Its id; `None` if it is disabled.
    pub fn id(&self) -> Option<TaskId> {
        self.own(|_, span| Some(task_of(span)?.id().clone()))?
    }

    /// Reserves a child of it for another process: its text is what the other gives to
    /// [`import_task!`](crate::import_task).
    ///
    /// If this task is disabled, of the nearest above it that is not; if there is none, of the current task or in a new
    /// trace.
    pub fn get_foreign_task(&self) -> TaskId {
        self.nearest(|_, task| task.next_child())
            .unwrap_or_else(reserve_in_new_trace)
    }

    /// The values of the headers `traceparent` and `tracestate` that make the called service's task a child of this
    /// one. Each call reserves another child: call it once for each request.
    pub fn foreign_trace_context(&self) -> Outgoing {
        self.nearest(|layer, task| {
            Outgoing::raised(
                &task.next_child(),
                task.flags(),
                task.trace_state(),
                layer.raised_level(task),
            )
        })
        .unwrap_or_else(out_of_new_trace)
    }

    /// [`Task::foreign_trace_context`] as headers to add to a request.
    #[cfg(feature = "http")]
    pub fn foreign_headers(&self) -> http::HeaderMap {
        use distlog_proto::trace_context::{TRACEPARENT, TRACESTATE};
        use http::{HeaderName, HeaderValue};

        let Outgoing {
            traceparent,
            tracestate,
        } = self.foreign_trace_context();
        let mut headers = http::HeaderMap::with_capacity(2);
        for (name, value) in [(TRACEPARENT, Some(traceparent)), (TRACESTATE, tracestate)] {
            // Both consist of visible ASCII characters only.
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }

    /// Adds a field to it, whether or not a macro declared it; of the same name the last one counts.
    ///
    /// The value keeps its structure: strings, numbers, lists, maps, everything that implements `Serialize`.
    pub fn bind(&self, name: &str, value: impl Serialize) -> &Task {
        let value = to_value(&value);
        self.own(|producer, span| {
            add_fields(producer, span, |out, policy| {
                let is_hidden = policy.redaction.hides(name);
                let name = policy.text(name.to_owned());
                let name: String = name.chars().take(256).collect();
                let mut fields = FieldWriter {
                    out,
                    number: task::CONTEXT,
                    policy,
                };
                match value {
                    _ if is_hidden => fields.hidden(Key::Name(&name)),
                    Some(value) => fields.value(Key::Name(&name), &name, value),
                    None => fields.text(
                        Key::Name(&name),
                        format_args!("(a value that cannot be serialized)"),
                    ),
                }
            });
        });
        self
    }

    /// Links it to another task that it has to do with, but is no part of.
    pub fn link(&self, other: &TaskId) -> &Task {
        self.own(|producer, span| add_link(producer, span, &Link::from(other)));
        self
    }

    /// From now on its trace is recorded, though [`Builder::sample`](crate::Builder::sample) or its caller decided
    /// against it: everything in this process below the task by which it came here. The services that are called from
    /// now on learn it from their headers. What was logged before stays away, except for the begins of this task and of
    /// those above it.
    ///
    /// The field `distlog.force = true` of a span or event does the same.
    pub fn force(&self) -> &Task {
        self.own(|producer, span| {
            if let Some(task) = task_of(span) {
                late::force(producer, &task);
            }
        });
        self
    }

    /// It succeeded, whatever else happens.
    pub fn success(&self) -> &Task {
        self.decide(OutcomePriority::Said, Outcome::Success, Vec::new());
        self
    }

    /// It failed, whatever else happens. The error's causes ([`Error::source`]) are kept.
    pub fn fail(&self, error: &(dyn Error + 'static)) -> &Task {
        self.own(|producer, span| {
            let mut encoded = Vec::new();
            encode::error_of(&mut encoded, producer.policy(), ERROR, |out, policy| {
                encode::error(out, policy, error);
            });
            decide(span, OutcomePriority::Said, Outcome::Failed, encoded);
        });
        self
    }

    /// Runs `work` in it. If it gives `Err`, the task has failed.
    pub fn run<R: TaskOutcome>(&self, work: impl FnOnce() -> R) -> R {
        let result = self.span.in_scope(work);
        self.own(|producer, span| result_of(producer, span, &result));
        result
    }

    /// Runs `work` in it, whatever it results in.
    pub fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        self.span.in_scope(work)
    }

    /// Enters it: until the guard is dropped, it is the current task of this thread. Not across an `await`; there is
    /// [`InTask`](crate::FutureExt::in_task) for futures.
    pub fn enter(&self) -> tracing::span::Entered<'_> {
        self.span.enter()
    }

    /// Its work is done, with this result: it ends now, whatever still holds its span.
    pub(crate) fn finish(&self, result: &impl TaskOutcome) {
        self.own(|producer, span| {
            result_of(producer, span, result);
            end(producer, span);
        });
    }

    /// Its work was given up: it ends now.
    pub(crate) fn cancel(&self) {
        self.own(|producer, span| {
            if let Some(task) = task_of(span) {
                task.cancel();
            }
            end(producer, span);
        });
    }

    /// What it worked on failed.
    #[cfg(feature = "tower")]
    pub(crate) fn failed(&self, why: &str) {
        self.own(|producer, span| failed(producer, span, why));
    }

    fn decide(&self, priority: OutcomePriority, outcome: Outcome, error: Vec<u8>) {
        self.own(|_, span| decide(span, priority, outcome, error));
    }

    /// Runs `work` with this task's own span, if it is enabled.
    fn own<R>(&self, work: impl FnOnce(&Producer, &SpanRef<'_, Registry>) -> R) -> Option<R> {
        self.with_registry(|id, registry, dispatch| {
            let layer = dispatch.downcast_ref::<DistlogLayer>()?;
            let producer = layer.producer()?;
            let span = registry.span(id)?;
            let is_task = layer.task_of(&span).is_some();
            is_task.then(|| work(producer, &span))
        })?
    }

    /// Runs `work` with this task or the nearest above it that is enabled.
    fn nearest<R>(&self, work: impl Fn(&DistlogLayer, &SpanData) -> R) -> Option<R> {
        let current;
        let task = if self.span.is_disabled() {
            current = crate::task::current();
            &current
        } else {
            self
        };
        task.with_registry(|id, registry, dispatch| {
            let layer = dispatch.downcast_ref::<DistlogLayer>()?;
            registry
                .span(id)?
                .scope()
                .find_map(|span| layer.task_of(&span).map(|task| work(layer, &task)))
        })?
    }

    fn with_registry<R>(&self, work: impl FnOnce(&Id, &Registry, &Dispatch) -> R) -> Option<R> {
        self.span.with_subscriber(|(id, dispatch)| {
            Some(work(id, dispatch.downcast_ref::<Registry>()?, dispatch))
        })?
    }
}

fn decide(
    span: &SpanRef<'_, Registry>,
    priority: OutcomePriority,
    outcome: Outcome,
    error: Vec<u8>,
) {
    if let Some(task) = task_of(span) {
        task.judge(|state| state.give(priority, outcome, error));
    }
}

/// Notes the result of its work.
fn result_of(producer: &Producer, span: &SpanRef<'_, Registry>, result: &impl TaskOutcome) {
    match result.failure() {
        Some(failure) => failed(producer, span, &failure),
        None if result.is_success() => {
            if let Some(task) = task_of(span) {
                task.set_result(Ok(()));
            }
        }
        None => {}
    }
}

fn failed(producer: &Producer, span: &SpanRef<'_, Registry>, why: &str) {
    let mut encoded = Vec::new();
    encode::error_of(&mut encoded, producer.policy(), ERROR, |out, policy| {
        encode::error_text(out, policy, format_args!("{why}"));
    });
    if let Some(task) = task_of(span) {
        task.set_result(Err(encoded));
    }
}

/// Writes its end, unless it was written.
fn end(producer: &Producer, span: &SpanRef<'_, Registry>) {
    if let Some(task) = task_of(span) {
        local::with(producer, |local| {
            end::write(producer, local, &task, Done::Now)
        });
    }
}

/// The headers for the first child of a new trace, which the layer of this thread decides about.
fn out_of_new_trace() -> Outgoing {
    let reserved = reserve_in_new_trace();
    let decision = tracing_core::dispatcher::get_default(|dispatch| {
        let layer = dispatch.downcast_ref::<DistlogLayer>()?;
        Some(layer.sampler().begin(reserved.trace_id(), NEW_TRACE))
    });
    match decision {
        Some(decision) => {
            let trace_state = decision.trace_state.as_deref().unwrap_or_default();
            Outgoing::new(&reserved, decision.flags, trace_state)
        }
        None => Outgoing::new(&reserved, NEW_TRACE, ""),
    }
}

/// The first child of a new trace's top.
fn reserve_in_new_trace() -> TaskId {
    TaskId::random().child(std::num::NonZeroU64::MIN)
}
