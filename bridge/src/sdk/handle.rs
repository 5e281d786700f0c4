//! What the exporters share with the thread that sends.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use distlog_proto::session::Dropped;
use distlog_proto::{ProducerId, wire::scan::DecodeError};
use futures_channel::oneshot;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use super::builder::Settings;
use super::parcel::{Parcel, levels};
use crate::receive::{Take, Verdict};

/// An exporter that is dropped leaves without waiting; the thread gives what is on its way so long.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Why an export failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    #[error("the daemon did not acknowledge it within {0:?}")]
    Timeout(Duration),
    #[error("the daemon did not acknowledge it within {0:?}: {1}")]
    Trouble(Duration, String),
    #[error("{0} bytes wait for the daemon already: is it running, is `max_bytes` enough?")]
    Full(usize),
    #[error("{refused} of {all} items cannot be taken: {reason}")]
    Refused {
        refused: u64,
        all: u64,
        reason: String,
    },
    #[error("the request cannot be read: {0}")]
    Unreadable(#[from] DecodeError),
    #[error("the exporters' thread has ended")]
    Ended,
}

impl From<Failure> for OTelSdkError {
    fn from(failure: Failure) -> OTelSdkError {
        match failure {
            Failure::Timeout(timeout) => OTelSdkError::Timeout(timeout),
            Failure::Ended => OTelSdkError::AlreadyShutdown,
            failure => OTelSdkError::InternalFailure(format!("distlog: {failure}")),
        }
    }
}

/// Says what became of an export.
pub(super) type Answer = oneshot::Sender<Result<(), Failure>>;

/// What the thread is told.
pub(super) enum Command {
    /// To send it, and say when it is durable.
    Send(Parcel, Answer),
    /// To say when all before is durable or given up.
    Flush(SyncSender<()>),
    /// An exporter is over. The last one's session ends by then, and the thread.
    Leave(Instant, Option<SyncSender<()>>),
}

/// What all exporters of a session and its thread know.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) producer: ProducerId,
    pub(super) settings: Settings,
    pub(super) waker: Waker,
    /// Bytes that wait.
    pub(super) waiting: AtomicUsize,
    /// A batch with the source alone; empty: not known yet.
    pub(super) about: Mutex<Vec<u8>>,
    dropped: [AtomicU64; 5],
    /// The next offset. Held until what has the offsets is with the thread, so that they come in order.
    order: Mutex<u64>,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> std::io::Result<Shared> {
        Ok(Shared {
            producer: ProducerId::random(),
            settings,
            waker: Waker::new()?,
            waiting: AtomicUsize::new(0),
            about: Mutex::default(),
            dropped: Default::default(),
            order: Mutex::new(0),
        })
    }

    /// Records that were dropped so far, by level.
    pub(super) fn dropped(&self) -> Dropped {
        std::array::from_fn(|level| self.dropped[level].load(Ordering::Relaxed))
    }

    pub(super) fn count_dropped(&self, records: &Dropped) {
        for (sum, records) in self.dropped.iter().zip(records) {
            sum.fetch_add(*records, Ordering::Relaxed);
        }
    }
}

/// An exporter's end.
#[derive(Debug)]
pub(super) struct Handle {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    is_over: AtomicBool,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>, commands: Sender<Command>) -> Handle {
        Handle {
            shared,
            commands,
            is_over: AtomicBool::new(false),
        }
    }

    /// Says who logs: a `ResourceSpans` or `ResourceLogs` with nothing in it.
    pub(super) fn set_source(&self, group: &[u8]) {
        // One that is too large shows with the first export.
        if let Ok(about) = crate::receive::source(group, self.shared.producer) {
            *lock(&self.shared.about) = about;
        }
    }

    /// Exports what `read` makes of a request.
    pub(super) async fn export(
        &self,
        read: impl FnOnce(&mut dyn Take) -> Result<Verdict, DecodeError> + Send,
    ) -> OTelSdkResult {
        if self.is_over.load(Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let (answer, answered) = oneshot::channel();
        let verdict = self.hand_over(read, answer)?;
        answered.await.map_err(|_| Failure::Ended)??;
        match verdict.reason {
            None => Ok(()),
            Some(reason) => Err(Failure::Refused {
                refused: verdict.refused,
                all: verdict.refused + verdict.accepted,
                reason: reason.to_string(),
            }
            .into()),
        }
    }

    fn hand_over(
        &self,
        read: impl FnOnce(&mut dyn Take) -> Result<Verdict, DecodeError>,
        answer: Answer,
    ) -> Result<Verdict, Failure> {
        let shared = &self.shared;
        let deadline = Instant::now() + shared.settings.timeout;
        let mut next = lock(&shared.order);
        let mut parcel = Parcel::new(shared.producer, *next, deadline);
        let verdict = read(&mut parcel)?;
        // Of what level they were is not known.
        shared.count_dropped(&[0, 0, verdict.refused, 0, 0]);
        let bytes = parcel.bytes();
        let waiting = shared.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting + bytes > shared.settings.max_bytes {
            for batch in &parcel.batches {
                shared.count_dropped(&levels(&batch.bytes));
            }
            return Err(Failure::Full(waiting));
        }
        *next = parcel.end().unwrap_or(*next);
        shared.waiting.fetch_add(bytes, Ordering::Relaxed);
        self.tell(Command::Send(parcel, answer))?;
        Ok(verdict)
    }

    fn tell(&self, command: Command) -> Result<(), Failure> {
        self.commands.send(command).map_err(|_| Failure::Ended)?;
        self.shared.waker.wake();
        Ok(())
    }

    /// Waits until all that was exported before is durable or given up.
    pub(super) fn flush(&self) -> OTelSdkResult {
        let (say, said) = mpsc::sync_channel(1);
        self.tell(Command::Flush(say))?;
        wait(&said, self.shared.settings.timeout)
    }

    /// Leaves. The last one to do so waits until the session has ended.
    pub(super) fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        if self.is_over.swap(true, Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let (say, said) = mpsc::sync_channel(1);
        self.tell(Command::Leave(Instant::now() + timeout, Some(say)))?;
        wait(&said, timeout)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.is_over.swap(true, Ordering::Relaxed) {
            let _ = self.tell(Command::Leave(Instant::now() + LAST_WORD, None));
        }
    }
}

/// Waits for a word. The thread drops `said`'s other end when it has ended, which is as good.
fn wait(said: &mpsc::Receiver<()>, timeout: Duration) -> OTelSdkResult {
    match said.recv_timeout(timeout) {
        Err(RecvTimeoutError::Timeout) => Err(OTelSdkError::Timeout(timeout)),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the thread's sleep: a pipe, so that it can sleep on its socket at the same time.
#[derive(Debug)]
pub(super) struct Waker {
    reader: PipeReader,
    writer: PipeWriter,
    /// There is a byte in the pipe, or about to be.
    is_used: AtomicBool,
}

impl Waker {
    fn new() -> std::io::Result<Waker> {
        let (reader, writer) = std::io::pipe()?;
        Ok(Waker {
            reader,
            writer,
            is_used: AtomicBool::new(false),
        })
    }

    fn wake(&self) {
        if !self.is_used.swap(true, Ordering::SeqCst) {
            let _ = (&self.writer).write(&[1]);
        }
    }

    /// The thread's: what becomes readable when it is woken.
    pub(super) fn descriptor(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// The thread's: it is awake, and looks at its commands after this.
    pub(super) fn clear(&self) {
        let _ = (&self.reader).read(&mut [0]);
        self.is_used.store(false, Ordering::SeqCst);
    }
}
