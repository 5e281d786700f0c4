//! Reads the records of an entry from the store: in one pass, or by the index of traces.

use std::cell::Cell;

use distlog_proto::RecordRef;
use distlog_store::{Batches, Cursor, Progress, ReadError, Reader, TraceCursor};

use super::frame::Entry;
use super::log::Placed;
use super::plan;

/// Read at once, in bytes.
pub(super) const READ_BYTES: usize = 256 << 10;

enum Way {
    Pass(Cursor),
    LookUp(TraceCursor),
}

/// The entry at hand.
struct At {
    place: u64,
    /// Records before this number were read.
    number: u64,
    way: Way,
    found: Found,
    /// Whether it was read from its begin on.
    whole: bool,
    /// Records of any trace that were damaged.
    damaged: u64,
}

/// Which records of traces were there.
#[derive(Debug, Default)]
struct Found {
    count: Cell<u64>,
    /// Those before this number were counted.
    before: Cell<u64>,
}

/// The records that pass.
pub struct Passing<'a> {
    entry: &'a Entry,
    found: &'a Found,
}

impl Passing<'_> {
    /// Whether the record is one of them.
    pub fn has(&self, record: &RecordRef<'_>) -> bool {
        let number = record.store_number;
        let Some(task) = record.task else {
            let (from, to) = self.entry.loose;
            return (from..to).contains(&number);
        };
        let part = self.entry.part(task.trace_id);
        let has = part.is_some_and(|part| (part.from..part.to).contains(&number));
        if has && number >= self.found.before.get() {
            self.found.count.set(self.found.count.get() + 1);
            self.found.before.set(number + 1);
        }
        has
    }
}

/// Reads entries.
pub(super) struct Delivery {
    reader: Reader,
    batches: Batches,
    at: Option<At>,
}

/// What was read of an entry.
pub(super) struct Read<'a> {
    pub batches: &'a Batches,
    /// All of the entry before this number is read.
    pub to: u64,
    pub passing: Passing<'a>,
}

impl Delivery {
    pub(super) fn new(reader: Reader) -> Delivery {
        Delivery {
            reader,
            batches: Batches::new(),
            at: None,
        }
    }

    /// What of an entry that was read to its end was not there any more.
    pub(super) fn missing(&mut self, placed: &Placed) -> Progress {
        let is_read = |at: &mut At| at.place == placed.place && at.number >= placed.entry.to;
        let mut missing = Progress::default();
        if let Some(at) = self.at.take_if(is_read).filter(|at| at.whole) {
            let gone = placed.entry.records().saturating_sub(at.found.count.get());
            if self.reader.first() > placed.entry.from {
                missing.expired = gone;
            } else {
                // What somebody deleted is not missed.
                missing.damaged = gone.min(at.damaged);
            }
        }
        missing
    }

    /// Reads on from a number.
    pub(super) fn read<'a>(
        &'a mut self,
        placed: &'a Placed,
        number: u64,
    ) -> Result<Read<'a>, ReadError> {
        let Placed { place, entry } = placed;
        let mut at = match self.at.take() {
            Some(at) if at.place == *place && at.number == number => at,
            other => self.begin(placed, number, other),
        };
        let to = match &mut at.way {
            Way::Pass(cursor) => {
                let progress = cursor.next_batches(&mut self.batches, READ_BYTES)?;
                at.damaged += progress.damaged;
                cursor.position()
            }
            Way::LookUp(cursor) => loop {
                cursor.next_batches(&mut self.batches, READ_BYTES)?;
                match self.batches.iter().last() {
                    Some((batch, _)) if batch.end() <= number => {}
                    Some((batch, _)) => break batch.end(),
                    None => break entry.to,
                }
            },
        };
        // A store that has nothing there any more has nothing of the rest either.
        let to = if to > number {
            to.min(entry.to)
        } else {
            entry.to
        };
        at.number = to;
        let at = self.at.insert(at);
        Ok(Read {
            batches: &self.batches,
            to,
            passing: Passing {
                entry,
                found: &at.found,
            },
        })
    }

    /// Begins to read an entry, which may have been read in part.
    fn begin(&self, placed: &Placed, number: u64, before: Option<At>) -> At {
        let entry = &placed.entry;
        let way = if plan::is_looked_up(entry) {
            Way::LookUp(self.reader.trace(entry.parts[0].trace))
        } else {
            Way::Pass(self.reader.cursor(number))
        };
        let (found, whole, damaged) = match before {
            Some(at) if at.place == placed.place => (at.found, at.whole, at.damaged),
            _ => (Found::default(), number == entry.from, 0),
        };
        At {
            place: placed.place,
            number,
            way,
            found,
            whole,
            damaged,
        }
    }
}
