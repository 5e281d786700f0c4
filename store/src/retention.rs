//! Retention: whole segments go, the oldest first, by size and by age.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::backlog::Full;
use super::checkpoint::Checkpoint;
use super::error::FileError;
use super::sealer::Sealer;
use super::state::{Keep, Segment, Shared};
use super::stats::add;

/// How much a store keeps, to be changed while it is open. Made by [`Store::retention`](super::Store::retention).
#[derive(Clone)]
pub struct Retention(pub(super) Arc<Shared>);

impl Retention {
    /// Keeps at most so many bytes, and nothing that is older. `None`: no limit. It holds from the next
    /// [`Store::maintain`](super::Store::maintain) on.
    pub fn keep(&self, size: Option<u64>, age: Option<Duration>) {
        let shared = &self.0;
        *lock(&shared.keep) = Keep { size, age };
        shared.update(|state| state.backlog.fit(size, shared.options.segment_size));
    }

    /// The limits in bytes and in time.
    pub fn kept(&self) -> (Option<u64>, Option<Duration>) {
        let Keep { size, age } = *lock(&self.0.keep);
        (size, age)
    }
}

fn lock(keep: &Mutex<Keep>) -> MutexGuard<'_, Keep> {
    keep.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What [`Store::maintain`](super::Store::maintain) removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Segments.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
}

/// Removes the oldest segments that are to be kept no longer.
pub(super) fn expire(
    shared: &Shared,
    sealer: &Sealer,
    checkpoint: impl Fn() -> Option<Checkpoint>,
    now: u64,
) -> Result<Expired, FileError> {
    let mut expired = Expired::default();
    let mut removed = Vec::new();
    while let Some((id, end)) = to_expire(shared, now) {
        // Where producers stand must not be known from a segment only that goes.
        if sealer.saved().0 <= id {
            match checkpoint() {
                Some(checkpoint) => sealer.checkpoint_now(shared, &checkpoint)?,
                None => break,
            }
        }
        let gone = shared.update(|state| {
            let is_it = state.segments.front().is_some_and(|s| s.id() == id);
            if is_it {
                state.backlog.forget(id);
                state.segments.pop_front()
            } else {
                None
            }
        });
        let Some(gone) = gone else { break };
        shared.damage.forget_before(end, gone.path());
        expired.segments += 1;
        expired.records += end - gone.first();
        add(&shared.counters.expired_segments, 1);
        add(&shared.counters.expired_records, end - gone.first());
        removed.push(gone);
    }
    if !removed.is_empty()
        && let Some(checkpoint) = checkpoint()
    {
        // So that nobody takes it for damage. On a full disk it may fail, and room comes first.
        let _ = sealer.checkpoint_now(shared, &checkpoint);
    }
    for gone in removed {
        match shared.layer.remove(gone.path()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::new("remove", gone.path(), e));
            }
            _ => {}
        }
    }
    Ok(expired)
}

/// The oldest segment, if it is to go: its id and the number after its last record.
fn to_expire(shared: &Shared, now: u64) -> Option<(u64, u64)> {
    let state = shared.state();
    let (oldest, next) = (state.segments.front()?, state.segments.get(1)?);
    let keep = *lock(&shared.keep);
    let too_much = keep
        .size
        .is_some_and(|keep| state.segments.iter().map(Segment::size).sum::<u64>() > keep);
    let too_old = keep.age.is_some_and(|keep| {
        let keep = u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX);
        oldest.newest() < now.saturating_sub(keep)
    });
    (too_much || too_old).then(|| (oldest.id(), next.first()))
}

/// Gives segments that could not be sealed to the sealing threads again.
pub(super) fn seal_again(shared: &Shared, sealer: &Sealer) {
    let again: Vec<Full> = {
        let state = shared.state();
        let ends = state.segments.iter().skip(1).map(Segment::first);
        state
            .segments
            .iter()
            .zip(ends)
            .filter_map(|(segment, end)| match segment {
                Segment::Live(live) if !state.backlog.has(live.header.id) => {
                    Some(Full::new(Arc::clone(live), end))
                }
                _ => None,
            })
            .collect()
    };
    for full in again {
        sealer.seal(shared, full);
    }
}
