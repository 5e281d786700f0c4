//! Stores the spool of one dead process.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;

use distlog_proto::session::BatchHeader;
use distlog_proto::{BatchRef, ProducerId};
use distlog_spool::{Dead, SpoolError};

use crate::intake::{Closed, Intake, Stored};
use crate::liveness::{Liveness, ProducerEnd};
use crate::receiver::validate;
use crate::receivers::authorize::{Authorized, authorize};
use crate::self_telemetry::{ProducerDrops, ProducerInfo};
use crate::shutdown::{Phase, Shutdown};

/// Why a spool was not stored. It stays where it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ImportError {
    /// There is no such directory.
    #[error("there is no directory {}: no spool can be drained there", .0.display())]
    NoDirectory(PathBuf),
    /// The file, or its directory.
    #[error("{0}")]
    Spool(#[from] SpoolError),
    /// Its records cannot be stored.
    #[error("{}: {reason}: it stays where it is", .path.display())]
    Malformed {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its records are also being received in another way.
    #[error("{}: records of its producer are received at the same time: it is tried again later", .0.display())]
    Contested(PathBuf),
    /// The daemon stops, or its store is gone.
    #[error("the daemon stopped before all was stored: it is tried again at the next start")]
    Closed,
}

impl From<Closed> for ImportError {
    fn from(_: Closed) -> ImportError {
        ImportError::Closed
    }
}

/// A spool that was stored.
#[derive(Debug)]
pub(crate) struct Imported {
    producer: ProducerId,
    service: String,
    process_id: u64,
    /// How many records were stored.
    pub(super) records: u64,
    /// How many its process had dropped.
    dropped: u64,
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Imported {
            producer,
            service,
            process_id,
            records,
            dropped,
        } = self;
        let s = if *records == 1 { "" } else { "s" };
        write!(
            f,
            "{producer}, {service}, process {process_id}: {records} record{s}"
        )?;
        match dropped {
            0 => Ok(()),
            dropped => write!(f, "; it had dropped {dropped} for want of room"),
        }
    }
}

/// Stores spools.
#[derive(Debug)]
pub(crate) struct SpoolImporter {
    pub(crate) intake: Intake,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) drops: ProducerDrops,
    pub(crate) shutdown: Shutdown,
}

impl SpoolImporter {
    /// Stores the records of a spool, and removes it once all are durable.
    ///
    /// # Errors
    /// If not all could be stored. Those that were are not stored again at the next try.
    pub(crate) fn import(&self, mut dead: Dead) -> Result<Imported, ImportError> {
        let producer = dead.producer();
        let dropped = dead.dropped();
        let info = BatchRef::parse(dead.source()).map(|about| ProducerInfo::new(about.source()));
        self.drops
            .note(producer, &info.unwrap_or_default(), &dropped);
        if let Some(lost) = dead.lost() {
            tracing::warn!("{lost}");
        }
        let records = self.store(&dead)?;
        let imported = Imported {
            producer,
            service: dead.service().to_owned(),
            process_id: dead.process_id(),
            records,
            dropped: dropped.iter().fold(0, |sum: u64, n| sum.saturating_add(*n)),
        };
        self.liveness.note_end(producer, ProducerEnd::Died);
        // If the file cannot be removed, the next try need not read it all.
        let end = dead.end();
        dead.set_acked(end)?;
        dead.remove()?;
        Ok(imported)
    }

    /// Makes all records durable. Gives how many the store did not have yet.
    fn store(&self, dead: &Dead) -> Result<u64, ImportError> {
        let producer = dead.producer();
        let malformed = |reason: String| ImportError::Malformed {
            path: dead.path().to_owned(),
            reason,
        };
        let resume = self.resume_offset(producer, dead.acked())?;
        let (sender, answers) = channel();
        let mut submitted = 0;
        let mut records = 0;
        for left in dead.batches(resume) {
            if self.shutdown.reached(Phase::Receivers) {
                return Err(ImportError::Closed);
            }
            let header = BatchHeader {
                session: 0,
                from: left.from,
                to: left.to,
            };
            let Authorized {
                mut batch,
                left_out,
            } = authorize(header, producer, validate(left.bytes))
                .map_err(|refused| malformed(refused.detail.into()))?;
            if let Some(left_out) = left_out {
                tracing::warn!("{}: {left_out}", dead.path().display());
            }
            records += u64::from(batch.count);
            let answer = sender.clone();
            // The other end is gone once this has failed.
            batch.done = Some(Box::new(move |stored| _ = answer.send(stored)));
            self.intake.submit(batch)?;
            submitted += 1;
        }
        drop(sender);
        let mut durable = 0;
        for stored in answers {
            match stored {
                Stored::Durable => durable += 1,
                Stored::Gap { .. } => return Err(ImportError::Contested(dead.path().to_owned())),
                Stored::Refused => return Err(malformed("a batch cannot be stored".into())),
            }
        }
        // The store was closed before it answered for all.
        if durable < submitted {
            return Err(ImportError::Closed);
        }
        Ok(records)
    }

    /// The offset after the last one that the store has of a producer.
    fn resume_offset(&self, producer: ProducerId, acked: u64) -> Result<u64, ImportError> {
        let (sender, answer) = channel();
        let answer_with = Box::new(move |offset| _ = sender.send(offset));
        self.intake.resume_offset(producer, acked, answer_with)?;
        answer.recv().map_err(|_| ImportError::Closed)
    }
}
