//! Takes the spool of one dead process.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use distlog_proto::session::BatchHeader;
use distlog_proto::{BatchRef, ProducerId};
use distlog_spool::{Dead, SpoolError};

use crate::doors::{Fitting, fit};
use crate::heard::{Heard, Over};
use crate::intake::{Closed, Intake, Stored};
use crate::losses::{Losses, Whose};

/// Why a spool was not taken. It stays where it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// There is no such directory.
    #[error("there is no directory {}: nothing can be drained there", .0.display())]
    NoDirectory(PathBuf),
    /// The file, or its directory.
    #[error("{0}")]
    Spool(#[from] SpoolError),
    /// Its records cannot be stored.
    #[error("{}: {reason}: it stays where it is", .path.display())]
    Unfit {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Its records come another way at the same time.
    #[error("{}: others bring records of its producer at the same time: it is looked at again later", .0.display())]
    Contested(PathBuf),
    /// The daemon stops, or its store is gone.
    #[error("the daemon stopped before all was stored: it is taken at the next start")]
    Closed,
}

impl From<Closed> for TakeError {
    fn from(_: Closed) -> TakeError {
        TakeError::Closed
    }
}

/// A spool that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Who wrote it.
    pub producer: ProducerId,
    /// The service that it was.
    pub service: String,
    /// The id that its process had.
    pub process_id: u64,
    /// How many records were stored.
    pub records: u64,
    /// How many it had dropped before.
    pub lost: u64,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Taken {
            producer,
            service,
            process_id,
            records,
            lost,
        } = self;
        let s = if *records == 1 { "" } else { "s" };
        write!(
            f,
            "{producer}, {service}, process {process_id}: {records} record{s}"
        )?;
        match lost {
            0 => Ok(()),
            lost => write!(f, "; it had dropped {lost} for want of room"),
        }
    }
}

/// Where what is taken goes.
#[derive(Debug, Clone)]
pub struct Store {
    /// To the store.
    pub intake: Intake,
    /// Where it is noted that a producer is over.
    pub heard: Arc<Heard>,
    /// Where it is noted what it dropped.
    pub losses: Losses,
    /// Set when no more is to be taken.
    pub stop: Arc<AtomicBool>,
}

impl Store {
    /// Stores what is in a spool, and removes it once all is durable.
    ///
    /// # Errors
    /// If not all could be stored. What was is not stored again the next time.
    pub fn take(&self, mut dead: Dead) -> Result<Taken, TakeError> {
        let producer = dead.producer();
        let dropped = dead.dropped();
        let about = BatchRef::parse(dead.source()).map(|about| Whose::new(about.source()));
        self.losses
            .note(producer, &about.unwrap_or_default(), &dropped);
        let records = self.store(&dead)?;
        let taken = Taken {
            producer,
            service: dead.service().to_owned(),
            process_id: dead.process_id(),
            records,
            lost: dropped.iter().fold(0, |sum: u64, n| sum.saturating_add(*n)),
        };
        self.heard.over(producer, Over::Died);
        // Should it not be removable: whoever takes it next need not read it all.
        let end = dead.end();
        dead.set_acked(end)?;
        dead.remove()?;
        Ok(taken)
    }

    /// Makes all records durable; gives how many the store did not have yet.
    fn store(&self, dead: &Dead) -> Result<u64, TakeError> {
        let producer = dead.producer();
        let unfit = |reason: String| TakeError::Unfit {
            path: dead.path().to_owned(),
            reason,
        };
        let stood = self.stands(producer, dead.acked())?;
        let (sender, answers) = channel();
        let mut submitted = 0;
        let mut records = 0;
        for left in dead.batches(stood) {
            if self.stop.load(Ordering::Acquire) {
                return Err(TakeError::Closed);
            }
            let header = BatchHeader {
                session: 0,
                from: left.from,
                to: left.to,
            };
            let Fitting { mut batch, bad } = fit(header, producer, left.bytes)
                .map_err(|refused| unfit(refused.detail.into()))?;
            if let Some((count, error)) = bad {
                tracing::warn!(
                    "{}: {count} records were left out: {error}",
                    dead.path().display()
                );
            }
            records += u64::from(batch.count);
            let answer = sender.clone();
            // Nobody asks any more if this one has given up.
            batch.done = Some(Box::new(move |stored| _ = answer.send(stored)));
            self.intake.submit(batch)?;
            submitted += 1;
        }
        drop(sender);
        let mut durable = 0;
        for stored in answers {
            match stored {
                Stored::Durable => durable += 1,
                Stored::Gap { .. } => return Err(TakeError::Contested(dead.path().to_owned())),
                Stored::Refused => return Err(unfit("a batch cannot be stored".into())),
            }
        }
        // Who is not answered was not stored: the store is closed.
        if durable < submitted {
            return Err(TakeError::Closed);
        }
        Ok(records)
    }

    /// Where a producer stands in the store.
    fn stands(&self, producer: ProducerId, acked: u64) -> Result<u64, TakeError> {
        let (sender, answer) = channel();
        let say = Box::new(move |to| _ = sender.send(to));
        self.intake.stand(producer, acked, say)?;
        answer.recv().map_err(|_| TakeError::Closed)
    }
}
