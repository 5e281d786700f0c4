//! The task tracker: follows the stream, knows which tasks are open, and says which are lost.
//!
//! `open.rs` is what it knows of open tasks; `recent.rs` the list of the newest top-level tasks. It is a consumer like a
//! processor, with a cursor that stands at the begin of the oldest open task, so that after a restart it knows them again.

mod open;
mod recent;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use distlog_proto::wire::RecordHeader;
use distlog_proto::{BatchRef, Kind, Outcome, Record, SpanId, TraceId};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

pub use recent::{Recent, Summary};

use crate::heard::{Heard, Over, Presence};
use crate::intake::now;
use crate::lookup::Numbered;
use crate::own::Own;
use crate::vital::Vital;
use distlog_store::{Batches, Cursor, CursorFile, CursorFileError, ReadError, Reader};
use open::{Open, OpenTasks};

const READ_BYTES: usize = 1 << 20;
/// How often it is looked whether a task is lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// After a restart the list of the newest tasks is made of so many records before the cursor.
const LOOK_BACK: u64 = 100_000;
/// So many ends are said at once.
const SAY: usize = 1000;
/// At most so many open tasks are followed, about 100 bytes each.
const MAX_OPEN: usize = 1 << 20;

/// Tasks cannot be followed.
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

/// What the tracker needs.
pub struct Needs {
    /// The stream.
    pub reader: Reader,
    /// Who was heard when.
    pub heard: Arc<Heard>,
    /// For the ends that nobody sent.
    pub own: Arc<Own>,
    /// A task is lost so long after its producer fell silent.
    pub lost_after: Duration,
    /// The list to keep.
    pub recent: Arc<Recent>,
    /// Set when the daemon stops.
    pub stop: Arc<AtomicBool>,
}

/// Follows tasks.
pub struct Tracker {
    needs: Needs,
    cursor: CursorFile,
    open: OpenTasks,
    /// Open tasks that are followed no longer, since there are too many.
    given_up: Counter,
    /// How many of them were not told yet.
    untold: u64,
    /// Number of the first record that counts; those before are only for the list of the newest tasks.
    begin: u64,
}

/// Why a task has an end that nobody sent.
#[derive(Clone, Copy)]
enum Why {
    /// A Python task may have none.
    Python,
    /// Its process has not been heard for so long.
    Silent(Duration),
    /// Its process is over.
    Over(Over),
}

/// A time to look, and how far the stream must be read for what was known then: that is known itself once all that had
/// come in by then is in the store, which takes long where the disk is full.
struct Look {
    asked: Instant,
    end: Arc<OnceLock<u64>>,
}

impl Look {
    fn ask(own: &Own, reader: &Reader) -> Look {
        // In this order: whoever was heard or over before is in the store before its end.
        let asked = Instant::now();
        let end = Arc::new(OnceLock::new());
        let (known, reader) = (Arc::clone(&end), reader.clone());
        own.after(Box::new(move || _ = known.set(reader.end())));
        Look { asked, end }
    }

    /// Whether the stream was read far enough.
    fn is_due(&self, position: u64) -> bool {
        self.end.get().is_some_and(|end| position >= *end)
    }
}

/// A task that has begun in the batch at hand.
struct Begun<'a> {
    ids: (TraceId, SpanId),
    /// See [`RecordHeader::run`].
    run: u64,
    /// Number in the store of its begin.
    number: u64,
    outline: RecordHeader<'a>,
    /// Time of its last record, in ns since the epoch.
    last: u64,
}

impl Tracker {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the cursor's file cannot be read, or the system gives no thread.
    pub fn start(
        needs: Needs,
        registry: &mut Registry,
        vital: &Vital,
    ) -> Result<JoinHandle<()>, StartError> {
        let tracker = Tracker::new(needs, registry)?;
        let pulse = vital.pulse("the task tracker");
        let thread = std::thread::Builder::new().name("tracker".into());
        let spawned = thread.spawn(move || {
            let _pulse = pulse;
            tracker.run();
        });
        spawned.map_err(StartError::Thread)
    }

    /// Reads the stream as far as it goes now, says which tasks are lost, and ends: where no daemon runs.
    ///
    /// # Errors
    /// If the cursor's file or the store cannot be read.
    pub fn once(needs: Needs) -> Result<(), StartError> {
        let mut tracker = Tracker::new(needs, &mut Registry::default())?;
        let (asked, reader) = (Instant::now(), tracker.needs.reader.clone());
        let end = reader.end();
        let (mut cursor, mut batches) = (reader.cursor(tracker.begin), Batches::new());
        while cursor.position() < end {
            tracker.read(&mut cursor, &mut batches)?;
        }
        tracker.look(asked);
        tracker.save(cursor.position());
        Ok(())
    }

    fn new(needs: Needs, registry: &mut Registry) -> Result<Tracker, StartError> {
        let cursor = needs.reader.cursor_file(".tracker")?;
        let begin = match cursor.load() {
            Ok(saved) => saved.map_or(0, |saved| saved.next),
            Err(CursorFileError::Damaged { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        let begin = begin.max(needs.reader.first()).min(needs.reader.end());
        let given_up = Counter::default();
        registry.register(
            "distlogd_tasks_not_followed",
            "Open tasks that are followed no longer, since too many are open: they are not said to be lost",
            given_up.clone(),
        );
        Ok(Tracker {
            begin,
            needs,
            cursor,
            open: OpenTasks::new(MAX_OPEN),
            given_up,
            untold: 0,
        })
    }

    fn run(mut self) {
        let reader = self.needs.reader.clone();
        let from = self.begin.saturating_sub(LOOK_BACK);
        let mut cursor = reader.cursor(from.max(reader.first()));
        let mut batches = Batches::new();
        let mut looked = Instant::now();
        // Other records come without end: what counts is where the store ended when it was time to look.
        let mut due: Option<Look> = None;
        let mut saved = Instant::now();
        while !self.needs.stop.load(Ordering::Acquire) {
            let patience = match due {
                Some(_) => LOOK_EVERY / 20,
                None => LOOK_EVERY,
            };
            reader.wait(cursor.position(), patience);
            if let Err(error) = self.read(&mut cursor, &mut batches) {
                tracing::warn!("tasks are not followed: {error}");
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            if looked.elapsed() >= LOOK_EVERY {
                let look = due.get_or_insert_with(|| Look::ask(&self.needs.own, &reader));
                if look.is_due(cursor.position()) {
                    let asked = look.asked;
                    self.look(asked);
                    (looked, due) = (Instant::now(), None);
                }
            }
            if saved.elapsed() >= SAVE_EVERY {
                saved = Instant::now();
                self.save(cursor.position());
                self.say_given_up();
            }
        }
        self.save(cursor.position());
        self.say_given_up();
    }

    fn save(&self, position: u64) {
        if let Err(error) = self
            .cursor
            .save(self.open.oldest().unwrap_or(position), &[])
        {
            tracing::warn!("{error}");
        }
    }

    fn say_given_up(&mut self) {
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            tracing::warn!(
                "more than {MAX_OPEN} tasks are open: the {untold} oldest are followed no longer, and will not be said to be lost"
            );
        }
    }

    /// Takes the next batches of the stream.
    fn read(&mut self, cursor: &mut Cursor, batches: &mut Batches) -> Result<(), ReadError> {
        cursor.next_batches(batches, READ_BYTES)?;
        for (head, bytes) in batches.iter() {
            if let Ok(batch) = BatchRef::parse(bytes) {
                self.take_batch(head.first, &batch);
            }
        }
        Ok(())
    }

    /// Takes the records of a batch, of which `first` is the number of the first.
    fn take_batch(&mut self, first: u64, batch: &BatchRef<'_>) {
        let now = Instant::now();
        // Most records are events, and most of them of the same task as the one before.
        let mut heard: Option<RecordHeader<'_>> = None;
        // Many tasks begin and end in one batch, a span that came by OTLP always: nobody needs to know more of them.
        let mut begun: Option<Begun<'_>> = None;
        // Nothing more is to be learned of this trace for the list.
        let mut listed: Option<TraceId> = None;
        for (number, outline) in (first..).zip(batch.headers()) {
            // Batches were checked when they came in.
            let Ok(outline) = outline else { continue };
            let Some(ids) = outline.task else { continue };
            if matches!(outline.kind, Kind::Event | Kind::Bind) {
                if number < self.begin {
                    continue;
                }
                if let Some(begun) = begun.as_mut().filter(|begun| begun.ids == ids) {
                    begun.last = begun.last.max(outline.time);
                    continue;
                }
                match &mut heard {
                    Some(last) if last.task == Some(ids) => last.time = outline.time.max(last.time),
                    _ => {
                        self.heard(heard.replace(outline), now);
                    }
                }
                continue;
            }
            let run = outline.run();
            self.heard(heard.take(), now);
            if outline.kind == Kind::Begin {
                let last = outline.time;
                let new = Begun {
                    ids,
                    run,
                    number,
                    outline,
                    last,
                };
                self.follow(begun.replace(new), now);
                if !outline.may_be_top && listed == Some(ids.0) {
                    continue;
                }
                if (outline.may_be_top || !self.needs.recent.has_root(ids.0))
                    && let Ok(record) = outline.read()
                    && let Some(task) = record.task
                {
                    self.needs.recent.begin(&record, &task, run);
                } else {
                    listed = Some(ids.0);
                }
            } else {
                let own = |begun: &mut Begun<'_>| {
                    begun.ids == ids && (run == 0 || begun.run == run || begun.run == 0)
                };
                if begun.take_if(own).is_none() {
                    let key = self.open.key(ids.0, ids.1, run);
                    self.open.remove(&key);
                }
                self.needs
                    .recent
                    .end(ids, run, outline.outcome, outline.duration);
            }
        }
        self.follow(begun, now);
        self.heard(heard, now);
    }

    /// Follows a task that has begun and not ended yet.
    fn follow(&mut self, begun: Option<Begun<'_>>, now: Instant) {
        let Some(begun) = begun.filter(|begun| begun.number >= self.begin) else {
            return;
        };
        if let Ok(record) = begun.outline.read() {
            let key = self.open.key(begun.ids.0, begun.ids.1, begun.run);
            let open = Open::new(begun.number, begun.run, &record);
            if self.open.insert(key, open, now) {
                self.given_up.inc();
                self.untold += 1;
            }
            self.open.heard(&key, begun.last, now);
        }
    }

    fn heard(&mut self, heard: Option<RecordHeader<'_>>, now: Instant) {
        let Some(outline) = heard else { return };
        let Some((trace_id, span_id)) = outline.task else {
            return;
        };
        let known = self.open.heard(&(trace_id, span_id, 0), outline.time, now);
        // A trace may have nothing but logs, or they come first.
        if !known
            && !self.needs.recent.is_known(trace_id)
            && let Ok(record) = outline.read()
        {
            self.needs.recent.log(trace_id, &record);
        }
    }

    /// Says of each task whose producer is over or silent that it is lost, and ends the Python tasks that have no end. All
    /// that was in the store at `asked` is known; what came since may be from those who seem silent or over.
    fn look(&mut self, asked: Instant) {
        let silent = self.needs.lost_after.saturating_add(asked.elapsed());
        let heard = &self.needs.heard;
        loop {
            let over = self.open.tell(SAY, Instant::now(), |open, quiet| {
                if open.python {
                    return (quiet >= silent).then_some(Why::Python);
                }
                match heard.presence(open.producer) {
                    Presence::Silent(time) => (time >= silent).then_some(Why::Silent(time)),
                    Presence::Over(how, since) => (since <= asked).then_some(Why::Over(how)),
                    Presence::Away => None,
                }
            });
            if over.is_empty() {
                return;
            }
            let mut numbered = Numbered::new(&self.needs.reader);
            let ends: Vec<Record> = over
                .into_iter()
                .map(|(key, open, why)| {
                    let begin = numbered.record(open.number).unwrap_or_default();
                    end(key, &open, why, begin)
                })
                .collect();
            self.needs.own.store(ends);
        }
    }
}

/// The end that nobody sent.
fn end((trace_id, span_id, _): open::Key, open: &Open, why: Why, begin: Record) -> Record {
    let (outcome, time, message) = match why {
        Why::Python => (Outcome::Unset, open.last, String::new()),
        Why::Silent(time) => {
            let message = format!("its process was not heard for {} s", time.as_secs());
            (Outcome::Lost, now(), message)
        }
        Why::Over(how) => (Outcome::Lost, now(), said(how).to_owned()),
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

fn said(how: Over) -> &'static str {
    match how {
        Over::Ended => "its process ended before the task did",
        Over::Died => "its process died before the task ended",
    }
}
