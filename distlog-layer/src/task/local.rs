//! What each thread keeps: buffers that are used again, its name and number, the callsites it met last.

use std::cell::Cell;

use distlog_proto::Kind;
use distlog_proto::wire::field::record;
use distlog_proto::wire::put;
use tracing_core::Metadata;

use crate::record::callsite::Site;
use crate::record::encode;
use crate::record::random::Random;
use crate::record::redact::Policy;
use crate::send::producer::Producer;
use crate::task::span_cache::SpanCache;
use crate::task::span_pool::SpanPool;

/// Callsites that a thread finds again without a lock; a power of two.
const CACHED: usize = 128;
/// A buffer that grew beyond this by one long record is given back, in bytes.
const MAX_KEPT_BYTES: usize = 64 * 1024;
/// Of a thread's name, in bytes.
const MAX_NAME: usize = 128;

/// A thread's own.
pub(crate) struct Local {
    /// The record being written.
    pub(crate) record: Vec<u8>,
    /// Fields of the task that begins or is added to.
    pub(crate) fields: Vec<u8>,
    /// What is needed for a moment.
    pub(crate) scratch: Vec<u8>,
    /// The tasks it met last.
    pub(crate) met: SpanCache,
    /// For those that begin.
    pub(crate) pool: SpanPool,
    /// The thread's part of each record; empty: not known yet.
    thread: Vec<u8>,
    /// Of its new traces.
    pub(crate) random: Random,
    /// The producer that the rest is about.
    producer: u64,
    callsites: [(usize, Site); CACHED],
}

thread_local! {
    static LOCAL: Cell<Option<Box<Local>>> = const { Cell::new(None) };
}

/// Runs `work` with this thread's buffers.
///
/// With new ones, where the thread's are in use (somebody logs while he is being logged) or gone (a destructor logs
/// while the thread ends).
pub(crate) fn with<R>(producer: &Producer, work: impl FnOnce(&mut Local) -> R) -> R {
    let mut local = LOCAL
        .try_with(Cell::take)
        .ok()
        .flatten()
        .unwrap_or_else(|| Box::new(Local::new()));
    if local.producer != producer.instance() {
        local.forget(producer.instance());
    }
    let result = work(&mut local);
    local.shrink();
    let _ = LOCAL.try_with(|slot| slot.set(Some(local)));
    result
}

impl Local {
    fn new() -> Local {
        let nothing = (
            0,
            Site {
                id: 0,
                is_log: false,
                repeats: false,
                is_named: false,
                may_force: false,
            },
        );
        Local {
            record: Vec::new(),
            fields: Vec::new(),
            scratch: Vec::new(),
            met: SpanCache::default(),
            pool: SpanPool::default(),
            thread: Vec::new(),
            random: Random::new(),
            producer: 0,
            callsites: [nothing; CACHED],
        }
    }

    /// Numbers of callsites and threads are another producer's, and after a fork two processes have the same generator.
    fn forget(&mut self, producer: u64) {
        *self = Local {
            producer,
            ..Local::new()
        };
    }

    fn shrink(&mut self) {
        for buffer in [&mut self.record, &mut self.fields, &mut self.scratch] {
            if buffer.capacity() > MAX_KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }

    /// The callsite of a span or event of this thread.
    pub(crate) fn site(
        &mut self,
        producer: &Producer,
        metadata: &'static Metadata<'static>,
        log: impl FnOnce() -> bool,
    ) -> Site {
        let place = std::ptr::from_ref(metadata) as usize;
        // Metadata are statics of some hundred bytes.
        let slot = &mut self.callsites[(place >> 4 ^ place >> 12) & (CACHED - 1)];
        if slot.0 != place {
            *slot = (place, producer.callsites().of(metadata, log));
        }
        slot.1
    }

    /// Begins a record: empties the buffer and writes what every record has.
    #[inline]
    pub(crate) fn begin(&mut self, kind: Kind, callsite: u32, time: u64) {
        if self.thread.is_empty() {
            describe_thread(&mut self.thread);
        }
        let out = &mut self.record;
        out.clear();
        put::varint(out, record::KIND, kind.number());
        put::varint(out, record::CALLSITE, callsite.into());
        put::fixed64(out, record::TIME, time);
        out.extend_from_slice(&self.thread);
    }
}

fn describe_thread(out: &mut Vec<u8>) {
    put::varint(out, record::THREAD_ID, thread_id());
    let thread = std::thread::current();
    encode::text(
        out,
        record::THREAD_NAME,
        Policy::only(MAX_NAME),
        format_args!("{}", thread.name().unwrap_or_default()),
    );
}

/// The number that the system's tools show.
#[cfg(target_os = "linux")]
fn thread_id() -> u64 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
        .into()
}

/// Threads in the order in which they began to log.
#[cfg(not(target_os = "linux"))]
fn thread_id() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
