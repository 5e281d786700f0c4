//! What the layer keeps with each span: the task it is.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use distlog_proto::wire::encode::TaskHead;
use distlog_proto::wire::field::{record, task};
use distlog_proto::wire::put;
use distlog_proto::{Link, Outcome, TaskId};
use fastant::{Atomic, Instant};

use crate::encode::{error_text, renumber};
use crate::import::Place;
use crate::verdict::{Ground, Verdict};

/// A task, in the extensions of its span.
pub(crate) struct SpanData {
    id: TaskId,
    /// Of the producer that wrote its `begin`.
    producer: u64,
    site: u32,
    /// The fields of `distlog.v1.Task`, context last: what each of its records carries.
    task: Vec<u8>,
    /// Its message, encoded: the end repeats it, so that it can be understood alone.
    message: Box<[u8]>,
    children: AtomicU64,
    records: AtomicU64,
    begin: Instant,
    last_exit: Atomic,
    /// It was entered while the thread was panicking, so that leaving it then says nothing.
    entered_in_panic: AtomicBool,
    flags: u8,
    trace_state: Option<Arc<str>>,
    /// `None`: nothing was heard of the outcome.
    verdict: Option<Box<Verdict>>,
}

impl SpanData {
    /// `message`: the field `message` of its `begin`, encoded. `context`: the task's fields, encoded with the number of
    /// `Task.context`.
    pub(crate) fn new(
        place: Place,
        producer: u64,
        site: u32,
        begin: Instant,
        message: &[u8],
        context: &[u8],
    ) -> SpanData {
        let Place {
            id,
            parent,
            flags,
            trace_state,
            ..
        } = place;
        let mut task = Vec::with_capacity(64 + context.len());
        let head = TaskHead::new(&id, flags, trace_state.as_deref().unwrap_or_default());
        TaskHead {
            parent_span_id: parent,
            ..head
        }
        .put(&mut task);
        task.extend_from_slice(context);
        SpanData {
            id,
            producer,
            site,
            task,
            message: message.into(),
            children: AtomicU64::new(0),
            records: AtomicU64::new(0),
            begin,
            last_exit: Atomic::new(Instant::ZERO),
            entered_in_panic: AtomicBool::new(false),
            flags,
            trace_state,
            verdict: None,
        }
    }

    pub(crate) fn id(&self) -> &TaskId {
        &self.id
    }

    pub(crate) fn site(&self) -> u32 {
        self.site
    }

    pub(crate) fn flags(&self) -> u8 {
        self.flags
    }

    pub(crate) fn trace_state(&self) -> &str {
        self.trace_state.as_deref().unwrap_or_default()
    }

    /// Whether this process began it, not one that it was forked from.
    pub(crate) fn is_of(&self, producer: u64) -> bool {
        self.producer == producer
    }

    /// Writes the task of a record, and that record's number among the task's.
    #[inline]
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put::varint(
            out,
            record::NUMBER,
            self.records.fetch_add(1, Ordering::Relaxed),
        );
        put::bytes_always(out, record::TASK, &self.task);
    }

    /// The next child's id, not given to anybody else.
    pub(crate) fn next_child(&self) -> TaskId {
        let number = self.children.fetch_add(1, Ordering::Relaxed) + 1;
        self.id
            .child(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// The place of a subtask that begins in this process.
    pub(crate) fn child_place(&self, producer: u64) -> Place {
        let mut id = self.next_child();
        if !self.is_of(producer) {
            // Since the fork both processes count on from the same number.
            id = id.import();
        }
        Place::new(
            id,
            Some(self.id.span_id()),
            self.flags,
            self.trace_state.clone(),
        )
    }

    /// Adds fields to its context, as far as the context stays below `limit` bytes.
    pub(crate) fn add_context(&mut self, context: &[u8], limit: usize) {
        if self.task.len() + context.len() <= limit {
            renumber(&mut self.task, context, task::CONTEXT);
        }
    }

    /// A link to this task.
    pub(crate) fn link(&self) -> Link {
        let mut link = Link::from(&self.id);
        link.flags = self.flags;
        link
    }

    pub(crate) fn entered(&self) {
        if std::thread::panicking() {
            self.entered_in_panic.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn left(&self) -> LeftBy {
        self.last_exit.store(Instant::now(), Ordering::Relaxed);
        if std::thread::panicking() && !self.entered_in_panic.load(Ordering::Relaxed) {
            LeftBy::Panic
        } else {
            LeftBy::Itself
        }
    }

    /// Nanoseconds from its begin to its last exit, or to now if it was never entered.
    fn duration(&self, now: Instant) -> u64 {
        let left = self.last_exit.load(Ordering::Relaxed);
        let end = if left == Instant::ZERO { now } else { left };
        // 0 would be left out of the record.
        (end.saturating_duration_since(self.begin).as_nanos() as u64).max(1)
    }

    /// What is known about its outcome, to be changed.
    pub(crate) fn verdict(&mut self) -> &mut Verdict {
        self.verdict.get_or_insert_default()
    }

    /// Notes the failure by a panic.
    pub(crate) fn panicked(&mut self) {
        let mut error = Vec::new();
        error_text(&mut error, usize::MAX, format_args!("panicked"));
        self.verdict().give(Ground::Panic, Outcome::Failed, error);
    }

    /// Writes its outcome and duration into the `end` record.
    pub(crate) fn put_end(&self, out: &mut Vec<u8>, now: Instant) {
        out.extend_from_slice(&self.message);
        put::varint(out, record::DURATION, self.duration(now));
        match &self.verdict {
            Some(verdict) => verdict.put(out),
            None => put::varint(out, record::OUTCOME, Outcome::Ok.number()),
        }
    }
}

/// How a span was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftBy {
    /// As spans are.
    Itself,
    /// By a panic that began in it.
    Panic,
}
