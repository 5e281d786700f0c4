//! What the layer keeps with each span: the task it is. `span/withheld.rs` is about those that are not sampled.

mod withheld;

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use distlog_proto::trace_context::SAMPLED;
use distlog_proto::wire::encode::TaskHead;
use distlog_proto::wire::field::{record, task};
use distlog_proto::wire::put;
use distlog_proto::{Link, Outcome, TaskId};
use fastant::{Atomic, Instant};
use smallvec::SmallVec;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::levels::{OpenRaise, Raise};
use crate::record::distinct;
use crate::record::encode::error_text;
use crate::record::redact::Policy;
use crate::record::remote_parent::SpanContext;
use crate::record::sampling::{Decision, Unsampled};
use crate::send::producer::Producer;
use crate::task::offsets::Offsets;
use crate::task::outcome_state::{OutcomePriority, OutcomeState};

pub(crate) use self::withheld::End;

/// Ids, a short message and a few fields: most tasks need no more memory than their own.
const INLINE: usize = 128;

/// A task. An `Arc` of it is in the extensions of its span, and in the memory of threads that met it
/// ([`crate::task::span_cache`]).
pub(crate) struct SpanData {
    id: TaskId,
    /// Of the producer that wrote its `begin`.
    producer: u64,
    site: u32,
    /// Place of its level in an array by level.
    level: u8,
    flags: u8,
    /// It was entered while the thread was panicking, so that leaving it then says nothing.
    entered_in_panic: AtomicBool,
    /// Its span is gone, so that another may have the span's id now.
    closed: AtomicBool,
    /// There is something in `more`.
    has_more: AtomicBool,
    /// Of the bits in [`withheld::state`].
    state: AtomicU8,
    /// The result of its work was `Ok`.
    went_well: AtomicBool,
    /// Where the context begins in `bytes`.
    context: u32,
    /// Where it ends.
    tail: u32,
    /// Where the message is in `bytes`.
    message: (u32, u32),
    /// The fields of `distlog.v1.Task`, context last: what each of its records carries. Then its message, encoded: the
    /// end repeats it, so that it can be understood alone. If its begin is withheld, all of the begin but the task, the
    /// message included.
    bytes: SmallVec<[u8; INLINE]>,
    children: AtomicU64,
    records: AtomicU64,
    offsets: Offsets,
    begin: Instant,
    last_exit: Atomic,
    trace_state: Option<Arc<str>>,
    /// Its trace is not sampled.
    unsampled: Option<Arc<Unsampled>>,
    /// More is recorded of it, since a caller says so.
    raise: Option<OpenRaise>,
    /// As [`SpanStart::parent`].
    parent: Option<Arc<SpanData>>,
    /// When its work was done, if it ended without being written.
    done: Atomic,
    more: Mutex<Option<Box<More>>>,
}

/// What few tasks have.
#[derive(Default)]
struct More {
    /// The context since fields were added; it stands for that in [`SpanData::bytes`]. Each name once.
    context: Option<Vec<u8>>,
    /// `None`: no outcome was set.
    verdict: Option<OutcomeState>,
    /// What was added beside context before its begin was written: fields of a record.
    withheld: Vec<u8>,
}

/// What a task is made of.
pub(crate) struct SpanStart<'a> {
    pub(crate) place: SpanContext,
    /// The task above in this process, if the trace is not sampled, or if its end could come before what this one
    /// writes ([`Producer::is_leasing`]).
    pub(crate) parent: Option<Arc<SpanData>>,
    /// The producer that writes its `begin`.
    pub(crate) producer: u64,
    pub(crate) site: u32,
    pub(crate) level: usize,
    pub(crate) time: Instant,
    /// Its `begin`, all but the task.
    pub(crate) record: &'a [u8],
    /// Where in it the message is, which the end repeats.
    pub(crate) message: Range<usize>,
    /// The task's fields, encoded with the number of `Task.context`.
    pub(crate) context: &'a [u8],
}

impl SpanData {
    /// `scratch`: a buffer that may be overwritten.
    pub(crate) fn new(beginning: SpanStart<'_>, scratch: &mut Vec<u8>) -> Arc<SpanData> {
        let SpanContext {
            id,
            parent,
            flags,
            trace_state,
            unsampled,
            raise,
            ..
        } = beginning.place;
        scratch.clear();
        let head = TaskHead::new(&id, flags, trace_state.as_deref().unwrap_or_default());
        TaskHead {
            parent_span_id: parent,
            ..head
        }
        .put(scratch);
        let is_withheld = unsampled
            .as_ref()
            .is_some_and(|unsampled| unsampled.withholds());
        let message = beginning.message;
        let (record, message) = match is_withheld {
            true => (beginning.record, message),
            false => {
                let record = beginning.record.get(message).unwrap_or_default();
                (record, 0..record.len())
            }
        };
        let context = scratch.len();
        let tail = context + beginning.context.len();
        let mut bytes = SmallVec::with_capacity(tail + record.len());
        for part in [scratch.as_slice(), beginning.context, record] {
            bytes.extend_from_slice(part);
        }
        Arc::new(SpanData {
            id,
            producer: beginning.producer,
            site: beginning.site,
            level: beginning.level as u8,
            flags,
            entered_in_panic: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            has_more: AtomicBool::new(false),
            state: AtomicU8::new(if is_withheld {
                0
            } else {
                withheld::state::BEGUN
            }),
            went_well: AtomicBool::new(false),
            context: context as u32,
            tail: tail as u32,
            message: ((tail + message.start) as u32, (tail + message.end) as u32),
            bytes,
            children: AtomicU64::new(0),
            records: AtomicU64::new(0),
            offsets: Offsets::default(),
            begin: beginning.time,
            last_exit: Atomic::new(Instant::ZERO),
            trace_state,
            unsampled,
            raise: raise.map(Raise::open),
            parent: beginning.parent,
            done: Atomic::new(Instant::ZERO),
            more: Mutex::default(),
        })
    }

    pub(crate) fn id(&self) -> &TaskId {
        &self.id
    }

    pub(crate) fn site(&self) -> u32 {
        self.site
    }

    /// Place of its level in an array by level.
    pub(crate) fn level(&self) -> usize {
        self.level.into()
    }

    /// Of calls from it.
    pub(crate) fn flags(&self) -> u8 {
        match self.is_forced() {
            true => self.flags | SAMPLED,
            false => self.flags,
        }
    }

    pub(crate) fn trace_state(&self) -> &str {
        self.trace_state.as_deref().unwrap_or_default()
    }

    /// Where its records are in the stream.
    #[inline]
    pub(crate) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// The task above ends behind this record.
    #[inline]
    pub(crate) fn hold_back_parent(&self, offset: Option<u64>, producer: &Producer) {
        if let Some(parent) = &self.parent {
            parent.offsets.wrote(offset, producer);
        }
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
        if self.has_more.load(Ordering::Acquire) || self.is_forced() {
            self.with_more(|more| {
                let context = more.context.as_deref();
                put::nested(out, record::TASK, |out| {
                    out.extend_from_slice(self.part(0, self.context));
                    if self.is_forced() {
                        // Of fields that stand twice the last one counts.
                        put::varint(out, task::FLAGS, self.flags().into());
                    }
                    out.extend_from_slice(context.unwrap_or(self.begun_context()));
                });
            });
        } else {
            put::bytes_always(out, record::TASK, self.part(0, self.tail));
        }
    }

    fn part(&self, from: u32, to: u32) -> &[u8] {
        self.bytes
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    /// The context that it began with.
    fn begun_context(&self) -> &[u8] {
        self.part(self.context, self.tail)
    }

    fn with_more<R>(&self, work: impl FnOnce(&mut More) -> R) -> R {
        let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        work(more.get_or_insert_default())
    }

    /// The next child's id, not given to anybody else.
    pub(crate) fn next_child(&self) -> TaskId {
        let number = self.children.fetch_add(1, Ordering::Relaxed) + 1;
        self.id
            .child(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// The place of a subtask that begins in this process.
    pub(crate) fn child_place(&self, producer: u64) -> SpanContext {
        let mut id = self.next_child();
        let mut unsampled = self.unsampled.clone();
        if !self.is_of(producer) {
            // Since the fork both processes count on from the same number.
            id = id.import();
            unsampled = unsampled.map(|unsampled| Arc::new(unsampled.forked()));
        }
        let decision = Decision {
            flags: self.flags(),
            trace_state: self.trace_state.clone(),
            unsampled,
        };
        SpanContext {
            raise: self.raise().cloned(),
            ..SpanContext::new(id, Some(self.id.span_id()), decision)
        }
    }

    /// More is recorded of it, since a caller says so.
    #[inline]
    pub(crate) fn raise(&self) -> Option<&Raise> {
        self.raise.as_ref().map(OpenRaise::raise)
    }

    /// Sets fields of its context, as far as the context stays below `limit` bytes. A name that was set before has the
    /// new value only.
    pub(crate) fn set_context(&self, fields: &[u8], limit: usize) {
        if fields.is_empty() {
            return;
        }
        self.with_more(|more| {
            let context = more
                .context
                .get_or_insert_with(|| self.begun_context().to_vec());
            distinct::set(context, fields, limit);
        });
        self.has_more.store(true, Ordering::Release);
    }

    /// Its span is gone. From here on nobody finds the task by the span's id.
    pub(crate) fn close(&self) {
        let was_closed = self.closed.swap(true, Ordering::AcqRel);
        if let Some(raise) = self.raise.as_ref().filter(|_| !was_closed) {
            raise.close();
        }
    }

    /// Whether its span is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A link to this task.
    pub(crate) fn link(&self) -> Link {
        let mut link = Link::from(&self.id);
        link.flags = self.flags().into();
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

    /// When it was left last; `now` if it was never entered.
    pub(crate) fn left_last(&self, now: impl FnOnce() -> Instant) -> Instant {
        match self.last_exit.load(Ordering::Relaxed) {
            Instant::ZERO => now(),
            left => left,
        }
    }

    /// When it began.
    pub(crate) fn begun_at(&self) -> Instant {
        self.begin
    }

    /// Nanoseconds from its begin to the end of its work.
    fn duration(&self, done: Instant) -> u64 {
        // 0 would be left out of the record.
        (done.saturating_duration_since(self.begin).as_nanos() as u64).max(1)
    }

    /// Its work was given up.
    pub(crate) fn cancel(&self) {
        self.went_well.store(false, Ordering::Relaxed);
        self.judge(|verdict| {
            verdict.give(OutcomePriority::Dropped, Outcome::Cancelled, Vec::new())
        });
    }

    /// Its work has a result: `Ok`, or an error, encoded.
    pub(crate) fn set_result(&self, result: Result<(), Vec<u8>>) {
        self.went_well.store(result.is_ok(), Ordering::Relaxed);
        if let Err(error) = result {
            self.judge(|verdict| verdict.give(OutcomePriority::Result, Outcome::Failed, error));
        }
    }

    /// Changes what is known about its outcome.
    pub(crate) fn judge(&self, judge: impl FnOnce(&mut OutcomeState)) {
        self.with_more(|more| judge(more.verdict.get_or_insert_default()));
        self.has_more.store(true, Ordering::Release);
    }

    /// Notes the failure by a panic.
    pub(crate) fn panicked(&self) {
        let mut error = Vec::new();
        error_text(
            &mut error,
            Policy::only(usize::MAX),
            format_args!("panicked"),
        );
        self.judge(|verdict| verdict.give(OutcomePriority::Panic, Outcome::Failed, error));
    }

    /// Writes its outcome and duration into the `end` record. `done`: when its work was done.
    pub(crate) fn put_end(&self, out: &mut Vec<u8>, done: Instant) {
        out.extend_from_slice(self.part(self.message.0, self.message.1));
        put::varint(out, record::DURATION, self.duration(done));
        let went_well = self.went_well.load(Ordering::Relaxed);
        let judged = self.has_more.load(Ordering::Acquire)
            && self.with_more(|more| match &more.verdict {
                Some(verdict) => {
                    verdict.put(out, went_well);
                    true
                }
                None => false,
            });
        if !judged {
            put::varint(out, record::OUTCOME, Outcome::Ok.number());
        }
    }
}

/// The task of a span.
pub(crate) fn task_of<'a, R: LookupSpan<'a>>(span: &SpanRef<'a, R>) -> Option<Arc<SpanData>> {
    span.extensions().get::<Arc<SpanData>>().map(Arc::clone)
}

/// How a span was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftBy {
    /// As spans are.
    Itself,
    /// By a panic that began in it.
    Panic,
}
