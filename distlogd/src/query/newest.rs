//! The newest records that match, page by page.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::RecordRef;

use super::budget::{Budget, Held};
use super::cursor::{Cursor, Window};
use super::scan::{Collect, Counters, Outcome, Place, Running};
use super::{Engine, Filter, QueryError};
use crate::storage::{RecordReader, Storage, StorageError};

/// Writes a record as it is answered.
pub type Encode = Arc<dyn Fn(&RecordRef<'_>, &mut Vec<u8>) + Send + Sync>;

/// A page has so many bytes at most, or one record.
const MAX_PAGE: usize = 16 << 20;

/// The query of a page.
pub struct Records {
    running: Running<Newest>,
    /// What is looked at by this page, and after it.
    window: Window,
    later: Vec<Window>,
    storage: Arc<dyn Storage>,
    encode: Encode,
}

impl Engine {
    /// Looks for the newest `limit` records that pass, of those that are stored now or, with a cursor, were when the
    /// first page was asked for. `encode` writes them.
    ///
    /// # Errors
    /// As [`Engine::scan`].
    pub fn newest(
        &self,
        mut filter: Filter,
        cursor: Option<Cursor>,
        limit: usize,
        timeout: Duration,
        counters: Arc<Counters>,
        encode: Encode,
    ) -> Result<Records, QueryError> {
        let first = Window {
            numbers: 0..self.storage.positions()?.end,
            ..Window::ALL
        };
        let mut windows = cursor.map_or_else(|| vec![first], |cursor| cursor.windows);
        filter.window = windows.remove(0);
        let window = filter.window.clone();
        let running = self.scan(filter, timeout, counters, || Newest {
            limit,
            kept: BinaryHeap::new(),
            cut: false,
            encode: Arc::clone(&encode),
            budget: Arc::clone(&self.budget),
        })?;
        Ok(Records {
            running,
            window,
            later: windows,
            storage: Arc::clone(&self.storage),
            encode,
        })
    }
}

impl Records {
    /// The query, to see how far it is.
    pub fn running(&mut self) -> &mut Running<Newest> {
        &mut self.running
    }

    /// The page, of what the query found.
    pub fn page(self, outcome: Outcome<Newest>) -> Page {
        let Outcome { found, looked_from } = outcome;
        let mut items = found.kept.into_vec();
        // Newest first: the heap has them reversed.
        items.sort_unstable();
        let items: Vec<Kept> = items.into_iter().map(|Reverse(kept)| kept).collect();
        Page {
            items: items.into_iter(),
            cut: found.cut,
            window: self.window,
            looked_from,
            later: self.later,
            last: None,
            bytes: 0,
            again: self.storage.record_reader(),
            encode: self.encode,
        }
    }
}

/// The newest records that match, as many as are wanted.
pub struct Newest {
    limit: usize,
    /// The oldest on top.
    kept: BinaryHeap<Reverse<Kept>>,
    /// Older ones matched, too.
    cut: bool,
    encode: Encode,
    budget: Arc<Budget>,
}

struct Kept {
    place: Place,
    /// What is answered; `None` where there was no room for it: it is read again.
    written: Option<(Vec<u8>, Held)>,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.place == other.place
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Kept) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Kept) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl Newest {
    /// Whether one at that place is to be kept; makes room for it.
    fn make_room(&mut self, place: Place) -> bool {
        if self.kept.len() < self.limit {
            return true;
        }
        self.cut = true;
        let newer = self
            .kept
            .peek()
            .is_some_and(|oldest| oldest.0.place < place);
        if newer {
            self.kept.pop();
        }
        newer
    }
}

impl Collect for Newest {
    fn take(&mut self, record: &RecordRef<'_>, place: Place) {
        if !self.make_room(place) {
            return;
        }
        let mut bytes = Vec::new();
        (self.encode)(record, &mut bytes);
        bytes.shrink_to_fit();
        let mut held = self.budget.hold();
        let written = held.grow(bytes.len()).then_some((bytes, held));
        self.kept.push(Reverse(Kept { place, written }));
    }

    fn merge(&mut self, other: Newest) {
        self.cut |= other.cut;
        for kept in other.kept {
            if self.make_room(kept.0.place) {
                self.kept.push(kept);
            }
        }
    }

    fn enough(&self) -> u64 {
        match self.kept.peek() {
            // Only when one was left out it is known that there is another page.
            Some(oldest) if self.cut => oldest.0.place.time,
            _ => 0,
        }
    }
}

/// A page of records, newest first.
pub struct Page {
    items: std::vec::IntoIter<Kept>,
    cut: bool,
    window: Window,
    looked_from: u64,
    later: Vec<Window>,
    /// The last one that was given.
    last: Option<Place>,
    bytes: usize,
    again: Box<dyn RecordReader>,
    encode: Encode,
}

impl Page {
    /// The next record as it was encoded; `None` at the end of the page. It may read the storage.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, StorageError> {
        loop {
            let Some(kept) = self.items.next() else {
                return Ok(None);
            };
            let place = kept.place;
            let written = match kept.written {
                Some((bytes, _)) => Some(bytes),
                None => self.read_again(place)?,
            };
            // Retention may have taken it.
            let Some(bytes) = written else {
                self.last = Some(place);
                continue;
            };
            if self.bytes > 0 && self.bytes + bytes.len() > MAX_PAGE {
                self.cut = true;
                self.items = Vec::new().into_iter();
                return Ok(None);
            }
            self.bytes += bytes.len();
            self.last = Some(place);
            return Ok(Some(bytes));
        }
    }

    /// Leaves out what was not taken yet: the next page begins with it.
    #[cfg(feature = "mcp")]
    pub fn cut(&mut self) {
        self.cut |= self.items.len() > 0;
        self.items = Vec::new().into_iter();
    }

    fn read_again(&mut self, place: Place) -> Result<Option<Vec<u8>>, StorageError> {
        let mut written = None;
        self.again.read(place, &mut |record| {
            let mut out = Vec::new();
            (self.encode)(record, &mut out);
            written = Some(out);
        })?;
        Ok(written)
    }

    /// Whether everything was looked at that the page is about.
    pub fn complete(&self) -> bool {
        self.looked_from <= self.window.numbers.start
    }

    /// Where the next page begins, once all of this one was taken.
    pub fn cursor(&self) -> Option<Cursor> {
        let Window { numbers, before } = self.window.clone();
        let looked_from = self.looked_from.clamp(numbers.start, numbers.end);
        let mut windows = Vec::new();
        if self.cut {
            windows.push(Window {
                numbers: looked_from..numbers.end,
                before: self.last.unwrap_or(before),
            });
        }
        windows.push(Window {
            numbers: numbers.start..looked_from,
            before,
        });
        windows.extend(self.later.iter().cloned());
        windows.retain(|window| !window.numbers.is_empty());
        Cursor::over(windows)
    }
}
