//! Where a running worker is, and its cursor.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use distlog_proto::Severity;

use super::parts::Worker;
use super::present::Counts;
use crate::processor::{Processor, Token};
use crate::self_telemetry::RateLimited;
use crate::spare::Spare;
use crate::trees::{FeedError, TreeFeed};

/// A cursor that could not be written is tried again this often.
pub(super) const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// The state of a running worker. Positions are record numbers or, where it waits for trees, places in the order in
/// which these are delivered.
pub(super) struct Run {
    pub(super) worker: Worker,
    pub(super) trees: Option<TreeFeed>,
    pub(super) processor: Option<Box<dyn Processor>>,
    pub(super) token: Option<Token>,
    /// All before it is durable at the destination.
    pub(super) flushed: u64,
    /// All before it was presented.
    pub(super) position: u64,
    /// What converted records are in.
    pub(super) spare: Spare,
    /// What happened since the last flush.
    pub(super) counts: Counts,
    pub(super) flushed_at: Instant,
    /// Whether the cursor's file is behind: it could not be written, or trees were read since.
    pub(super) is_behind: bool,
    /// When that was written last.
    pub(super) saved_at: Instant,
    pub(super) back_off: Duration,
    /// Parts of the stream in which something is refused, to be presented one by one, the next one last.
    pub(super) parts: Vec<(u64, u64)>,
    /// A failing destination is reported once.
    pub(super) failure: RateLimited,
    /// A cursor that cannot be written is reported once.
    pub(super) unsaved: RateLimited,
    pub(super) rejections: RateLimited,
}

impl Run {
    /// Tells how far it is, and whether it moved.
    pub(super) fn note_done(&self) -> bool {
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

    /// All before the position is dealt with for good.
    pub(super) fn forward(&mut self) {
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
    pub(super) fn save(&mut self) {
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
