//! The task tracker: follows the stream, knows which tasks are open, and says which are lost.
//!
//! `open.rs` is what it knows of open tasks; `recent.rs` the list of the newest top-level tasks. It is a consumer like a
//! processor, with a cursor that stands at the begin of the oldest open task, so that after a restart it knows them again.

mod open;
mod recent;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use distlog_proto::{BatchRef, Kind, Outcome, Record, RecordRef};

pub use recent::{Recent, Summary};

use crate::heard::Heard;
use crate::intake::now;
use crate::lookup::Numbered;
use crate::own::Own;
use crate::store::{Batches, CursorFile, CursorFileError, Reader};
use open::{Open, OpenTasks};

const READ_BYTES: usize = 1 << 20;
/// How often it is looked whether a task is lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// After a restart the list of the newest tasks is made of so many records before the cursor.
const LOOK_BACK: u64 = 100_000;
/// So many ends are said at once.
const SAY: usize = 1000;

/// Tasks cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cursor cannot be read.
    #[error("{0}")]
    Cursor(#[from] CursorFileError),
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    Thread(std::io::Error),
}

/// Follows tasks.
pub struct Tracker {
    reader: Reader,
    cursor: CursorFile,
    heard: Arc<Heard>,
    own: Arc<Own>,
    lost_after: Duration,
    recent: Arc<Recent>,
    stop: Arc<AtomicBool>,
    open: OpenTasks,
    /// Number of the first record that counts; those before are only for the list of the newest tasks.
    begin: u64,
}

impl Tracker {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the cursor's file cannot be read, or the system gives no thread.
    pub fn start(
        reader: Reader,
        heard: Arc<Heard>,
        own: Arc<Own>,
        lost_after: Duration,
        recent: Arc<Recent>,
        stop: Arc<AtomicBool>,
    ) -> Result<JoinHandle<()>, StartError> {
        let cursor = reader.cursor_file(".tracker")?;
        let begin = match cursor.load() {
            Ok(saved) => saved.map_or(0, |saved| saved.next),
            Err(CursorFileError::Damaged { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        let begin = begin.max(reader.first()).min(reader.end());
        let tracker = Tracker {
            begin,
            reader,
            cursor,
            heard,
            own,
            lost_after,
            recent,
            stop,
            open: OpenTasks::default(),
        };
        let thread = std::thread::Builder::new().name("tracker".into());
        let spawned = thread.spawn(move || tracker.run());
        spawned.map_err(StartError::Thread)
    }

    fn run(mut self) {
        let from = self.begin.saturating_sub(LOOK_BACK);
        let mut cursor = self.reader.cursor(from.max(self.reader.first()));
        let mut batches = Batches::new();
        let mut looked = Instant::now();
        // Where the store ended when it was time to look, and since when: other records come without end.
        let mut until: Option<(u64, Instant)> = None;
        let mut saved = Instant::now();
        while !self.stop.load(Ordering::Acquire) {
            self.reader.wait(cursor.position(), LOOK_EVERY);
            if let Err(error) = cursor.next_batches(&mut batches, READ_BYTES) {
                tracing::warn!("tasks are not followed: {error}");
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            for (head, bytes) in batches.iter() {
                let Ok(batch) = BatchRef::parse(bytes) else {
                    continue;
                };
                for (number, record) in (head.first..).zip(batch.records()) {
                    if let Ok(record) = record {
                        self.take(number, &record);
                    }
                }
            }
            if looked.elapsed() >= LOOK_EVERY {
                let (end, since) =
                    *until.get_or_insert_with(|| (self.reader.end(), Instant::now()));
                if cursor.position() >= end {
                    self.look(since.elapsed());
                    (looked, until) = (Instant::now(), None);
                }
            }
            if saved.elapsed() >= SAVE_EVERY {
                saved = Instant::now();
                self.save(cursor.position());
            }
        }
        self.save(cursor.position());
    }

    fn save(&self, position: u64) {
        if let Err(error) = self
            .cursor
            .save(self.open.oldest().unwrap_or(position), &[])
        {
            tracing::warn!("{error}");
        }
    }

    fn take(&mut self, number: u64, record: &RecordRef<'_>) {
        let Some(task) = record.task else { return };
        if number < self.begin {
            match record.kind {
                Kind::Begin => self.recent.begin(record, &task),
                Kind::End => self.recent.end(record, &task),
                Kind::Event | Kind::Bind => {}
            }
            return;
        }
        let key = (task.trace_id, task.span_id);
        match record.kind {
            Kind::Begin => {
                self.open.insert(key, Open::new(number, record));
                self.recent.begin(record, &task);
            }
            Kind::End => {
                self.open.remove(&key);
                self.recent.end(record, &task);
            }
            Kind::Event | Kind::Bind => self.open.heard(&key, record.time),
        }
    }

    /// Says of each task whose producer is silent that it is lost, and ends the Python tasks that have no end. `behind`
    /// is how old what we know is: what came since may be from those who seem silent.
    fn look(&mut self, behind: Duration) {
        let (heard, silent) = (&self.heard, self.lost_after.saturating_add(behind));
        loop {
            let over = self.open.tell_if(SAY, |open| {
                if open.python {
                    open.touched.elapsed() >= silent
                } else {
                    heard.silence(open.producer) >= silent
                }
            });
            if over.is_empty() {
                return;
            }
            let mut numbered = Numbered::new(&self.reader);
            let ends: Vec<Record> = over
                .into_iter()
                .map(|(key, open)| {
                    let begin = numbered.record(open.number).unwrap_or_default();
                    self.end(key, &open, begin)
                })
                .collect();
            self.own.store(ends);
        }
    }

    /// The end that nobody sent.
    fn end(&self, (trace_id, span_id): open::Key, open: &Open, begin: Record) -> Record {
        let outcome = if open.python {
            Outcome::Unset
        } else {
            Outcome::Lost
        };
        let message = match open.python {
            true => String::new(),
            false => format!(
                "its process was not heard for {} s",
                self.heard.silence(open.producer).as_secs()
            ),
        };
        Record {
            kind: Kind::End,
            outcome,
            status_message: message,
            time: if open.python { open.last } else { now() },
            duration: open.last.saturating_sub(open.begun),
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
}
