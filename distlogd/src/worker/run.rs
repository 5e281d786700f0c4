//! How a worker runs: read, present, flush, move the cursor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::control::Update;
use super::pace::Batch;
use super::parts::{POLL_INTERVAL, Worker, token_of};
use super::position::{Run, SAVE_INTERVAL};
use super::present::{Counts, Presenting};
use crate::processor::{Error, Processor};
use crate::self_telemetry::RateLimited;
use crate::shutdown::Phase;
use crate::spare::Spare;
use crate::trees::Portion;

/// Read at once, in bytes: so little that it stays in the processor's cache.
const READ_BYTES: usize = 256 << 10;
/// The same where several threads work on it.
const SHARED_READ_BYTES: usize = 1 << 20;
/// How often rejected records are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

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
            spare: Spare::default(),
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
        let read_bytes = self.read_bytes();
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
                let chunk = consumer.read(read_bytes).map_err(Error::retry)?;
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
            threads: &self.worker.threads,
            spare: &self.spare,
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
        self.spare.clear();
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

    fn read_bytes(&mut self) -> usize {
        let takes = |processor: &mut Box<dyn Processor>| processor.takes_converted().is_some();
        match !self.worker.threads.is_empty() && self.processor.as_mut().is_some_and(takes) {
            true => SHARED_READ_BYTES,
            false => READ_BYTES,
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
}
