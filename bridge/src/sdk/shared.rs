//! [`Shared`]: what the exporters share with the thread that sends.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use distlog_client::Waker;
use distlog_proto::session::Dropped;
use distlog_proto::{ProducerId, wire::scan::DecodeError};
use distlog_spool::SpoolDir;
use futures_channel::oneshot;
use opentelemetry_sdk::error::OTelSdkError;

use super::connect_error::ConnectError;
use super::export_spool::ExportSpool;
use super::pending_export::PendingExport;
use super::settings::Settings;

/// Why an export failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum ExportError {
    #[error("the daemon did not acknowledge it within {0:?}")]
    Timeout(Duration),
    #[error("the daemon did not acknowledge it within {0:?}: {1}")]
    NoSession(Duration, String),
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

impl From<ExportError> for OTelSdkError {
    fn from(failure: ExportError) -> OTelSdkError {
        match failure {
            ExportError::Timeout(timeout) => OTelSdkError::Timeout(timeout),
            ExportError::Ended => OTelSdkError::AlreadyShutdown,
            failure => OTelSdkError::InternalFailure(format!("distlog: {failure}")),
        }
    }
}

/// Gets the result of an export.
pub(super) type Answer = oneshot::Sender<Result<(), ExportError>>;

/// Commands to the worker.
pub(super) enum Command {
    /// Sends it, and answers when it is durable; without an answer, it was given already.
    Send(PendingExport, Option<Answer>),
    /// Answers when everything before is durable or given up.
    Flush(SyncSender<()>),
    /// An exporter shuts down. After the last one the session and the worker end, by then.
    Shutdown(Instant, Option<SyncSender<()>>),
}

/// What the exporters share with the worker.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) producer: ProducerId,
    pub(super) settings: Settings,
    pub(super) spool: Option<ExportSpool>,
    pub(super) waker: Waker,
    /// Whether the worker has a session.
    pub(super) is_connected: AtomicBool,
    /// Bytes that are not acknowledged.
    pub(super) pending_bytes: AtomicUsize,
    /// A batch with the source alone; empty: not known yet.
    pub(super) source: Mutex<Vec<u8>>,
    dropped: [AtomicU64; 5],
    /// The next offset. Held until what has the offsets is with the thread, so that they come in order.
    pub(super) next_offset: Mutex<u64>,
}

impl Shared {
    /// # Errors
    /// If the system gives no pipe, or the directory of spools cannot be used.
    pub(super) fn new(
        producer: ProducerId,
        settings: Settings,
        dir: Option<&SpoolDir>,
    ) -> Result<Shared, ConnectError> {
        let waker = Waker::new()?;
        let spool = dir.map(|dir| ExportSpool::create(dir, producer));
        Ok(Shared {
            producer,
            settings,
            spool: spool.transpose()?,
            waker,
            is_connected: AtomicBool::new(false),
            pending_bytes: AtomicUsize::new(0),
            source: Mutex::default(),
            dropped: Default::default(),
            next_offset: Mutex::new(0),
        })
    }

    /// Records dropped so far, by level.
    pub(super) fn dropped(&self) -> Dropped {
        std::array::from_fn(|level| self.dropped[level].load(Ordering::Relaxed))
    }

    pub(super) fn count_dropped(&self, records: &Dropped) {
        for (sum, records) in self.dropped.iter().zip(records) {
            sum.fetch_add(*records, Ordering::Relaxed);
        }
        if let Some(spool) = &self.spool
            && records.iter().any(|records| *records > 0)
        {
            spool.set_dropped(&self.dropped());
        }
    }
}

/// Locks, also what a panic left.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
