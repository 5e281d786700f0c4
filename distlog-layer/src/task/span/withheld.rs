//! A task of a trace that is not sampled: what is kept of it, and what of it is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use distlog_proto::Outcome;
use fastant::Instant;

use super::SpanData;
use crate::record::sampling::Unsampled;

/// Bits of a task's state. Each is set once; whoever sets the second of both writes the end.
pub(super) mod state {
    /// Its begin is written.
    pub(in crate::task::span) const BEGUN: u8 = 1;
    /// Its work is done. What still holds its span changes nothing about it.
    pub(in crate::task::span) const ENDED: u8 = 2;
}

/// What becomes of the end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It is to be written now.
    Write,
    /// Its begin is not written: whoever writes that writes the end, too.
    Withheld,
    /// It was known before.
    Written,
}

impl SpanData {
    /// Its work is done.
    pub(crate) fn end(&self) -> End {
        match self.progress.state.fetch_or(state::ENDED, Ordering::AcqRel) {
            state::BEGUN => End::Write,
            0 => End::Withheld,
            _ => End::Written,
        }
    }

    /// Whether its work is done.
    pub(crate) fn has_ended(&self) -> bool {
        self.progress.state.load(Ordering::Acquire) & state::ENDED != 0
    }

    /// Its begin is written. Returns whether its end is to be written now: it was withheld.
    pub(crate) fn begin(&self) -> bool {
        self.progress.state.fetch_or(state::BEGUN, Ordering::AcqRel) == state::ENDED
    }

    /// Whether its begin is written.
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        self.progress.state.load(Ordering::Acquire) & state::BEGUN != 0
    }

    /// What it has in common with the other tasks of a trace that is not sampled.
    #[inline]
    pub(crate) fn unsampled(&self) -> Option<&Unsampled> {
        self.start.unsampled.as_deref()
    }

    /// Whether its events are not written.
    #[inline]
    pub(crate) fn withholds(&self) -> bool {
        self.unsampled().is_some_and(Unsampled::withholds)
    }

    #[inline]
    pub(super) fn is_forced(&self) -> bool {
        self.unsampled().is_some_and(Unsampled::is_forced)
    }

    /// The task above, if it is known; it is where the trace is not sampled.
    pub(crate) fn parent(&self) -> Option<&SpanData> {
        self.start.parent.as_deref()
    }

    /// When its work was done, for an end that is withheld.
    pub(crate) fn set_done(&self, done: Instant) {
        self.progress.done.set(done);
    }

    /// As it was set.
    pub(crate) fn done(&self) -> Instant {
        self.progress.done.get()
    }

    /// Keeps what is added to it beside context until its begin is written, as far as that stays below `limit` bytes.
    pub(crate) fn withhold(&self, added: &[u8], limit: usize) {
        if added.is_empty() {
            return;
        }
        self.with_more(|more| {
            if more.withheld.len() + added.len() <= limit {
                more.withheld.extend_from_slice(added);
            }
        });
        self.progress.has_more.store(true, Ordering::Release);
    }

    /// Its begin, which was withheld, with what was added since; all but the task.
    pub(crate) fn put_withheld_begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            self.bytes
                .get(self.start.tail as usize..)
                .unwrap_or_default(),
        );
        if self.progress.has_more.load(Ordering::Acquire) {
            self.with_more(|more| out.append(&mut more.withheld));
        }
    }

    /// Whether it has failed, as far as it is known.
    pub(crate) fn has_failed(&self) -> bool {
        let went_well = self.progress.went_well.load(Ordering::Relaxed);
        self.progress.has_more.load(Ordering::Acquire)
            && self.with_more(|more| {
                let outcome = more.verdict.as_ref().map(|state| state.outcome(went_well));
                outcome == Some(Outcome::Failed)
            })
    }
}

impl SpanData {
    /// Lets go of the tasks above one after the other: as many as there may be, the stack need not be as deep.
    pub(super) fn let_go(&mut self) {
        // One whose span was never closed.
        self.close();
        let mut next = self.start.parent.take();
        while let Some(mut parent) = next.and_then(Arc::into_inner) {
            next = parent.start.parent.take();
        }
    }
}

impl Drop for SpanData {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::random::Random;
    use crate::record::remote_parent::SpanContext;
    use crate::record::sampling::{IncomingSampled, Sampler};
    use crate::task::span::SpanStart;

    fn task(place: SpanContext, parent: Option<Arc<SpanData>>) -> Arc<SpanData> {
        let start = SpanStart {
            place,
            parent,
            producer: 1,
            site: 1,
            level: 0,
            time: Instant::now(),
            record: b"begin",
            message: 0..0,
            context: &[],
        };
        SpanData::new(start, &mut Vec::new())
    }

    #[test]
    fn as_many_tasks_as_there_may_be_above_another_are_let_go() {
        let none = Sampler::new(Some(0.0), IncomingSampled::Ignore).unwrap();
        let mut last = task(SpanContext::top(&mut Random::new(), &none), None);
        for _ in 0..100_000 {
            // Ids that deep are not the point.
            let place = SpanContext {
                unsampled: last.start.unsampled.clone(),
                ..SpanContext::top(&mut Random::new(), &none)
            };
            last = task(place, Some(last));
        }
        drop(last);
    }

    #[test]
    fn whoever_comes_second_writes_the_end() {
        let none = Sampler::new(Some(0.0), IncomingSampled::Ignore).unwrap();
        let task = || task(SpanContext::top(&mut Random::new(), &none), None);
        let begun = task();
        assert!(!begun.begin());
        assert_eq!([begun.end(), begun.end()], [End::Write, End::Written]);
        let ended = task();
        assert_eq!([ended.end(), ended.end()], [End::Withheld, End::Written]);
        assert!(ended.begin());
        assert!(!ended.begin());
        assert_eq!(ended.end(), End::Written);
    }
}
