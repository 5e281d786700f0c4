//! Virtual time: nothing happens but events, in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Since the simulation began.
pub type Time = Duration;

/// What is to happen, and when. Of two at one time, what was planned first comes first.
pub struct Agenda<E> {
    /// The state machines compare instants; where they begin does not matter.
    begin: Instant,
    now: Time,
    planned: u64,
    events: BinaryHeap<Reverse<Planned<E>>>,
}

struct Planned<E> {
    at: Time,
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub fn new() -> Agenda<E> {
        Agenda {
            begin: Instant::now(),
            now: Time::ZERO,
            planned: 0,
            events: BinaryHeap::new(),
        }
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// The same, as state machines take it.
    pub fn instant(&self) -> Instant {
        self.begin + self.now
    }

    pub fn plan(&mut self, at: Time, event: E) {
        self.planned += 1;
        self.events.push(Reverse(Planned {
            at: at.max(self.now),
            number: self.planned,
            event,
        }));
    }

    /// The next event, if it is due before `end`. Time is then what it says.
    pub fn next(&mut self, end: Time) -> Option<E> {
        if self.events.peek().is_none_or(|Reverse(next)| next.at > end) {
            self.now = end;
            return None;
        }
        let Reverse(next) = self.events.pop()?;
        self.now = next.at;
        Some(next.event)
    }
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Planned<E> {}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Planned<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
