//! A layer of another tracing system beside ours, OpenTelemetry's: its ids are the tasks' ids.
//!
//! It stands before or behind ours in the subscriber, and may give a span its id, and take a parent for it, long after
//! the span was made. So a task begins *pending*: its `begin` is kept with the span until somebody needs its id, which
//! is at the first enter, event, child or use of its `Task`, or at its close.

use std::ops::Range;
use std::sync::Arc;

use distlog_proto::wire::encode;
use distlog_proto::{CallerSpan, ExternalSpan, ExternalSpanState, Link, TaskId};
use fastant::Instant;
use tracing_core::Dispatch;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::record::remote_parent::{SpanContext, carried};
use crate::record::sampling::{Decision, Sampler};
use crate::send::producer::Producer;
use crate::settings::ExternalSpanFn;
use crate::task::late;
use crate::task::offsets::BEHIND_ALL;
use crate::task::span::{SpanData, SpanStart};

/// A task with that many additions does not wait any longer.
const MAX_ADDITIONS: usize = 64;

/// A task without an id: what its `begin` will be. In the extensions of its span.
pub(crate) struct DeferredStart {
    /// Its place if the other layer does not know the span.
    pub(crate) place: SpanContext,
    /// As [`SpanStart::parent`].
    pub(crate) parent: Option<Arc<SpanData>>,
    /// Its trace is recorded, whatever was decided about it.
    pub(crate) is_forced: bool,
    /// The caller's span and trace are in `place`.
    pub(crate) is_import: bool,
    /// Of the process that made it.
    pub(crate) producer: u64,
    pub(crate) site: u32,
    pub(crate) level: usize,
    pub(crate) time: Instant,
    /// `begin`, all but the task.
    pub(crate) record: Vec<u8>,
    /// Where in it the message is.
    pub(crate) message: Range<usize>,
    /// As [`SpanStart::context`].
    pub(crate) context: Vec<u8>,
    pub(crate) status: Status,
    pub(crate) additions: Vec<PendingUpdate>,
}

/// A field and its text that say how a task went: `otel.status_code`, `otel.status_description`.
#[derive(Default)]
pub(crate) struct Status {
    pub(crate) ok: Option<bool>,
    pub(crate) description: Option<String>,
}

impl Status {
    /// Adds it to what is known of a task's outcome.
    pub(crate) fn set(self, task: &SpanData) {
        if self.ok.is_some() || self.description.is_some() {
            task.judge(|verdict| verdict.set_status(self.ok, self.description));
        }
    }
}

/// What was added to a task: a `bind` record.
pub(crate) struct PendingUpdate {
    /// All but the task.
    pub(crate) record: Vec<u8>,
    /// What in it is neither of every record nor context.
    pub(crate) added: Range<usize>,
    /// As [`SpanStart::context`].
    pub(crate) context: Vec<u8>,
    pub(crate) status: Status,
}

impl PendingUpdate {
    /// Writes it behind what the task has.
    pub(crate) fn submit(mut self, producer: &Producer, task: &SpanData) {
        self.status.set(task);
        late::add(producer, task, &mut self.record, self.added, &self.context);
    }
}

/// Keeps what is added to a pending task; gives it back if the task is not pending.
pub(crate) fn keep<'a, R: LookupSpan<'a>>(
    span: &SpanRef<'a, R>,
    addition: PendingUpdate,
) -> Option<PendingUpdate> {
    match span.extensions_mut().get_mut::<DeferredStart>() {
        Some(pending) => {
            pending.additions.push(addition);
            None
        }
        None => Some(addition),
    }
}

/// From when a pending task begins, its trace is recorded. `false` if the task is not pending.
pub(crate) fn force<'a, R: LookupSpan<'a>>(span: &SpanRef<'a, R>) -> bool {
    match span.extensions_mut().get_mut::<DeferredStart>() {
        Some(pending) => {
            pending.is_forced = true;
            true
        }
        None => false,
    }
}

/// Whether a task is pending and should not be any longer.
pub(crate) fn is_full<'a, R: LookupSpan<'a>>(span: &SpanRef<'a, R>) -> bool {
    let extensions = span.extensions();
    let pending = extensions.get::<DeferredStart>();
    pending.is_some_and(|pending| pending.additions.len() >= MAX_ADDITIONS)
}

/// Leaves a task's caller to the other layer.
pub(crate) fn name_caller<'a, R: LookupSpan<'a>>(span: &SpanRef<'a, R>, place: &SpanContext) {
    if let Some(span_id) = place.parent {
        let trace_state = place.trace_state.as_deref().unwrap_or_default();
        span.extensions_mut().replace(CallerSpan {
            trace_id: place.id.trace_id(),
            span_id,
            flags: place.flags,
            trace_state: trace_state.to_owned(),
        });
    }
}

/// The task of a span that was pending, which begins now if the other layer can say its id, or if this is the last time
/// to ask.
pub(crate) fn begin<'a, R: LookupSpan<'a>>(
    external_span: ExternalSpanFn,
    sampler: &Sampler,
    producer: &Producer,
    dispatch: &Dispatch,
    span: &SpanRef<'a, R>,
    is_last: bool,
) -> Option<Arc<SpanData>> {
    span.extensions().get::<DeferredStart>()?;
    // The other layer runs a program's code, and looks into the extensions.
    let external = match external_span(&span.id(), dispatch) {
        ExternalSpanState::Known(external) => Some(external),
        ExternalSpanState::Pending if !is_last => return None,
        ExternalSpanState::None | ExternalSpanState::Pending => None,
    };
    let mut extensions = span.extensions_mut();
    let Some(mut pending) = extensions.remove::<DeferredStart>() else {
        // Another thread was here in the meantime.
        return extensions.get_mut().map(|task| Arc::clone(task));
    };
    if let Some(external) = external {
        pending.take_ids_of(external, sampler);
    }
    let additions = std::mem::take(&mut pending.additions);
    let task = pending.begin(producer);
    extensions.replace(Arc::clone(&task));
    drop(extensions);
    if task.is_of(producer.instance()) {
        for addition in additions {
            addition.submit(producer, &task);
        }
    }
    Some(task)
}

impl DeferredStart {
    fn take_ids_of(&mut self, external: ExternalSpan, sampler: &Sampler) {
        let own = &self.place;
        if self.is_import
            && own.id.trace_id() != external.trace_id
            && let Some(parent) = own.parent
        {
            let caller = TaskId::anchor(own.id.trace_id(), parent);
            encode::link(&mut self.record, &Link::from(&caller));
        }
        let is_inside = self.parent.is_some() && own.id.trace_id() == external.trace_id;
        let trace_state = carried(&external.trace_state);
        let decision = sampler.beside(external.trace_id, external.flags, trace_state);
        let Decision {
            flags,
            trace_state,
            unsampled,
        } = decision;
        self.place.id = TaskId::anchor(external.trace_id, external.span_id);
        self.place.parent = external.parent_span_id;
        self.place.flags = flags;
        self.place.trace_state = trace_state;
        if !is_inside {
            // It has nothing in common with the tasks above it in this process, or nothing is above it.
            self.place.unsampled = unsampled;
            self.parent = None;
        }
    }

    /// Writes its `begin`, before anybody else knows the task.
    fn begin(mut self, producer: &Producer) -> Arc<SpanData> {
        if self.is_forced {
            self.place.force();
        }
        let beginning = SpanStart {
            place: self.place,
            parent: self.parent,
            producer: self.producer,
            site: self.site,
            level: self.level,
            time: self.time,
            record: &self.record,
            message: self.message,
            context: &self.context,
        };
        let task = SpanData::new(beginning, &mut Vec::new());
        self.status.set(&task);
        // In a forked process it is the parent's, which writes it.
        if task.is_of(producer.instance()) && task.has_begun() {
            late::begin_above(producer, &task);
            task.put(&mut self.record);
            let time = producer.clock().unix_nanos(self.time);
            let offset = producer.submit(BEHIND_ALL, self.site, self.level, time, &self.record);
            task.offsets().begun(offset);
        }
        task
    }
}
