//! Where the records of a tree are: a tree holds places only, and reads records when they are shown.

use std::rc::Rc;

use distlog_proto::{BatchRef, RecordRef};

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of its batch in the source.
    pub batch: u32,
    /// How many records stand before it in the batch.
    pub at: u32,
}

/// A batch, ready to read single records of it.
#[derive(Debug)]
pub struct StoredBatch {
    /// The number of its first record in the store.
    first: u64,
    bytes: Vec<u8>,
    /// Where its records stand in the bytes.
    places: Vec<u32>,
    /// What its records share: however many there are, one of them is read without the others.
    shared: Vec<u8>,
}

impl StoredBatch {
    /// From its bytes; `first` is the number of its first record in the store.
    pub fn new(first: u64, bytes: Vec<u8>) -> StoredBatch {
        StoredBatch {
            first,
            places: BatchRef::places(&bytes).map(|at| at as u32).collect(),
            shared: BatchRef::shared(&bytes),
            bytes,
        }
    }

    /// Bytes that it takes.
    pub fn weight(&self) -> usize {
        self.bytes.len() + self.shared.len() + size_of_val(&*self.places)
    }
}

/// Gives batches by their number.
pub trait Source {
    /// A batch; `None` if it is there no more.
    fn batch(&mut self, number: u32) -> Option<Rc<StoredBatch>>;
}

impl Source for Vec<Rc<StoredBatch>> {
    fn batch(&mut self, number: u32) -> Option<Rc<StoredBatch>> {
        self.get(number as usize).cloned()
    }
}

/// Reads the record at a place; `None` if it is there no more, as when retention was quicker.
pub(super) fn read<R>(
    source: &mut dyn Source,
    place: Place,
    see: impl FnOnce(&RecordRef<'_>) -> R,
) -> Option<R> {
    let stored = source.batch(place.batch)?;
    let at = *stored.places.get(place.at as usize)?;
    let record = BatchRef::bytes_at(&stored.bytes, at as usize)?;
    let mut bytes = Vec::with_capacity(stored.shared.len() + record.len());
    bytes.extend_from_slice(&stored.shared);
    bytes.extend_from_slice(record);
    let batch = BatchRef::parse(&bytes).ok()?;
    let mut record = batch.records().next()?.ok()?;
    record.store_number = stored.first + u64::from(place.at);
    Some(see(&record))
}
