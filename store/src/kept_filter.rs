//! The filter of a sealed segment's traces, kept in memory once it was read.
//!
//! A million traces take 1.6 MB: of traces of 20 records a million records take 80 KB. What is kept of all segments
//! together is bounded. Where there is no more room, a look-up reads of the file the 64 bytes that tell.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::filter::{Filter, Probe};

/// Bytes of filters that are kept: of ten million traces.
const MAX_BYTES: usize = 16 << 20;

/// Room for the filters of all segments.
#[derive(Debug, Default)]
pub(super) struct FilterRoom {
    taken: Arc<AtomicUsize>,
}

/// A filter that is kept, or none yet. It goes with its segment, when that is gone or written anew.
#[derive(Debug, Default)]
pub(super) struct KeptFilter(OnceLock<Kept>);

#[derive(Debug)]
struct Kept {
    filter: Filter,
    _place: Place,
}

/// Bytes of the room that are given back.
#[derive(Debug)]
struct Place {
    taken: Arc<AtomicUsize>,
    bytes: usize,
}

impl FilterRoom {
    fn take(&self, bytes: usize) -> Option<Place> {
        let order = Ordering::Relaxed;
        let more = |taken: usize| Some(taken + bytes).filter(|taken| *taken <= MAX_BYTES);
        self.taken.fetch_update(order, order, more).ok()?;
        let taken = Arc::clone(&self.taken);
        Some(Place { taken, bytes })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl KeptFilter {
    /// Whether something may be there; `read` gives the filter, which has so many bytes. `None` if there is no room.
    pub(super) fn may_hold(
        &self,
        probe: &Probe,
        bytes: usize,
        room: &FilterRoom,
        read: impl FnOnce() -> io::Result<Filter>,
    ) -> io::Result<Option<bool>> {
        if let Some(kept) = self.0.get() {
            return Ok(Some(kept.filter.may_hold(probe)));
        }
        let Some(place) = room.take(bytes) else {
            return Ok(None);
        };
        let filter = read()?;
        let held = filter.may_hold(probe);
        // Another thread may have been quicker.
        let _ = self.0.set(Kept {
            filter,
            _place: place,
        });
        Ok(Some(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter;

    #[test]
    fn a_filter_is_read_once_while_there_is_room_and_gives_it_back() {
        let (known, other) = ([1; 16], [2; 16]);
        let read = || Ok(Filter::new(&filter::build(&[known])));
        let room = FilterRoom::default();
        let kept = KeptFilter::default();
        let ask = |kept: &KeptFilter, id, bytes, read: &dyn Fn() -> io::Result<Filter>| {
            kept.may_hold(&Probe::of_trace(id), bytes, &room, read)
        };
        let fails = || Err(io::ErrorKind::Other.into());
        assert!(ask(&kept, &known, MAX_BYTES, &fails).is_err());
        assert_eq!(ask(&kept, &known, MAX_BYTES, &read).unwrap(), Some(true));
        assert_eq!(ask(&kept, &known, MAX_BYTES, &fails).unwrap(), Some(true));
        assert_eq!(ask(&kept, &other, MAX_BYTES, &fails).unwrap(), Some(false));

        let next = KeptFilter::default();
        assert_eq!(ask(&next, &known, 64, &read).unwrap(), None);
        drop(kept);
        assert_eq!(ask(&next, &known, 64, &read).unwrap(), Some(true));
    }
}
