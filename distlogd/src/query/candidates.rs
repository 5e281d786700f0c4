//! The newest records that may be the topmost of their traces.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use distlog_proto::{Kind, RecordRef, TraceId};

use super::scan::{Collect, Place};

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
        let task = record.task?;
        if record.kind != Kind::Begin {
            return Some(Rank::Log);
        }
        Some(match task.parent_span_id {
            None => Rank::Root,
            Some(_) if task.path.starts_with('~') && task.path.matches('/').count() == 1 => {
                Rank::Imported
            }
            Some(_) => Rank::Inner,
        })
    }
}

/// Whether a trace is wanted if that record is its topmost one.
pub(super) type Test = Arc<dyn Fn(Rank, TraceId, &RecordRef<'_>) -> bool + Send + Sync>;

/// The newest candidates: of each trace the likeliest, of equals the earliest.
pub(super) struct Candidates {
    limit: usize,
    test: Test,
    by_trace: HashMap<TraceId, (Rank, Place)>,
    order: BTreeSet<(Place, TraceId)>,
    /// The newest one that was left out.
    left_out: Option<Place>,
    /// Older records may have been passed over.
    floor: u64,
}

impl Candidates {
    /// At most so many.
    pub(super) fn new(limit: usize, test: Test) -> Candidates {
        Candidates {
            limit,
            test,
            by_trace: HashMap::new(),
            order: BTreeSet::new(),
            left_out: None,
            floor: 0,
        }
    }

    fn leave_out(&mut self, place: Place) {
        self.left_out = self.left_out.max(Some(place));
    }

    fn add(&mut self, trace_id: TraceId, rank: Rank, place: Place) {
        if let Some(known) = self.by_trace.get_mut(&trace_id) {
            if rank > known.0 || (rank == known.0 && place < known.1) {
                self.order.remove(&(known.1, trace_id));
                self.order.insert((place, trace_id));
                *known = (rank, place);
            }
            return;
        }
        if self.order.len() >= self.limit
            && let Some((oldest, of)) = self.order.first().copied()
        {
            self.floor = self.floor.max(oldest.time);
            if place < oldest {
                return self.leave_out(place);
            }
            self.leave_out(oldest);
            self.order.pop_first();
            self.by_trace.remove(&of);
        }
        self.order.insert((place, trace_id));
        self.by_trace.insert(trace_id, (rank, place));
    }

    /// Topmost records before this place may be missing here; `None` if none is.
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

    /// Those that are not before the bound.
    pub(super) fn newest_first(self) -> Vec<(Place, TraceId)> {
        let bound = self.bound();
        let all = self.order.into_iter().rev();
        all.take_while(|(place, _)| bound.is_none_or(|bound| *place >= bound))
            .collect()
    }
}

impl Collect for Candidates {
    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        let Some((rank, task)) = Rank::of(record).zip(record.task) else {
            return;
        };
        if (self.test)(rank, task.trace_id, record) {
            self.add(task.trace_id, rank, place);
        }
    }

    fn merge(&mut self, other: Candidates) {
        for (trace_id, (rank, place)) in other.by_trace {
            self.add(trace_id, rank, place);
        }
        self.left_out = self.left_out.max(other.left_out);
        self.floor = self.floor.max(other.floor);
    }

    fn enough(&self) -> u64 {
        self.floor
    }
}
