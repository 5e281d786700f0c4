//! Who may send how much: one budget for all.

use std::collections::VecDeque;

/// Smallest credit of a session, in bytes: less is not worth a batch.
const MIN_CREDIT: u64 = 256 << 10;
/// Largest credit of a session, in bytes: an idle one does not hold much.
const MAX_CREDIT: u64 = 8 << 20;

/// What one client was granted, in offsets of its stream: these count the bytes of its ring, which its batches do not
/// exceed by more than the callsites that they name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Grant {
    /// A batch may begin before.
    pub(super) limit: u64,
    /// All before is durable, so it takes no room any more.
    pub(super) durable: u64,
    /// It waits in the queue for some.
    queued: bool,
}

impl Grant {
    pub(super) fn new(durable: u64) -> Grant {
        Grant {
            limit: durable,
            durable,
            queued: false,
        }
    }

    fn outstanding(&self) -> u64 {
        self.limit.saturating_sub(self.durable)
    }
}

/// The budget, and those who wait for a part of it.
#[derive(Debug)]
pub(super) struct Budget {
    total: u64,
    granted: u64,
    /// Sessions that have too little, first come, first served.
    queue: VecDeque<u64>,
}

impl Budget {
    pub(super) fn new(total: u64) -> Budget {
        Budget {
            total: total.max(MIN_CREDIT),
            granted: 0,
            queue: VecDeque::new(),
        }
    }

    pub(super) fn granted(&self) -> u64 {
        self.granted
    }

    fn free(&self) -> u64 {
        self.total.saturating_sub(self.granted)
    }

    /// Whether some wait and there is nothing for them.
    pub(super) fn is_exhausted(&self) -> bool {
        !self.queue.is_empty() && self.free() < MIN_CREDIT
    }

    /// What each of `sessions` may have.
    fn window(&self, sessions: usize) -> u64 {
        (self.total / sessions.max(1) as u64).clamp(MIN_CREDIT, MAX_CREDIT)
    }

    /// What it sent is durable up to here.
    pub(super) fn settle(&mut self, grant: &mut Grant, durable: u64) {
        let before = grant.outstanding();
        grant.durable = grant.durable.max(durable);
        self.granted -= before - grant.outstanding();
    }

    /// Fills up what a session may send, behind those who wait already.
    pub(super) fn refill(&mut self, session: u64, grant: &mut Grant, sessions: usize) {
        if grant.queued {
            return;
        }
        let window = self.window(sessions);
        if self.queue.is_empty()
            && self.free() >= MIN_CREDIT.min(window.saturating_sub(grant.outstanding()))
        {
            self.top_up(grant, window);
        } else if grant.outstanding() < MIN_CREDIT {
            grant.queued = true;
            self.queue.push_back(session);
        }
    }

    fn top_up(&mut self, grant: &mut Grant, window: u64) {
        // What stands behind the durable end already, because a batch went over the limit, is not granted twice.
        let from = grant.limit.max(grant.durable);
        let more = window
            .saturating_sub(grant.outstanding())
            .min(self.free())
            // Strangers may claim the highest offset.
            .min(u64::MAX - from);
        grant.limit = from + more;
        self.granted += more;
    }

    /// The next one who waited, if there is something for it: give it to [`Budget::serve`].
    pub(super) fn next(&mut self) -> Option<u64> {
        if self.free() < MIN_CREDIT {
            return None;
        }
        self.queue.pop_front()
    }

    /// Grants to one who waited.
    pub(super) fn serve(&mut self, grant: &mut Grant, sessions: usize) {
        grant.queued = false;
        self.top_up(grant, self.window(sessions));
    }

    /// Takes back what is granted beyond `keep`. A batch that is under way beyond it is asked for again.
    pub(super) fn revoke(&mut self, grant: &mut Grant, keep: u64) {
        let before = grant.outstanding();
        grant.limit = grant.limit.min(grant.durable.saturating_add(keep));
        self.granted -= before - grant.outstanding().min(before);
    }

    /// Takes back what one with so much under way holds beyond that, a batch or some more, and its share.
    pub(super) fn share(&mut self, grant: &mut Grant, under_way: u64, sessions: usize) {
        let keep = self.window(sessions).max(under_way + MIN_CREDIT);
        self.revoke(grant, keep);
    }

    /// Takes back the share of an idle one that is larger than it would get now.
    pub(super) fn shrink(&mut self, grant: &mut Grant, sessions: usize) {
        self.revoke(grant, self.window(sessions));
    }

    /// It has gone.
    pub(super) fn release(&mut self, session: u64, grant: &Grant) {
        self.granted -= grant.outstanding().min(self.granted);
        if grant.queued {
            self.queue.retain(|waiting| *waiting != session);
        }
    }
}
