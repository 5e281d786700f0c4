//! The task tracker: reads all records, keeps the open tasks, and writes the ends of those that are lost.
//!
//! `open.rs` holds the open tasks, `producers.rs` who wrote records. The tracker is a consumer like a processor. Its
//! cursor stands at the begin of the oldest open task: after a restart it reads the open tasks again.

mod open;
mod producers;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use distlog_proto::wire::RecordHeader;
use distlog_proto::{BatchRef, Kind, Outcome, Record, SpanId, TraceId};

pub use producers::{Producer, Producers};

use crate::intake::now;
use crate::liveness::{Liveness, Presence, ProducerEnd};
use crate::look::Look;
use crate::self_telemetry::{Metrics, OwnRecords, RateLimited};
use crate::shutdown::{Phase, Shutdown};
use crate::supervisor::Supervisor;
use distlog_store::{Chunk, Consumer, CursorFileError, ReadError, Reader};
use open::{Open, OpenTasks};

const READ_BYTES: usize = 256 << 10;
/// How often it looks for lost tasks.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
const SAVE_INTERVAL: Duration = Duration::from_secs(5);
/// Records before the cursor that are read after a restart, to know who wrote them.
const REREAD_RECORDS: u64 = 100_000;
/// Ends in one batch.
const MAX_ENDS: usize = 1000;
/// Open tasks that are tracked, about 100 bytes each.
const MAX_OPEN_TASKS: usize = 1 << 20;
/// Evictions are reported at most once in this time.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// The tracker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cursor cannot be read.
    #[error("{0}")]
    Cursor(#[from] CursorFileError),
    /// The store cannot be read.
    #[error("{0}")]
    Read(#[from] ReadError),
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    Thread(std::io::Error),
}

/// How long a producer may be silent before its tasks are lost. Clones share it; a reload changes it.
#[derive(Debug, Clone)]
pub struct LostAfter(Arc<Mutex<Duration>>);

impl LostAfter {
    pub(crate) fn new(time: Duration) -> LostAfter {
        LostAfter(Arc::new(Mutex::new(time)))
    }

    pub(crate) fn set(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    fn get(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the tracker works with.
pub struct Needs {
    /// Reads the store.
    pub reader: Reader,
    /// When producers were last seen.
    pub liveness: Arc<Liveness>,
    /// Stores the ends of lost tasks.
    pub own_records: Arc<OwnRecords>,
    /// A task is lost when its producer sends nothing for this long.
    pub lost_after: LostAfter,
    /// Who wrote records.
    pub producers: Arc<Producers>,
    /// Counts evicted tasks.
    pub metrics: Metrics,
    /// The tracker ends at [`Phase::Workers`].
    pub shutdown: Shutdown,
}

/// Tracks open tasks.
pub struct Tracker {
    needs: Needs,
    open: OpenTasks,
    evictions: RateLimited,
    /// One line for a store that cannot be read, and one for a cursor that cannot be saved.
    unread: RateLimited,
    unsaved: RateLimited,
    /// Where the store ended when the tracker was made.
    stored_before: u64,
    /// Number of the first record that counts; those before only tell who wrote them.
    begin: u64,
}

/// Why the daemon ends a task.
#[derive(Clone, Copy)]
enum Why {
    /// A Python task may have no end.
    Python,
    /// Its process has sent nothing for this long.
    Silent(Duration),
    /// Its process has ended.
    Ended(ProducerEnd),
}

/// A task that has begun in the batch at hand.
struct Begun<'a> {
    ids: (TraceId, SpanId),
    /// See [`RecordHeader::run`].
    run: u64,
    /// Number in the store of its begin.
    number: u64,
    header: RecordHeader<'a>,
    /// Time of its last record, in ns since the epoch.
    last: u64,
}

impl Tracker {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the cursor's file cannot be read, or the system gives no thread.
    pub fn start(needs: Needs, supervisor: &Supervisor) -> Result<JoinHandle<()>, StartError> {
        let (tracker, consumer) = Tracker::new(needs)?;
        let watched = supervisor.watch("the task tracker");
        let thread = std::thread::Builder::new().name("tracker".into());
        let spawned = thread.spawn(move || {
            let _watched = watched;
            tracker.run(consumer);
        });
        spawned.map_err(StartError::Thread)
    }

    /// Reads the store to its end, ends the lost tasks, and returns: where no daemon runs.
    ///
    /// # Errors
    /// If the cursor's file or the store cannot be read.
    pub fn once(needs: Needs) -> Result<(), StartError> {
        let (mut tracker, mut consumer) = Tracker::new(needs)?;
        let (asked, end) = (Instant::now(), tracker.needs.reader.end());
        consumer.seek(tracker.begin);
        while consumer.position() < end {
            tracker.take(&consumer.read(READ_BYTES)?);
        }
        tracker.look(asked);
        tracker.save(&consumer);
        Ok(())
    }

    fn new(needs: Needs) -> Result<(Tracker, Consumer), StartError> {
        let consumer = needs.reader.consumer(".tracker")?;
        let begin = match consumer.saved() {
            Ok(saved) => saved.map_or(0, |saved| saved.next),
            Err(CursorFileError::Damaged { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        let begin = begin.max(needs.reader.first()).min(needs.reader.end());
        let tracker = Tracker {
            begin,
            stored_before: needs.reader.end(),
            needs,
            open: OpenTasks::new(MAX_OPEN_TASKS),
            evictions: RateLimited::new(1, REPORT_INTERVAL),
            unread: RateLimited::once(),
            unsaved: RateLimited::once(),
        };
        Ok((tracker, consumer))
    }

    fn run(mut self, mut consumer: Consumer) {
        let reader = self.needs.reader.clone();
        let from = self.begin.saturating_sub(REREAD_RECORDS);
        consumer.seek(from.max(reader.first()));
        let mut looked = Instant::now();
        // Other records come without end: what counts is where the store ended when it was time to look.
        let mut due: Option<Look> = None;
        let mut saved = Instant::now();
        while !self.needs.shutdown.reached(Phase::Workers) {
            let timeout = match due {
                Some(_) => CHECK_INTERVAL / 20,
                None => CHECK_INTERVAL,
            };
            consumer.wait(timeout);
            match consumer.read(READ_BYTES) {
                Ok(chunk) => {
                    self.unread.over();
                    self.take(&chunk);
                }
                Err(error) => {
                    if self.unread.report(1).is_some() {
                        tracing::warn!("tasks are not tracked: {error}");
                    }
                    std::thread::sleep(CHECK_INTERVAL);
                    continue;
                }
            }
            if looked.elapsed() >= CHECK_INTERVAL {
                let look = due.get_or_insert_with(|| Look::ask(&self.needs.own_records, &reader));
                if look.is_due(consumer.position()) {
                    let asked = look.asked();
                    self.look(asked);
                    (looked, due) = (Instant::now(), None);
                }
            }
            if saved.elapsed() >= SAVE_INTERVAL {
                saved = Instant::now();
                self.save(&consumer);
            }
        }
        self.save(&consumer);
    }

    fn save(&mut self, consumer: &Consumer) {
        let position = self.open.oldest().unwrap_or(consumer.position());
        match consumer.save(position, &[]) {
            Ok(_) => _ = self.unsaved.over(),
            Err(error) if self.unsaved.report(1).is_some() => tracing::warn!("{error}"),
            Err(_) => {}
        }
    }

    fn evicted(&mut self) {
        self.needs.metrics.tracker_evicted_tasks.inc();
        if let Some(suppressed) = self.evictions.report(1) {
            let evicted = suppressed + 1;
            tracing::warn!(
                "more than {MAX_OPEN_TASKS} tasks are open: the {evicted} oldest are no longer tracked, and not \
                 reported as lost"
            );
        }
    }

    fn take(&mut self, chunk: &Chunk<'_>) {
        for (head, batch) in chunk.batches() {
            let is_new = head.first >= self.stored_before;
            // A batch of which all was deleted does not say who sent it.
            if batch.source().producer.is_known() {
                self.needs.producers.note(head, batch.source(), is_new);
            }
            self.take_batch(head.first, &batch);
        }
    }

    /// Takes the records of a batch, of which `first` is the number of the first.
    fn take_batch(&mut self, first: u64, batch: &BatchRef<'_>) {
        let now = Instant::now();
        // Most records are events, and most of them of the same task as the one before.
        let mut touched: Option<RecordHeader<'_>> = None;
        // Many tasks begin and end in one batch, a span that came by OTLP always: they are never tracked.
        let mut begun: Option<Begun<'_>> = None;
        for (number, header) in (first..).zip(batch.headers()) {
            // Batches were checked when they came in.
            let Ok(header) = header else { continue };
            let Some(ids) = header.task else { continue };
            if matches!(header.kind, Kind::Event | Kind::Bind) {
                if number < self.begin {
                    continue;
                }
                if let Some(begun) = begun.as_mut().filter(|begun| begun.ids == ids) {
                    begun.last = begun.last.max(header.time);
                    continue;
                }
                match &mut touched {
                    Some(last) if last.task == Some(ids) => last.time = header.time.max(last.time),
                    _ => {
                        self.touch(touched.replace(header), now);
                    }
                }
                continue;
            }
            let run = header.run();
            self.touch(touched.take(), now);
            if header.kind == Kind::Begin {
                let last = header.time;
                let new = Begun {
                    ids,
                    run,
                    number,
                    header,
                    last,
                };
                self.follow(begun.replace(new), now);
            } else {
                let own = |begun: &mut Begun<'_>| {
                    begun.ids == ids && (run == 0 || begun.run == run || begun.run == 0)
                };
                if begun.take_if(own).is_none() {
                    let key = self.open.key(ids.0, ids.1, run);
                    self.open.remove(&key);
                }
            }
        }
        self.follow(begun, now);
        self.touch(touched, now);
    }

    /// Tracks a task that has begun and not ended yet.
    fn follow(&mut self, begun: Option<Begun<'_>>, now: Instant) {
        let Some(begun) = begun.filter(|begun| begun.number >= self.begin) else {
            return;
        };
        if let Ok(record) = begun.header.read() {
            let key = self.open.key(begun.ids.0, begun.ids.1, begun.run);
            let open = Open::new(begun.number, begun.run, &record);
            if self.open.insert(key, open, now) {
                self.evicted();
            }
            self.open.touch(&key, begun.last, now);
        }
    }

    fn touch(&mut self, header: Option<RecordHeader<'_>>, now: Instant) {
        let Some(header) = header else { return };
        let Some((trace_id, span_id)) = header.task else {
            return;
        };
        self.open.touch(&(trace_id, span_id, 0), header.time, now);
    }

    /// Ends each task whose producer has ended or is silent as lost, and each Python task that is silent. Everything
    /// that was received before `asked` has been read; a producer that seems silent may have sent something since.
    fn look(&mut self, asked: Instant) {
        let silent = self.needs.lost_after.get().saturating_add(asked.elapsed());
        let liveness = &self.needs.liveness;
        loop {
            let overdue = self.open.overdue(MAX_ENDS, Instant::now(), |open, quiet| {
                if open.python {
                    return (quiet >= silent).then_some(Why::Python);
                }
                match liveness.presence(open.producer) {
                    Presence::Silent(time) => (time >= silent).then_some(Why::Silent(time)),
                    Presence::Ended(end, at) => (at <= asked).then_some(Why::Ended(end)),
                    Presence::Moved => None,
                }
            });
            if overdue.is_empty() {
                return;
            }
            let mut begins = self.needs.reader.consumer_from(self.needs.reader.first());
            let first = self.needs.reader.first();
            let mut ends = Vec::new();
            for (key, open, why) in overdue {
                match begins.record(open.number) {
                    // Its begin was deleted, and nothing is to be said of it any more.
                    Ok(None) if open.number >= first => self.open.remove(&key),
                    begin => {
                        let begin = begin.ok().flatten().unwrap_or_default();
                        ends.push(end(key, &open, why, begin));
                    }
                }
            }
            self.needs.own_records.store(ends);
        }
    }
}

/// The end that the daemon writes.
fn end((trace_id, span_id, _): open::Key, open: &Open, why: Why, begin: Record) -> Record {
    let (outcome, time, message) = match why {
        Why::Python => (Outcome::Unset, open.last, String::new()),
        Why::Silent(time) => {
            let message = format!("its process sent nothing for {} s", time.as_secs());
            (Outcome::Lost, now(), message)
        }
        Why::Ended(end) => (Outcome::Lost, now(), reason(end).to_owned()),
    };
    Record {
        kind: Kind::End,
        outcome,
        status_message: message,
        time,
        duration: open.duration(),
        task: begin.task.or_else(|| open.task(trace_id, span_id)),
        ..Record {
            callsite: begin.callsite,
            name: begin.name,
            message: begin.message,
            source: begin.source,
            ..Record::default()
        }
    }
}

fn reason(end: ProducerEnd) -> &'static str {
    match end {
        ProducerEnd::Exited => "its process ended before the task did",
        ProducerEnd::Died => "its process died before the task ended",
    }
}
