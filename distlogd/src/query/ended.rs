//! The newest ends of tasks, which may be those of the topmost tasks of their traces.
//!
//! What ended is in few blocks where few tasks end so, and the index says in which. A task's begin stands wherever it
//! began: the duration tells when, so that the ends alone are put in order of begins.

use std::collections::{BTreeMap, HashMap};

use distlog_proto::{Kind, Outcome, RecordRef, SpanId, TraceId};

use super::candidates::{Candidate, Cut, Rank};
use super::scan::{Collect, Place};

/// Roots that are remembered.
const MAX_ROOTS: usize = 1 << 16;
/// So many more than are wanted are kept until those go that are not the topmost ones.
const MARGIN: usize = 64;

/// Collects ends.
pub(super) struct EndedTasks {
    limit: usize,
    outcomes: Vec<Outcome>,
    at_least: u64,
    /// Those at and behind this place were told.
    before: Place,
    kept: BTreeMap<Place, End>,
    /// Of traces whose root began in a block that was read.
    roots: HashMap<TraceId, SpanId>,
    cut: Cut,
}

struct End {
    trace_id: TraceId,
    span_id: SpanId,
    /// A task is above it.
    inner: bool,
}

/// Where the end of a task stands in the list: at its begin, by its duration; with the number of the end.
pub(super) fn place_of_end(end: Place, took: Option<u64>) -> Place {
    Place {
        time: end.time.saturating_sub(took.unwrap_or(0)),
        number: end.number,
    }
}

/// Whether another task is known to be the topmost one.
fn is_below(roots: &HashMap<TraceId, SpanId>, end: &End) -> bool {
    let root = roots.get(&end.trace_id);
    end.inner && root.is_some_and(|root| *root != end.span_id)
}

impl EndedTasks {
    /// The `limit` newest tasks that ended in one of some ways, after so long at least, and begun before a place.
    pub(super) fn new(limit: usize, outcomes: &[Outcome], at_least: u64, before: Place) -> Self {
        EndedTasks {
            limit,
            outcomes: outcomes.to_vec(),
            at_least,
            before,
            kept: BTreeMap::new(),
            roots: HashMap::new(),
            cut: Cut::default(),
        }
    }

    fn add(&mut self, place: Place, end: End) {
        if is_below(&self.roots, &end) {
            return;
        }
        self.kept.insert(place, end);
        if self.kept.len() <= self.limit + self.limit.min(MARGIN) {
            return;
        }
        self.kept.retain(|_, end| !is_below(&self.roots, end));
        while self.kept.len() > self.limit
            && let Some((oldest, _)) = self.kept.pop_first()
        {
            self.cut.leave_out(oldest);
            self.cut.raise(oldest.time);
        }
    }

    /// Those that are not before the bound, and the bound: see [`Cut::bound`].
    pub(super) fn newest_first(self) -> (Vec<Candidate>, Option<Place>) {
        let bound = self.cut.bound();
        let roots = self.roots;
        let all = self.kept.into_iter().rev();
        let all = all.take_while(|(place, _)| bound.is_none_or(|bound| *place >= bound));
        let candidates = all
            .filter(|(_, end)| !is_below(&roots, end))
            .map(|(place, end)| Candidate {
                place,
                trace_id: end.trace_id,
            });
        (candidates.collect(), bound)
    }
}

impl Collect for EndedTasks {
    const COUNTED: bool = false;

    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        let Some(task) = &record.task else { return };
        match record.kind {
            Kind::Begin
                if Rank::of_task(task) >= Rank::Imported && self.roots.len() < MAX_ROOTS =>
            {
                self.roots.insert(task.trace_id, task.span_id);
            }
            Kind::End if self.outcomes.contains(&record.outcome) => {
                let took = record.took();
                let place = place_of_end(place, took);
                if place < self.before && took.unwrap_or(0) >= self.at_least {
                    let end = End {
                        trace_id: task.trace_id,
                        span_id: task.span_id,
                        inner: Rank::of_task(task) == Rank::Inner,
                    };
                    self.add(place, end);
                }
            }
            _ => {}
        }
    }

    fn merge(&mut self, other: EndedTasks) {
        for (place, end) in other.kept {
            self.add(place, end);
        }
        self.roots.extend(other.roots);
        self.cut.merge(other.cut);
    }

    fn enough(&self) -> u64 {
        self.cut.floor()
    }
}
