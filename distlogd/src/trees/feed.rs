//! What the worker of a processor that waits for trees reads: the records of trees that pass, each with a place in the
//! order of delivery.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_store::{
    Batches, Consumer, Cursor, FileError, Progress, ReadError, Reader, SavedCursor,
};

use super::config::Trees;
use super::decider::Decider;
use super::delivery::{Delivery, Passing, READ_BYTES};
use super::log::{DecisionLog, LogError, Placed};
use super::token::TreesToken;
use crate::look::Look;
use crate::self_telemetry::{OwnRecords, TreeCounters};

/// How often it looks what is due: at least, and at most.
const LOOK_INTERVAL: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// Trees cannot be read or decided now.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The cursor cannot be saved.
    #[error(transparent)]
    Cursor(#[from] FileError),
    /// The log of decisions cannot be read or written.
    #[error(transparent)]
    Log(#[from] DecisionLogError),
}

/// The log of decisions cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DecisionLogError(LogError);

impl From<LogError> for FeedError {
    fn from(error: LogError) -> FeedError {
        FeedError::Log(DecisionLogError(error))
    }
}

/// What was read, and which of it is to be presented.
pub struct Portion<'f> {
    /// What was read.
    pub batches: &'f Batches,
    /// The place of a record is its number and this, wrapping.
    pub shift: u64,
    /// The number that it is presented with is its number and this, wrapping.
    pub renumber: u64,
    /// All before this place is in it, or was read before.
    pub to: u64,
    /// Which records of it; `None`: all.
    pub passing: Option<Passing<'f>>,
    /// Records that were not there any more.
    pub skipped: Progress,
}

/// What a processor that waits for trees is made of.
#[derive(Clone)]
pub struct Setup {
    /// Which trees pass, and when that is decided.
    pub config: Trees,
    /// Reads the store.
    pub reader: Reader,
    /// Tells when everything received is stored; `None`: time passes only as the records say.
    pub own_records: Option<Arc<OwnRecords>>,
    /// Whether records are presented with their numbers in the store, for a processor that looks others up there. Those
    /// of one tree ascend. Else each has the number of its place, which ascend over all, as processors expect.
    pub keeps_numbers: bool,
    /// For the metrics.
    pub counters: Arc<TreeCounters>,
}

/// Decides trees, and reads those that pass.
pub struct TreeFeed {
    setup: Setup,
    decider: Decider,
    /// Of the decider.
    cursor: Cursor,
    batches: Batches,
    log: DecisionLog,
    /// Entries that are not delivered.
    entries: VecDeque<Placed>,
    delivery: Delivery,
    /// What was not there of entries that were delivered since.
    skipped: Progress,
    look: Option<Look>,
    looked: Instant,
}

impl TreeFeed {
    /// Goes on where the cursor is. Also gives the place from which records are to be delivered.
    ///
    /// # Errors
    /// If the log of decisions cannot be read or written.
    pub fn open(
        setup: &Setup,
        name: &str,
        consumer: &Consumer,
        saved: &SavedCursor,
    ) -> Result<(TreeFeed, u64), FeedError> {
        let dir = match consumer.path() {
            Some(path) => path.with_extension("trees"),
            None => PathBuf::from(name),
        };
        let opened = match TreesToken::decode(&saved.token) {
            Some(token) => DecisionLog::open(&dir, token.log).map(|found| {
                let found = found.filter(|(log, _)| log.end() >= token.delivered);
                if found.is_none() {
                    tracing::error!(
                        processor = name,
                        "its decisions about trees are not in {}: trees that were decided are decided again",
                        dir.display()
                    );
                }
                found.map(|(log, entries)| (log, entries, token.delivered))
            }),
            None => Ok(None),
        };
        let (log, entries, delivered) = match opened? {
            Some(found) => found,
            None => (DecisionLog::create(&dir)?, Vec::new(), 0),
        };
        let begin = saved.next.max(setup.reader.first());
        let begin = begin.min(setup.reader.end());
        let mut entries = VecDeque::from(entries);
        entries.retain(|placed| placed.end() > delivered);
        let feed = TreeFeed {
            decider: Decider::new(setup.config.clone(), begin, log.position()),
            cursor: setup.reader.cursor(begin),
            batches: Batches::new(),
            log,
            entries,
            delivery: Delivery::new(setup.reader.clone()),
            skipped: Progress::default(),
            look: None,
            looked: Instant::now(),
            setup: setup.clone(),
        };
        Ok((feed, delivered))
    }

    /// Reads what is to be delivered from a place on; where there is nothing, decides, and waits up to `timeout` for
    /// records to do so.
    ///
    /// # Errors
    /// If the store or the log of decisions cannot be read or written. Nothing is lost by asking again.
    pub fn read(&mut self, place: u64, timeout: Duration) -> Result<Portion<'_>, FeedError> {
        self.log.write()?;
        let at = self.entries.partition_point(|placed| placed.end() <= place);
        let mut skipped = std::mem::take(&mut self.skipped);
        if let Some(read) = at.checked_sub(1).and_then(|at| self.entries.get(at)) {
            add(&mut skipped, self.delivery.missing(read));
        }
        if at == self.entries.len() {
            let to = self.log.end().max(place);
            add(&mut skipped, self.decide(timeout)?);
            self.batches.clear();
            return Ok(Portion {
                batches: &self.batches,
                shift: 0,
                renumber: 0,
                to,
                passing: None,
                skipped,
            });
        }
        // Nothing leaves whose decision a crash could take back.
        self.log.sync()?;
        let placed = &self.entries[at];
        let from = placed.entry.from;
        let place = place.max(placed.place);
        let read = self.delivery.read(placed, from + (place - placed.place))?;
        let shift = placed.place.wrapping_sub(from);
        Ok(Portion {
            batches: read.batches,
            shift,
            // Places count from 0, and 0 is no number.
            renumber: match self.setup.keeps_numbers {
                true => 0,
                false => shift.wrapping_add(1),
            },
            to: placed.place + (read.to - from),
            passing: Some(read.passing),
            skipped,
        })
    }

    /// Reads the next records of the store, and decides what is due.
    fn decide(&mut self, timeout: Duration) -> Result<Progress, FeedError> {
        let (least, most) = LOOK_INTERVAL;
        let interval = (self.setup.config.quiet / 8).clamp(least, most);
        let is_open = self.decider.open() > 0;
        let timeout = if is_open {
            timeout.min(interval)
        } else {
            timeout
        };
        self.setup.reader.wait(self.decider.position(), timeout);
        let counters = &self.setup.counters;
        let progress = self.cursor.next_batches(&mut self.batches, READ_BYTES)?;
        let to = self.cursor.position();
        self.decider
            .take(&self.batches, to, &mut self.log, counters);
        match self.look.take_if(|look| look.is_due(to)) {
            Some(look) => self.decider.caught_up(look.asked()),
            None if self.look.is_some() || self.decider.open() == 0 => {}
            None if self.looked.elapsed() >= interval => {
                self.looked = Instant::now();
                let own_records = self.setup.own_records.as_ref();
                self.look = own_records.map(|own| Look::ask(own, &self.setup.reader));
            }
            None => {}
        }
        if let Some(frame) = self.decider.frame(&mut self.log, counters) {
            let now = self.decider.now();
            self.entries.extend(self.log.append(frame, now));
            self.log.write()?;
        }
        counters.open.set(self.decider.open() as u64);
        Ok(progress)
    }

    /// The number of the oldest record that is not decided or not delivered, where everything before the place
    /// `delivered` is.
    pub fn oldest(&self, delivered: u64) -> u64 {
        let mut entries = self.entries.iter();
        let waiting = entries.find(|placed| placed.end() > delivered);
        let oldest = self.decider.oldest();
        waiting.map_or(oldest, |placed| placed.entry.from.min(oldest))
    }

    /// The place behind everything that is decided.
    pub fn end(&self) -> u64 {
        self.log.end()
    }

    /// The number up to which everything is read, if all that passes is delivered up to that place.
    pub fn read_to(&self, delivered: u64) -> Option<u64> {
        (delivered >= self.end()).then_some(self.decider.position())
    }

    /// Saves where it is: everything before the place `delivered` is, and the processor has that token.
    ///
    /// # Errors
    /// If that could not be written. What was saved before holds.
    pub fn save(
        &mut self,
        consumer: &Consumer,
        delivered: u64,
        token: &[u8],
    ) -> Result<(), FeedError> {
        self.log.write()?;
        self.log.sync()?;
        let oldest = self.oldest(delivered);
        let token = TreesToken {
            log: self.log.id(),
            delivered,
            token,
        };
        consumer.save(oldest, &token.encode())?;
        while let Some(first) = self.entries.front()
            && first.end() <= delivered
        {
            add(&mut self.skipped, self.delivery.missing(first));
            self.entries.pop_front();
        }
        self.log.forget(delivered, oldest, self.decider.now());
        Ok(())
    }
}

fn add(sum: &mut Progress, more: Progress) {
    sum.expired += more.expired;
    sum.damaged += more.damaged;
}
