//! The newest records that may be the topmost of their traces.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use distlog_proto::wire::TaskRef;
use distlog_proto::{Kind, Outcome, RecordRef, TraceId};

use super::scan::{Collect, Place};

/// Tasks that are remembered as not wanted.
const MAX_REFUSED: usize = 1 << 17;

/// How sure it is that a record is the topmost of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It begins no task.
    Log,
    /// It begins a task below another one.
    Inner,
    /// Another system's span is above it (`~x/n`), which may never come.
    Imported,
    /// Nothing is above it.
    Root,
}

impl Rank {
    /// That of a record; `None` without a task.
    pub(super) fn of(record: &RecordRef<'_>) -> Option<Rank> {
        let task = record.task.as_ref()?;
        Some(match record.kind {
            Kind::Begin => Rank::of_task(task),
            _ => Rank::Log,
        })
    }

    /// That of a task's begin.
    pub(super) fn of_task(task: &TaskRef<'_>) -> Rank {
        match task.parent_span_id {
            None => Rank::Root,
            Some(_) if task.path.starts_with('~') && task.path.matches('/').count() == 1 => {
                Rank::Imported
            }
            Some(_) => Rank::Inner,
        }
    }
}

/// A trace that may be listed, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub place: Place,
    pub trace_id: TraceId,
}

/// What a collector that keeps the newest has left out.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// The newest one that was left out.
    left_out: Option<Place>,
    /// Older records may have been passed over.
    floor: u64,
}

impl Cut {
    pub(super) fn leave_out(&mut self, place: Place) {
        self.left_out = self.left_out.max(Some(place));
    }

    /// Older records are passed over.
    pub(super) fn raise(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    pub(super) fn merge(&mut self, other: Cut) {
        self.left_out = self.left_out.max(other.left_out);
        self.raise(other.floor);
    }

    /// What is before this place may be missing; `None` if nothing is.
    pub(super) fn bound(&self) -> Option<Place> {
        let left_out = self.left_out?;
        let behind = Place {
            number: left_out.number.saturating_add(1),
            ..left_out
        };
        let floor = Place {
            time: self.floor,
            number: 0,
        };
        Some(behind.max(floor))
    }
}

/// What is known of a trace by its topmost record, or by how its topmost task ended.
pub(super) trait Judge: Send + Sync + 'static {
    /// Whether a trace may be wanted if that record is its topmost one.
    fn may_take(&self, rank: Rank, record: &RecordRef<'_>) -> bool;
    /// Whether a trace is not wanted, whatever else is known, if its topmost task ended so, after so long.
    fn refuses(&self, outcome: Outcome, took: Option<u64>) -> bool;
}

/// The newest candidates: of each trace the likeliest, of equals the earliest.
pub(super) struct Candidates<J> {
    limit: usize,
    judge: Arc<J>,
    by_trace: HashMap<TraceId, Known>,
    order: BTreeSet<(Place, TraceId)>,
    /// Hashes of tasks that ended in a way that is not wanted.
    refused: HashSet<u64>,
    cut: Cut,
}

#[derive(Clone, Copy)]
struct Known {
    rank: Rank,
    place: Place,
    task: u64,
}

/// A task, by a hash of its ids.
fn task_of(record: &RecordRef<'_>) -> Option<u64> {
    let task = record.task.as_ref()?;
    let mut hasher = DefaultHasher::new();
    (task.trace_id, task.span_id, record.run()).hash(&mut hasher);
    Some(hasher.finish())
}

impl<J: Judge> Candidates<J> {
    /// At most so many.
    pub(super) fn new(limit: usize, judge: Arc<J>) -> Candidates<J> {
        Candidates {
            limit,
            judge,
            by_trace: HashMap::new(),
            order: BTreeSet::new(),
            refused: HashSet::new(),
            cut: Cut::default(),
        }
    }

    fn add(&mut self, trace_id: TraceId, new: Known) {
        if let Some(known) = self.by_trace.get_mut(&trace_id) {
            if new.rank > known.rank || (new.rank == known.rank && new.place < known.place) {
                self.order.remove(&(known.place, trace_id));
                self.order.insert((new.place, trace_id));
                *known = new;
            }
            return;
        }
        if self.order.len() >= self.limit
            && let Some((oldest, of)) = self.order.first().copied()
        {
            self.cut.raise(oldest.time);
            if new.place < oldest {
                return self.cut.leave_out(new.place);
            }
            self.cut.leave_out(oldest);
            self.order.pop_first();
            self.by_trace.remove(&of);
        }
        self.order.insert((new.place, trace_id));
        self.by_trace.insert(trace_id, new);
    }

    /// Those that are not before the bound, and the bound: see [`Cut::bound`].
    pub(super) fn newest_first(self) -> (Vec<Candidate>, Option<Place>) {
        let bound = self.cut.bound();
        let (by_trace, refused) = (self.by_trace, self.refused);
        let all = self.order.into_iter().rev();
        let all = all.take_while(|(place, _)| bound.is_none_or(|bound| *place >= bound));
        let is_refused = |trace_id: &TraceId| {
            let known = by_trace.get(trace_id);
            known.is_some_and(|known| known.rank > Rank::Log && refused.contains(&known.task))
        };
        let candidates = all
            .filter(|(_, trace_id)| !is_refused(trace_id))
            .map(|(place, trace_id)| Candidate { place, trace_id });
        (candidates.collect(), bound)
    }
}

impl<J: Judge> Collect for Candidates<J> {
    const COUNTED: bool = false;

    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        let Some(((rank, task), hash)) = Rank::of(record).zip(record.task).zip(task_of(record))
        else {
            return;
        };
        if record.kind == Kind::End
            && self.refused.len() < MAX_REFUSED
            && self.judge.refuses(record.outcome, record.took())
        {
            self.refused.insert(hash);
        }
        if self.judge.may_take(rank, record) {
            let known = Known {
                rank,
                place,
                task: hash,
            };
            self.add(task.trace_id, known);
        }
    }

    fn merge(&mut self, other: Candidates<J>) {
        self.refused.extend(other.refused);
        for (trace_id, known) in other.by_trace {
            self.add(trace_id, known);
        }
        self.cut.merge(other.cut);
    }

    fn enough(&self) -> u64 {
        self.cut.floor()
    }
}
