//! Where the records of a tree are: a tree holds places only, and reads records when they are shown.

use std::rc::Rc;

use distlog_proto::{BatchRef, RecordRef};

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of its batch in the source.
    pub batch: u32,
    /// See [`BatchRef::record_at`].
    pub at: u32,
}

/// Gives batches by their number.
pub trait Source {
    /// The bytes of a batch; `None` if they are there no more.
    fn batch(&mut self, number: u32) -> Option<Rc<Vec<u8>>>;
}

impl Source for Vec<Rc<Vec<u8>>> {
    fn batch(&mut self, number: u32) -> Option<Rc<Vec<u8>>> {
        self.get(number as usize).cloned()
    }
}

/// Reads the record at a place; `None` if it is there no more, as when retention was quicker.
pub(super) fn read<R>(
    source: &mut dyn Source,
    place: Place,
    see: impl FnOnce(&RecordRef<'_>) -> R,
) -> Option<R> {
    let bytes = source.batch(place.batch)?;
    let batch = BatchRef::parse(&bytes).ok()?;
    let record = batch.record_at(place.at as usize)?;
    Some(see(&record))
}
