//! What happens when the ring is full: counting what is dropped, or waiting for room.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use distlog_proto::wire::encode::{Key, Scalar};
use distlog_proto::wire::field::record;
use distlog_proto::wire::put;

use crate::callsite::OWN;
use crate::encode;
use crate::field::FieldWriter;
use crate::level;
use crate::ring::{LEVELS, Ring};

/// How long a waiting caller sleeps before it looks for itself.
const LOOK: Duration = Duration::from_millis(5);

/// When records were dropped that nobody was told of yet, and who waits for room.
#[derive(Default)]
pub(crate) struct Losses {
    /// Time of the first, in nanoseconds since the Unix epoch; 0: none.
    first: AtomicU64,
    last: AtomicU64,
    waiting: AtomicUsize,
    lock: Mutex<()>,
    room: Condvar,
}

/// Records that were dropped, by level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Dropped {
    /// At level ERROR.
    pub error: u64,
    /// At level WARN.
    pub warn: u64,
    /// At level INFO.
    pub info: u64,
    /// At level DEBUG.
    pub debug: u64,
    /// At level TRACE.
    pub trace: u64,
}

impl Dropped {
    /// Of all levels.
    pub fn total(&self) -> u64 {
        self.error + self.warn + self.info + self.debug + self.trace
    }

    /// Since the ring began.
    pub(crate) fn of(ring: &Ring) -> Dropped {
        let [error, warn, info, debug, trace] = counts(ring);
        Dropped {
            error,
            warn,
            info,
            debug,
            trace,
        }
    }
}

fn counts(ring: &Ring) -> [u64; LEVELS] {
    ring.dropped()
        .each_ref()
        .map(|count| count.load(Ordering::Acquire))
}

impl Losses {
    /// Counts a record that was dropped.
    pub(crate) fn count(&self, ring: &Ring, level: usize, time: u64) {
        let _ = self
            .first
            .compare_exchange(0, time, Ordering::Relaxed, Ordering::Relaxed);
        self.last.fetch_max(time, Ordering::Relaxed);
        if let Some(count) = ring.dropped().get(level) {
            count.fetch_add(1, Ordering::Release);
        }
    }

    /// Waits until `attempt` succeeds, for `timeout` at most; says whether it did.
    pub(crate) fn wait(&self, timeout: Duration, mut attempt: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let done = loop {
            if attempt() {
                break true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            guard = self
                .room
                .wait_timeout(guard, left.min(LOOK))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        drop(guard);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// Tells those who wait that there is room.
    pub(crate) fn room(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.room.notify_all();
        }
    }
}

/// Puts records about losses into the stream.
#[derive(Default)]
pub(crate) struct Reporter {
    reported: [u64; LEVELS],
    record: Vec<u8>,
}

impl Reporter {
    /// Whether records were dropped that no report has told of.
    pub(crate) fn is_due(&self, ring: &Ring) -> bool {
        counts(ring) != self.reported
    }

    /// Writes a record with what was dropped since the last one, if there is room for it.
    pub(crate) fn report(&mut self, ring: &Ring, losses: &Losses, now: u64) {
        let counted = counts(ring);
        let mut since = counted;
        since
            .iter_mut()
            .zip(self.reported)
            .for_each(|(count, reported)| *count -= reported);
        let total: u64 = since.iter().sum();
        if total == 0 {
            return;
        }
        let first = losses.first.swap(0, Ordering::Relaxed);
        let last = losses.last.load(Ordering::Relaxed);

        let out = &mut self.record;
        out.clear();
        put::varint(out, record::CALLSITE, OWN.into());
        put::fixed64(out, record::TIME, now);
        encode::text(
            out,
            record::MESSAGE,
            usize::MAX,
            format_args!("lost {total} records"),
        );
        let mut fields = FieldWriter {
            out,
            number: record::FIELDS,
            limit: usize::MAX,
        };
        fields.scalar(Key::Name("lost.total"), Scalar::U64(total));
        for (name, count) in level::LOST.into_iter().zip(since) {
            fields.scalar(Key::Name(name), Scalar::U64(count));
        }
        fields.scalar(
            Key::Name("lost.from"),
            Scalar::U64(if first == 0 { last } else { first }),
        );
        fields.scalar(Key::Name("lost.to"), Scalar::U64(last));

        match ring.push(OWN, out) {
            Ok(_) => self.reported = counted,
            Err(_) => {
                let _ =
                    losses
                        .first
                        .compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }
}
