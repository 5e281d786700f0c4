//! [`ExportSpool`]: exports in a file that survives the process.

use std::fmt;

use distlog_client::internal_log::{Reporter, log};
use distlog_proto::ProducerId;
use distlog_proto::session::Dropped;
use distlog_spool::{BatchSpool, Frame, SpoolDir, SpoolError};

use crate::receive::Batch;

/// The file, and a way to tell the user what is wrong with it: the SDK's exporters have no other.
#[derive(Debug)]
pub(super) struct ExportSpool {
    file: BatchSpool,
    reporter: Reporter,
}

impl ExportSpool {
    /// Makes the file of a producer.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub(super) fn create(dir: &SpoolDir, producer: ProducerId) -> Result<ExportSpool, SpoolError> {
        Ok(ExportSpool {
            file: dir.create_batches(producer)?,
            reporter: Reporter::default(),
        })
    }

    /// Appends the batches of an export. Returns whether they survive the process.
    pub(super) fn keep(&self, batches: &[Batch]) -> bool {
        let frames = batches.iter().map(|batch| Frame {
            from: batch.from,
            to: batch.to,
            bytes: &batch.bytes,
        });
        let kept = self.noted(self.file.append(frames)).is_some();
        if kept {
            self.reporter.recovered();
        }
        kept
    }

    /// The next epoch; `None` if it cannot be made durable.
    pub(super) fn next_epoch(&self) -> Option<u64> {
        self.noted(self.file.next_epoch())
    }

    /// Everything before `to` is durable in a daemon.
    pub(super) fn set_acked(&self, to: u64) {
        self.noted(self.file.set_acked(to));
    }

    /// So many records were dropped so far.
    pub(super) fn set_dropped(&self, dropped: &Dropped) {
        self.noted(self.file.set_dropped(dropped));
    }

    /// Sets a batch with the source alone.
    pub(super) fn set_source(&self, source: &[u8]) {
        self.noted(self.file.set_source(source));
    }

    /// Removes the file, unless something is left in it. Returns whether nothing is left.
    pub(super) fn finish(&self) -> bool {
        match self.file.remove() {
            Ok(true) => true,
            Ok(false) => {
                log(self);
                false
            }
            Err(error) => {
                log(error);
                true
            }
        }
    }

    fn noted<T>(&self, result: Result<T, SpoolError>) -> Option<T> {
        result.inspect_err(|error| self.reporter.report(error)).ok()
    }
}

/// What is left.
impl fmt::Display for ExportSpool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.file.path();
        let dir = path.parent().unwrap_or(path).display();
        write!(
            f,
            "{} has exports that no daemon has acknowledged: the next program with {dir} sends them, or `distlogd --drain \
             {dir}`",
            path.display()
        )
    }
}
