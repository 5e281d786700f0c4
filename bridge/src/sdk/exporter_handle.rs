//! [`ExporterHandle`]: an exporter's end of the session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use distlog_proto::wire::scan::DecodeError;
use futures_channel::oneshot;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use super::pending_export::{PendingExport, levels};
use super::shared::{Answer, Command, ExportError, Shared, lock};
use crate::receive::{PartialSuccess, Take};

/// An exporter that is dropped does not wait; the worker gives what is on its way so long.
const DROP_LINGER: Duration = Duration::from_secs(1);

/// An exporter's end of the session.
#[derive(Debug)]
pub(super) struct ExporterHandle {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    is_shut_down: AtomicBool,
}

impl ExporterHandle {
    pub(super) fn new(shared: Arc<Shared>, commands: Sender<Command>) -> ExporterHandle {
        ExporterHandle {
            shared,
            commands,
            is_shut_down: AtomicBool::new(false),
        }
    }

    /// Sets the source: a `ResourceSpans` or `ResourceLogs` with nothing in it.
    pub(super) fn set_source(&self, group: &[u8]) {
        // One that is too large shows with the first export.
        if let Ok(source) = crate::receive::source(group, self.shared.producer) {
            if let Some(spool) = &self.shared.spool {
                spool.set_source(&source);
            }
            *lock(&self.shared.source) = source;
        }
    }

    /// Exports what `read` makes of a request.
    pub(super) async fn export(
        &self,
        read: impl FnOnce(&mut dyn Take) -> Result<PartialSuccess, DecodeError> + Send,
    ) -> OTelSdkResult {
        if self.is_shut_down.load(Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let (answer, answered) = oneshot::channel();
        let outcome = self.submit(read, answer)?;
        answered.await.map_err(|_| ExportError::Ended)??;
        match outcome.reason {
            None => Ok(()),
            Some(reason) => Err(ExportError::Refused {
                refused: outcome.refused,
                all: outcome.refused + outcome.accepted,
                reason: reason.to_string(),
            }
            .into()),
        }
    }

    fn submit(
        &self,
        read: impl FnOnce(&mut dyn Take) -> Result<PartialSuccess, DecodeError>,
        answer: Answer,
    ) -> Result<PartialSuccess, ExportError> {
        let shared = &self.shared;
        let deadline = Instant::now() + shared.settings.timeout;
        let mut next = lock(&shared.next_offset);
        let mut export = PendingExport::new(shared.producer, *next, deadline);
        let outcome = read(&mut export)?;
        // Of what level they were is not known.
        shared.count_dropped(&[0, 0, outcome.refused, 0, 0]);
        let bytes = export.bytes();
        let waiting = shared.pending_bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting + bytes > shared.settings.max_bytes {
            for batch in &export.batches {
                shared.count_dropped(&levels(&batch.bytes));
            }
            return Err(ExportError::Full(waiting));
        }
        *next = export.end().unwrap_or(*next);
        shared.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut answer = Some(answer);
        if shared
            .spool
            .as_ref()
            .is_some_and(|spool| spool.keep(&export.batches))
        {
            export.deadline = None;
            if let Some(answer) = answer.take() {
                let _ = answer.send(Ok(()));
            }
        }
        self.command(Command::Send(export, answer))?;
        Ok(outcome)
    }

    fn command(&self, command: Command) -> Result<(), ExportError> {
        self.commands
            .send(command)
            .map_err(|_| ExportError::Ended)?;
        self.shared.waker.wake();
        Ok(())
    }

    /// Waits until all that was exported before is durable or given up.
    pub(super) fn flush(&self) -> OTelSdkResult {
        let (answer, answered) = mpsc::sync_channel(1);
        self.command(Command::Flush(answer))?;
        wait(&answered, self.shared.settings.timeout)
    }

    /// Shuts down. The last exporter waits until the session has ended.
    pub(super) fn shutdown(&self, timeout: Duration) -> OTelSdkResult {
        if self.is_shut_down.swap(true, Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let (answer, answered) = mpsc::sync_channel(1);
        self.command(Command::Shutdown(Instant::now() + timeout, Some(answer)))?;
        wait(&answered, timeout)
    }
}

impl Drop for ExporterHandle {
    fn drop(&mut self) {
        if !self.is_shut_down.swap(true, Ordering::Relaxed) {
            let _ = self.command(Command::Shutdown(Instant::now() + DROP_LINGER, None));
        }
    }
}

/// Waits for an answer. A worker that has ended dropped the other end, which is as good.
fn wait(answered: &mpsc::Receiver<()>, timeout: Duration) -> OTelSdkResult {
    match answered.recv_timeout(timeout) {
        Err(RecvTimeoutError::Timeout) => Err(OTelSdkError::Timeout(timeout)),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
    }
}
