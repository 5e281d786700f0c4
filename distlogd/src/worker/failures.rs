//! What a worker does with what fails: it waits and presents again, skips what a destination cannot take, and looks for
//! the one record that is refused.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::parts::Worker;
use super::position::Run;
use super::present::Counts;
use crate::processor::Error;
use crate::shutdown::Phase;

/// The longest pause that a destination may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);

impl Run {
    pub(super) fn reject(&mut self, numbers: &[u64], reason: &str) {
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

    /// Goes on after an error: at once, after a pause, or with fewer records.
    pub(super) fn fail(&mut self, error: Error) {
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
}
