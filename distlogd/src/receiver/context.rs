//! What every receiver is given at its start.

use std::sync::Arc;

use distlog_proto::wire::DecodeError;
use tokio::runtime::Handle;

use super::validate::{LeftOut, validate};
use crate::intake::{Batch, Closed, Intake};
use crate::levels::LevelTable;
use crate::liveness::Liveness;
use crate::self_telemetry::{Metrics, ProducerDrops, RejectedInput};
use crate::shutdown::{Phase, Shutdown};
use crate::supervisor::Supervisor;
use crate::thread_pool::ThreadPool;

/// The daemon as receivers see it: the way into the store, the telemetry, and when to stop. Clones share all.
#[derive(Debug, Clone)]
pub struct ReceiverContext {
    pub(crate) intake: Intake,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) metrics: Metrics,
    pub(crate) rejected: Arc<RejectedInput>,
    pub(crate) drops: ProducerDrops,
    pub(crate) levels: Arc<LevelTable>,
    /// They help where much is to be read at once.
    pub(crate) threads: Arc<ThreadPool>,
    pub(crate) supervisor: Supervisor,
    pub(crate) shutdown: Shutdown,
    /// The daemon's tokio runtime.
    pub(crate) runtime: Handle,
}

/// A batch was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It cannot be read.
    #[error("the batch cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// Nothing is taken any more.
    #[error("{0}")]
    ShuttingDown(#[from] Closed),
}

impl ReceiverContext {
    /// Stores a `distlog.v1.RecordBatch` without its malformed records; waits while too much is not yet durable.
    /// `receiver` names the receiver in the metrics. Gives what was left out.
    ///
    /// # Errors
    /// If nothing of it was taken.
    pub fn submit(
        &self,
        receiver: &'static str,
        batch: Vec<u8>,
    ) -> Result<Option<LeftOut>, SubmitError> {
        let validated = validate(batch)?;
        match validated.batch {
            Some(batch) => {
                self.accepted(receiver, "B", batch.count.into());
                self.submit_batch(batch)?;
            }
            // A batch without records is a sign of life.
            None if validated.producer.is_known() => self.liveness.note_seen(validated.producer),
            None => {}
        }
        if let Some(left_out) = &validated.left_out {
            self.refused(receiver, "B", left_out.records);
        }
        Ok(validated.left_out)
    }

    /// Whether the receiver is to stop: it takes nothing new, hands over what it has, and ends.
    pub fn is_stopping(&self) -> bool {
        self.shutdown.reached(Phase::Receivers)
    }

    /// Puts a batch into the intake's queue; waits while that is full.
    pub(crate) fn submit_batch(&self, batch: Batch) -> Result<(), Closed> {
        self.liveness.note_seen(batch.producer);
        self.intake.submit(batch)
    }

    /// Counts messages or requests of so many bytes together.
    pub(crate) fn received(
        &self,
        receiver: &'static str,
        encoding: &'static str,
        messages: u64,
        bytes: usize,
    ) {
        let labels = [receiver, encoding];
        self.metrics.receiver_messages.add(labels, messages);
        self.metrics.receiver_bytes.add(labels, bytes as u64);
    }

    pub(crate) fn accepted(&self, receiver: &'static str, encoding: &'static str, records: u64) {
        let labels = [receiver, encoding];
        self.metrics.receiver_accepted_records.add(labels, records);
    }

    pub(crate) fn refused(&self, receiver: &'static str, encoding: &'static str, records: u64) {
        let labels = [receiver, encoding];
        self.metrics.receiver_refused_records.add(labels, records);
    }
}
