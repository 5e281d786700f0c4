//! What the layer keeps with each span: the task it is. `span/start.rs` is how it begins; `span/withheld.rs` is about
//! those that are not sampled.

mod start;
mod withheld;

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use distlog_proto::trace_context::SAMPLED;
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
use crate::record::sampling::Decision;
use crate::send::producer::Producer;
use crate::task::offsets::Offsets;
use crate::task::outcome_state::{OutcomePriority, OutcomeState};

pub(crate) use self::start::SpanStart;
use self::start::Start;
pub(crate) use self::withheld::End;

/// Ids, a short message and a few fields: most tasks need no more memory than their own.
const INLINE: usize = 128;
/// What takes more than so many bytes beside is not kept for another task.
const SMALL: usize = 1024;

/// A task. An `Arc` of it is in the extensions of its span, and in the memory of threads that met it
/// ([`crate::task::span_cache`]).
pub(crate) struct SpanData {
    start: Start,
    /// The fields of `distlog.v1.Task`, context last: what each of its records carries. Then its message, encoded: the
    /// end repeats it, so that it can be understood alone. If its begin is withheld, all of the begin but the task, the
    /// message included.
    bytes: SmallVec<[u8; INLINE]>,
    progress: Progress,
    more: Mutex<Option<Box<More>>>,
}

/// What has become of a task since.
#[derive(Default)]
struct Progress {
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
    children: AtomicU64,
    records: AtomicU64,
    offsets: Offsets,
    /// When it was left last; [`Instant::ZERO`]: never.
    last_exit: Moment,
    /// When its work was done, if it ended without being written.
    done: Moment,
}

/// An instant that threads share; [`Instant::ZERO`] at first.
struct Moment(Atomic);

impl Moment {
    fn set(&self, instant: Instant) {
        self.0.store(instant, Ordering::Relaxed);
    }

    fn get(&self) -> Instant {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Moment {
    fn default() -> Moment {
        Moment(Atomic::new(Instant::ZERO))
    }
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

impl SpanData {
    /// `scratch`: a buffer that may be overwritten.
    pub(crate) fn new(beginning: SpanStart<'_>, scratch: &mut Vec<u8>) -> Arc<SpanData> {
        let (start, state) = Start::new(beginning, scratch);
        let progress = Progress::default();
        progress.state.store(state, Ordering::Relaxed);
        Arc::new(SpanData {
            start,
            bytes: SmallVec::from_slice(scratch),
            progress,
            more: Mutex::default(),
        })
    }

    /// Makes another task of one that is over, in its memory.
    pub(crate) fn reuse(&mut self, beginning: SpanStart<'_>, scratch: &mut Vec<u8>) {
        self.let_go();
        let state;
        (self.start, state) = Start::new(beginning, scratch);
        self.bytes.clear();
        self.bytes.extend_from_slice(scratch);
        self.progress = Progress::default();
        *self.progress.state.get_mut() = state;
        let more = self.more.get_mut();
        *more.unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether it takes hardly more memory than most.
    pub(crate) fn is_small(&self) -> bool {
        self.bytes.capacity() <= SMALL && !self.progress.has_more.load(Ordering::Relaxed)
    }

    pub(crate) fn id(&self) -> &TaskId {
        &self.start.id
    }

    pub(crate) fn site(&self) -> u32 {
        self.start.site
    }

    /// Place of its level in an array by level.
    pub(crate) fn level(&self) -> usize {
        self.start.level.into()
    }

    /// Of calls from it.
    pub(crate) fn flags(&self) -> u8 {
        match self.is_forced() {
            true => self.start.flags | SAMPLED,
            false => self.start.flags,
        }
    }

    pub(crate) fn trace_state(&self) -> &str {
        self.start.trace_state.as_deref().unwrap_or_default()
    }

    /// Where its records are in the stream.
    #[inline]
    pub(crate) fn offsets(&self) -> &Offsets {
        &self.progress.offsets
    }

    /// The task above ends behind this record.
    #[inline]
    pub(crate) fn hold_back_parent(&self, offset: Option<u64>, producer: &Producer) {
        if let Some(parent) = &self.start.parent {
            parent.progress.offsets.wrote(offset, producer);
        }
    }

    /// Whether this process began it, not one that it was forked from.
    pub(crate) fn is_of(&self, producer: u64) -> bool {
        self.start.producer == producer
    }

    /// Writes the task of a record, and that record's number among the task's.
    #[inline]
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put::varint(
            out,
            record::NUMBER,
            self.progress.records.fetch_add(1, Ordering::Relaxed),
        );
        if self.progress.has_more.load(Ordering::Acquire) || self.is_forced() {
            self.with_more(|more| {
                let context = more.context.as_deref();
                put::nested(out, record::TASK, |out| {
                    out.extend_from_slice(self.part(0, self.start.context));
                    if self.is_forced() {
                        // Of fields that stand twice the last one counts.
                        put::varint(out, task::FLAGS, self.flags().into());
                    }
                    out.extend_from_slice(context.unwrap_or(self.begun_context()));
                });
            });
        } else {
            put::bytes_always(out, record::TASK, self.part(0, self.start.tail));
        }
    }

    fn part(&self, from: u32, to: u32) -> &[u8] {
        self.bytes
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    /// The context that it began with.
    fn begun_context(&self) -> &[u8] {
        self.part(self.start.context, self.start.tail)
    }

    fn with_more<R>(&self, work: impl FnOnce(&mut More) -> R) -> R {
        let mut more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        work(more.get_or_insert_default())
    }

    /// The next child's id, not given to anybody else.
    pub(crate) fn next_child(&self) -> TaskId {
        let number = self.progress.children.fetch_add(1, Ordering::Relaxed) + 1;
        self.start
            .id
            .child(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// The place of a subtask that begins in this process.
    pub(crate) fn child_place(&self, producer: u64) -> SpanContext {
        let mut id = self.next_child();
        let mut unsampled = self.start.unsampled.clone();
        if !self.is_of(producer) {
            // Since the fork both processes count on from the same number.
            id = id.import();
            unsampled = unsampled.map(|unsampled| Arc::new(unsampled.forked()));
        }
        let decision = Decision {
            flags: self.flags(),
            trace_state: self.start.trace_state.clone(),
            unsampled,
        };
        SpanContext {
            raise: self.raise().cloned(),
            ..SpanContext::new(id, Some(self.start.id.span_id()), decision)
        }
    }

    /// More is recorded of it, since a caller says so.
    #[inline]
    pub(crate) fn raise(&self) -> Option<&Raise> {
        self.start.raise.as_ref().map(OpenRaise::raise)
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
        self.progress.has_more.store(true, Ordering::Release);
    }

    /// Its span is gone. From here on nobody finds the task by the span's id.
    pub(crate) fn close(&self) {
        let Some(raise) = &self.start.raise else {
            return self.progress.closed.store(true, Ordering::Release);
        };
        if !self.progress.closed.swap(true, Ordering::AcqRel) {
            raise.close();
        }
    }

    /// Whether its span is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.progress.closed.load(Ordering::Acquire)
    }

    /// A link to this task.
    pub(crate) fn link(&self) -> Link {
        let mut link = Link::from(&self.start.id);
        link.flags = self.flags().into();
        link
    }

    pub(crate) fn entered(&self) {
        if std::thread::panicking() {
            self.progress
                .entered_in_panic
                .store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn left(&self) -> LeftBy {
        self.progress.last_exit.set(Instant::now());
        if std::thread::panicking() && !self.progress.entered_in_panic.load(Ordering::Relaxed) {
            LeftBy::Panic
        } else {
            LeftBy::Itself
        }
    }

    /// When it was left last; `now` if it was never entered.
    pub(crate) fn left_last(&self, now: impl FnOnce() -> Instant) -> Instant {
        match self.progress.last_exit.get() {
            Instant::ZERO => now(),
            left => left,
        }
    }

    /// When it began.
    pub(crate) fn begun_at(&self) -> Instant {
        self.start.begin
    }

    /// Nanoseconds from its begin to the end of its work.
    fn duration(&self, done: Instant) -> u64 {
        // 0 would be left out of the record.
        (done.saturating_duration_since(self.start.begin).as_nanos() as u64).max(1)
    }

    /// Its work was given up.
    pub(crate) fn cancel(&self) {
        self.progress.went_well.store(false, Ordering::Relaxed);
        self.judge(|verdict| {
            verdict.give(OutcomePriority::Dropped, Outcome::Cancelled, Vec::new())
        });
    }

    /// Its work has a result: `Ok`, or an error, encoded.
    pub(crate) fn set_result(&self, result: Result<(), Vec<u8>>) {
        self.progress
            .went_well
            .store(result.is_ok(), Ordering::Relaxed);
        if let Err(error) = result {
            self.judge(|verdict| verdict.give(OutcomePriority::Result, Outcome::Failed, error));
        }
    }

    /// Changes what is known about its outcome.
    pub(crate) fn judge(&self, judge: impl FnOnce(&mut OutcomeState)) {
        self.with_more(|more| judge(more.verdict.get_or_insert_default()));
        self.progress.has_more.store(true, Ordering::Release);
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
        out.extend_from_slice(self.part(self.start.message.0, self.start.message.1));
        put::varint(out, record::DURATION, self.duration(done));
        let went_well = self.progress.went_well.load(Ordering::Relaxed);
        let judged = self.progress.has_more.load(Ordering::Acquire)
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
