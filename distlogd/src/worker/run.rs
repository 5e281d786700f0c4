//! How a worker runs: read, present, flush, move the cursor; and what it does with what fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use distlog_proto::{BatchRef, RecordRef, Severity};
use distlog_rules::Outgoing;
use distlog_store::Batch as StoredBatch;

use super::control::Update;
use super::pace::Batch;
use super::parts::{POLL_INTERVAL, Route, Worker, token_of};
use crate::processor::{Error, Processor, Token};
use crate::self_telemetry::RateLimited;
use crate::shutdown::Phase;
use crate::trees::{FeedError, Portion, TreeFeed};

/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 20;
/// A cursor that could not be written is tried again this often.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// How often rejected records are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// Records that are presented at once. A batch may have millions of tiny ones.
const MAX_PRESENTED: usize = 4096;
/// The longest pause that a destination may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// The state of a running worker. Positions are record numbers or, where it waits for trees, places in the order in
/// which these are delivered.
struct Run {
    worker: Worker,
    trees: Option<TreeFeed>,
    processor: Option<Box<dyn Processor>>,
    token: Option<Token>,
    /// All before it is durable at the destination.
    flushed: u64,
    /// All before it was presented.
    position: u64,
    /// What happened since the last flush.
    counts: Counts,
    flushed_at: Instant,
    /// Whether the cursor's file is behind: it could not be written, or trees were read since.
    is_behind: bool,
    /// When that was written last.
    saved_at: Instant,
    back_off: Duration,
    /// Parts of the stream in which something is refused, to be presented one by one, the next one last.
    parts: Vec<(u64, u64)>,
    /// A failing destination is reported once.
    failure: RateLimited,
    /// A cursor that cannot be written is reported once.
    unsaved: RateLimited,
    rejections: RateLimited,
}

/// What is counted when the flush succeeds: where that fails, all is read and presented again.
#[derive(Debug, Default)]
struct Counts {
    taken: u64,
    rejected: u64,
    expired: u64,
    damaged: u64,
    /// Values that could not be set.
    failed: u64,
}

/// Presents what was read to the processor.
struct Presenting<'r> {
    processor: &'r mut dyn Processor,
    route: &'r Route,
    outgoing: &'r Outgoing,
    counts: &'r mut Counts,
    /// Records that are taken between two flushes.
    limit: u64,
    rejections: Vec<(Vec<u64>, String)>,
}

impl Presenting<'_> {
    /// Presents the records with positions in `from..to` that are routed here, up to the batch's limit. Says how far it
    /// came: all before that position was presented.
    fn present(&mut self, portion: &Portion<'_>, from: u64, to: u64) -> Result<u64, Error> {
        // One list for all: batches are small, and a processor works better with many records.
        let parsed: Vec<(&StoredBatch, BatchRef<'_>)> = portion.batches.parsed().collect();
        let many = usize::try_from(portion.batches.records()).unwrap_or(MAX_PRESENTED);
        let mut records: Vec<RecordRef<'_>> = Vec::with_capacity(many.min(MAX_PRESENTED));
        for (head, batch) in &parsed {
            // A batch stays together, and one that is too large is cut where it always is: a processor that sends
            // batches sends the same ones when records are presented again.
            let most = usize::try_from(head.count).map_or(MAX_PRESENTED, |n| n.min(MAX_PRESENTED));
            let mut begun = 0;
            if records.len() + most > MAX_PRESENTED {
                self.process(&records)?;
                records.clear();
            }
            for mut record in head.records(batch) {
                let part = (record.store_number - head.first) / MAX_PRESENTED as u64;
                if part > begun {
                    begun = part;
                    self.process(&records)?;
                    records.clear();
                }
                let position = record.store_number.wrapping_add(portion.shift);
                let passes = (from..to).contains(&position)
                    && portion.passing.as_ref().is_none_or(|all| all.has(&record));
                if passes && (self.route)(&record) {
                    record.store_number = record.store_number.wrapping_add(portion.renumber);
                    records.push(record);
                    if self.counts.taken + records.len() as u64 >= self.limit {
                        let reached = position + 1;
                        return self.process(&records).map(|()| reached);
                    }
                }
            }
        }
        self.process(&records).map(|()| to)
    }

    fn process(&mut self, records: &[RecordRef<'_>]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let processor = &mut *self.processor;
        let failed = &mut self.counts.failed;
        let result = self
            .outgoing
            .present(records, failed, |records| processor.process(records));
        self.counts.taken += records.len() as u64;
        match result {
            Err(Error::Reject { numbers, reason }) => {
                self.rejections.push((numbers, reason));
                Ok(())
            }
            other => other,
        }
    }
}

impl Worker {
    /// Runs until the daemon stops.
    pub fn run(mut self) {
        let Some(saved) = self.begin() else {
            return;
        };
        let (trees, flushed) = match self.trees.take() {
            None => (None, saved.next),
            Some(setup) => match self.open_trees(&setup, &saved) {
                Some((trees, flushed)) => (Some(trees), flushed),
                None => return,
            },
        };
        let mut run = Run {
            back_off: self.retry.first,
            worker: self,
            trees,
            processor: None,
            token: token_of(&saved),
            flushed,
            position: flushed,
            counts: Counts::default(),
            flushed_at: Instant::now(),
            is_behind: false,
            saved_at: Instant::now(),
            parts: Vec::new(),
            failure: RateLimited::once(),
            unsaved: RateLimited::once(),
            rejections: RateLimited::new(1, REPORT_INTERVAL),
        };
        run.note_done();
        if run.trees.is_some() {
            // From now on its log of decisions counts.
            run.save();
        }
        run.run();
    }
}

impl Run {
    fn run(&mut self) {
        while !self.worker.shutdown.reached(Phase::Abort) {
            if self.worker.control.is_stopping() {
                self.leave();
                break;
            }
            let step = catch_unwind(AssertUnwindSafe(|| self.step()));
            match step.unwrap_or_else(|_| Err(self.after_panic())) {
                // The abort has cut it short. It comes again at the next start.
                Err(_) if self.worker.shutdown.reached(Phase::Abort) => break,
                Err(error) => self.fail(error),
                Ok(()) if self.is_finished() => break,
                Ok(()) => {}
            }
        }
        if self.is_behind {
            self.save();
        }
    }

    /// Flushes what was presented, if the destination takes it. Else it is presented by whoever has the cursor next.
    fn leave(&mut self) {
        if let Err(error) = self.flush() {
            let processor = &self.worker.name;
            tracing::debug!(processor, "stops without a flush: {error:?}");
        }
    }

    /// Goes on with other rules.
    fn update(&mut self, update: Update) {
        let Update {
            route,
            outgoing,
            factory,
        } = update;
        (self.worker.route, self.worker.outgoing) = (route, outgoing);
        let Some(factory) = factory else { return };
        // What is not flushed is presented again, to the new one.
        self.leave();
        self.worker.factory = factory;
        self.processor = None;
        self.position = self.flushed;
        self.counts = Counts::default();
    }

    /// A processor that panicked is made anew and gets again what was not flushed.
    fn after_panic(&mut self) -> Error {
        self.processor = None;
        Error::retry("the processor panicked")
    }

    /// Whether everything is done and the daemon stops. The store is closed before: nothing more can come.
    fn is_finished(&self) -> bool {
        let Worker {
            shutdown, reader, ..
        } = &self.worker;
        let read_to = match &self.trees {
            None => Some(self.flushed),
            Some(trees) => trees.read_to(self.flushed),
        };
        shutdown.reached(Phase::Workers)
            && reader.is_closed()
            && read_to.is_some_and(|number| number >= reader.end())
            && !self.wants_flush()
    }

    fn wants_flush(&self) -> bool {
        let processor = self.processor.as_ref();
        processor.is_some_and(|processor| processor.wants_flush())
    }

    /// Tells how far it is, and whether it moved.
    fn note_done(&self) -> bool {
        let progress = &self.worker.progress;
        let (done, passed) = match &self.trees {
            None => (self.flushed, self.flushed),
            Some(trees) => {
                let oldest = trees.oldest(self.flushed);
                (oldest, trees.read_to(self.flushed).unwrap_or(oldest))
            }
        };
        progress.passed.store(passed, Ordering::Relaxed);
        progress.done.swap(done, Ordering::Relaxed) != done
    }

    fn step(&mut self) -> Result<(), Error> {
        if self.processor.is_none() {
            let made = (self.worker.factory)(self.token.as_ref());
            // Nothing was presented: whatever it says, no record can be at fault.
            self.processor = Some(made.map_err(|error| match error {
                Error::Retry { .. } => error,
                other => Error::retry(other),
            })?);
            if self.token.is_none() {
                // The first token says how the destination was found.
                self.flush()?;
            }
        }
        if let Some(update) = self.worker.control.take() {
            self.update(update);
            return Ok(());
        }
        let from = self.position;
        let limit = self.parts.last().map_or(u64::MAX, |part| part.1);
        let timeout = self.read_timeout();
        let portion = match &mut self.trees {
            None => {
                let consumer = &mut self.worker.consumer;
                consumer.seek(from);
                consumer.wait(timeout);
                // What came meanwhile is for the new rules.
                if let Some(update) = self.worker.control.take() {
                    self.update(update);
                    return Ok(());
                }
                let consumer = &mut self.worker.consumer;
                let chunk = consumer.read(READ_BYTES).map_err(Error::retry)?;
                let to = chunk.to().min(limit).max(from);
                let mut skipped = chunk.progress();
                skipped.expired = skipped.expired.min(to - from);
                skipped.damaged = skipped.damaged.min(to - from);
                Portion {
                    batches: chunk.buffer(),
                    shift: 0,
                    renumber: 0,
                    to,
                    passing: None,
                    skipped,
                }
            }
            Some(trees) => trees.read(from, timeout).map_err(Error::retry)?,
        };
        // Records behind the limit are read again.
        let to = portion.to.min(limit).max(from);
        let skipped = portion.skipped;
        self.counts.expired += skipped.expired;
        let is_empty = portion.batches.is_empty();
        let batch = &self.worker.batch;
        let most = batch.records.unwrap_or(u64::MAX);
        let due = if is_empty {
            batch.idle.min(batch.wait)
        } else {
            batch.wait
        };
        let Some(processor) = &mut self.processor else {
            return Ok(());
        };
        let mut presenting = Presenting {
            processor: &mut **processor,
            route: &self.worker.route,
            outgoing: &self.worker.outgoing,
            counts: &mut self.counts,
            limit: most,
            rejections: Vec::new(),
        };
        let result = presenting.present(&portion, from, to);
        for (numbers, reason) in presenting.rejections {
            self.reject(&numbers, &reason);
        }
        self.position = result?;
        if self.position == to {
            // Else the rest is read again, and what is damaged in it.
            self.counts.damaged += skipped.damaged;
        }
        if self.trees.is_some() {
            // Trees that do not pass move it, too.
            self.is_behind |= self.note_done();
        }
        let is_full = self.counts.taken >= most;
        let stopping = self.worker.shutdown.reached(Phase::Workers);
        if self.position > self.flushed
            && (self.position >= limit || is_full || stopping || self.flushed_at.elapsed() >= due)
        {
            self.flush()?;
        } else if self.is_behind && self.saved_at.elapsed() >= SAVE_INTERVAL {
            if self.position == self.flushed {
                // Nothing was presented of what was skipped.
                self.forward();
            } else {
                self.save();
            }
        } else if is_empty && self.position == self.flushed {
            self.idle()?;
        }
        Ok(())
    }

    /// Lets the processor do work of its own.
    fn idle(&mut self) -> Result<(), Error> {
        if let Some(processor) = &mut self.processor {
            processor.idle()?;
        }
        // Where that had failed, it works again.
        if self.worker.progress.failing.load(Ordering::Relaxed) || self.wants_flush() {
            self.flush()?;
        }
        Ok(())
    }

    /// How long to wait for records: not beyond the next flush.
    fn read_timeout(&self) -> Duration {
        if self.position > self.flushed {
            let Batch { idle, wait, .. } = self.worker.batch;
            let left = idle.min(wait).saturating_sub(self.flushed_at.elapsed());
            left.min(POLL_INTERVAL)
        } else {
            POLL_INTERVAL
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        // Rejections are reported once, by whichever call notices them.
        let token = loop {
            let Some(processor) = &mut self.processor else {
                return Ok(());
            };
            match processor.flush() {
                Err(Error::Reject { numbers, reason }) => self.reject(&numbers, &reason),
                Ok(token) => {
                    let rejected = processor.rejected().min(self.counts.taken);
                    self.counts.taken -= rejected;
                    self.counts.rejected += rejected;
                    break token;
                }
                Err(error) => return Err(error),
            }
        };
        self.token = Some(token);
        self.flushed_at = Instant::now();
        self.back_off = self.worker.retry.first;
        self.worker.progress.failing.store(false, Ordering::Relaxed);
        self.forward();
        if self.failure.over() {
            tracing::info!(processor = self.worker.name, "works again");
        }
        Ok(())
    }

    /// All before the position is dealt with for good.
    fn forward(&mut self) {
        self.flushed = self.position;
        self.save();
        self.note_done();
        let Counts {
            taken,
            rejected,
            expired,
            damaged,
            failed,
        } = std::mem::take(&mut self.counts);
        let progress = &self.worker.progress;
        progress.sent.inc_by(taken);
        progress.rejected.inc_by(rejected);
        progress.failed_values.inc_by(failed);
        self.parts.pop_if(|part| part.1 <= self.flushed);
        self.say_skipped(expired, damaged);
    }

    /// Writes the cursor's file. The destination has what it was given: if the file cannot be written, presenting that
    /// again would only double it. It is written later; a restart before that goes on from what was written last.
    fn save(&mut self) {
        let token = self.token.as_ref().map_or(&[][..], |token| &token.0);
        self.saved_at = Instant::now();
        let consumer = &self.worker.consumer;
        let saved = match &mut self.trees {
            None => consumer.save(self.flushed, token).map_err(FeedError::from),
            Some(trees) => trees.save(consumer, self.flushed, token),
        };
        match saved {
            Ok(()) => {
                self.is_behind = false;
                self.unsaved.over();
            }
            Err(error) => {
                self.is_behind = true;
                if self.unsaved.report(1).is_some() {
                    tracing::error!(
                        processor = self.worker.name,
                        "{error}; tried again until it works"
                    );
                }
            }
        }
    }

    fn reject(&mut self, numbers: &[u64], reason: &str) {
        let count = numbers.len() as u64;
        self.counts.taken = self.counts.taken.saturating_sub(count);
        self.counts.rejected += count;
        self.say_rejected(count, reason);
    }

    /// A destination that refuses everything is reported now and then, not for each record.
    fn say_rejected(&mut self, count: u64, reason: &str) {
        let last_error = &self.worker.progress.last_error;
        last_error.set(format_args!("rejected: {reason}"));
        if let Some(suppressed) = self.rejections.report(count) {
            let (processor, count) = (&self.worker.name, count + suppressed);
            tracing::warn!(processor, "{count} records were rejected: {reason}");
        }
    }

    fn fail(&mut self, error: Error) {
        let presented = self.position.max(self.flushed);
        self.counts = Counts::default();
        match error {
            Error::Refused { reason } => self.narrow(presented, &reason),
            Error::Again => self.position = self.flushed,
            Error::Reject { numbers, reason } => self.reject(&numbers, &reason),
            Error::Retry { reason, after } => {
                let progress = &self.worker.progress;
                progress.retries.inc();
                progress.failing.store(true, Ordering::Relaxed);
                progress.last_error.set(&reason);
                if self.failure.report(1).is_some() {
                    tracing::warn!(
                        processor = self.worker.name,
                        "{reason}; tried again until it works"
                    );
                }
                self.position = self.flushed;
                self.pause(after.unwrap_or(self.back_off.min(self.worker.retry.most)));
                self.back_off = (self.back_off * 2).min(self.worker.retry.most);
            }
        }
    }

    /// Something between the last flush and `presented` is refused: halves are presented, down to the one record.
    fn narrow(&mut self, presented: u64, reason: &str) {
        let from = self.flushed;
        let end = match &self.trees {
            None => self.worker.reader.end(),
            Some(trees) => trees.end(),
        };
        // Where the refused call was not yet counted as presented, it was within what was being read.
        let to = self
            .parts
            .last()
            .map_or(presented.max(end.min(from + self.reach())), |part| part.1)
            .max(from + 1);
        self.position = from;
        self.parts.pop_if(|part| part.1 <= to);
        if to - from > 1 {
            let middle = from + (to - from) / 2;
            self.parts.extend([(middle, to), (from, middle)]);
            return;
        }
        self.say_rejected(1, reason);
        self.position = to;
        self.counts.rejected = 1;
        self.forward();
    }

    /// How far what is read at once may reach.
    fn reach(&self) -> u64 {
        match &self.trees {
            None => 65_536,
            // A tree may lie far apart.
            Some(_) => u64::MAX / 2,
        }
    }

    fn pause(&self, duration: Duration) {
        let until = Instant::now() + duration.min(MAX_PAUSE);
        let Worker {
            shutdown, control, ..
        } = &self.worker;
        while Instant::now() < until && !shutdown.reached(Phase::Abort) && !control.is_stopping() {
            std::thread::sleep(
                Duration::from_millis(20).min(until.saturating_duration_since(Instant::now())),
            );
        }
    }

    fn say_skipped(&self, expired: u64, damaged: u64) {
        let Worker {
            name,
            progress,
            own_records,
            ..
        } = &self.worker;
        progress.skipped.inc_by(expired + damaged);
        for (count, why) in [
            (expired, "were removed by retention"),
            (damaged, "were damaged in the store"),
        ] {
            if count > 0 {
                let message =
                    format!("{count} records {why} before processor {name} could take them");
                tracing::warn!(processor = name, "{message}");
                own_records.store(vec![own_records.event(Severity::WARN, message)]);
            }
        }
    }
}
