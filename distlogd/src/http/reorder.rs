//! Puts records of several processes in order of time, within a short window.
//!
//! Processes collect records before they send them, so what comes in interleaves by batch, not by time. Each record is
//! held for the window; when it is due, all that is older goes before it. Nothing waits longer than the window, and
//! memory is bounded: when too much is held, the record that came first is due at once.

use std::collections::{BTreeMap, VecDeque};
use std::mem::size_of;
use std::time::{Duration, Instant};

/// Held at most, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// What a held record costs beyond its own bytes: its places in the map and in the queue.
const RECORD_BYTES: usize = 128;

/// Time in ns since the epoch, then number in the store.
type Key = (u64, u64);

/// Records that wait for older ones.
#[derive(Debug)]
pub(super) struct Reorder {
    window: Duration,
    held: BTreeMap<Key, String>,
    /// In the order in which they came. May name some that are gone.
    arrivals: VecDeque<(Instant, Key)>,
    /// Bytes in `held`.
    bytes: usize,
    /// Everything up to here goes out now.
    due: Option<Key>,
}

impl Reorder {
    /// Holds each record so long; zero keeps the order in which they come, if each is taken out before the next is put
    /// in.
    pub(super) fn new(window: Duration) -> Reorder {
        Reorder {
            window,
            held: BTreeMap::new(),
            arrivals: VecDeque::new(),
            bytes: 0,
            due: None,
        }
    }

    /// Takes the text of a record. Numbers ascend.
    pub(super) fn push(&mut self, now: Instant, time: u64, number: u64, text: String) {
        let key = (time, number);
        self.bytes += text.len() + RECORD_BYTES;
        self.arrivals.push_back((now, key));
        self.held.insert(key, text);
    }

    /// The next record that goes out now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<String> {
        loop {
            if let (Some(due), Some(first)) = (self.due, self.held.first_entry())
                && *first.key() <= due
            {
                let text = first.remove();
                self.bytes -= text.len() + RECORD_BYTES;
                return Some(text);
            }
            self.due = None;
            let (arrived, key) = self.first_arrival()?;
            let full = self.bytes + self.arrivals.len() * size_of::<(Instant, Key)>() > MAX_BYTES;
            if !full && now.duration_since(arrived) < self.window {
                return None;
            }
            self.due = Some(key);
        }
    }

    /// How long until [`pop`](Self::pop) may have one; `None` while nothing is held.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Duration> {
        let (arrived, _) = self.first_arrival()?;
        Some(self.window.saturating_sub(now.duration_since(arrived)))
    }

    /// The lowest number of those held.
    pub(super) fn lowest(&mut self) -> Option<u64> {
        self.first_arrival().map(|(_, (_, number))| number)
    }

    /// Everything that is held goes out now.
    pub(super) fn close(&mut self) {
        self.window = Duration::ZERO;
    }

    /// Of those still held the one that came first.
    fn first_arrival(&mut self) -> Option<(Instant, Key)> {
        while let Some(first) = self.arrivals.front() {
            if self.held.contains_key(&first.1) {
                return Some(*first);
            }
            self.arrivals.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(200);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn all(reorder: &mut Reorder, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| reorder.pop(now)).collect()
    }

    #[test]
    fn what_comes_within_the_window_goes_out_by_time() {
        let start = Instant::now();
        let mut reorder = Reorder::new(WINDOW);
        reorder.push(start, 30, 1, "c".into());
        reorder.push(start, 50, 2, "e".into());
        reorder.push(start + ms(100), 10, 3, "a".into());
        reorder.push(start + ms(150), 40, 4, "d".into());
        assert_eq!(reorder.wait(start + ms(150)), Some(ms(50)));
        assert_eq!(reorder.pop(start + ms(199)), None);
        assert_eq!(reorder.lowest(), Some(1));
        assert_eq!(all(&mut reorder, start + ms(200)), ["a", "c", "d", "e"]);
        assert_eq!((reorder.lowest(), reorder.wait(start)), (None, None));
        assert_eq!(reorder.bytes, 0);
    }

    #[test]
    fn nothing_waits_for_those_that_come_after_it() {
        let start = Instant::now();
        let mut reorder = Reorder::new(WINDOW);
        reorder.push(start, 100, 1, "first".into());
        // Each is older than all before it, as from a process whose clock is behind.
        for n in 1..=10 {
            reorder.push(start + ms(n * 20), 100 - n, n + 1, n.to_string());
        }
        assert_eq!(all(&mut reorder, start + ms(200)).len(), 11);
    }

    #[test]
    fn what_is_newer_waits_its_own_time() {
        let start = Instant::now();
        let mut reorder = Reorder::new(WINDOW);
        reorder.push(start, 1, 1, "a".into());
        reorder.push(start + ms(100), 3, 2, "c".into());
        assert_eq!(all(&mut reorder, start + ms(200)), ["a"]);
        reorder.push(start + ms(250), 2, 3, "b".into());
        assert_eq!(reorder.lowest(), Some(2));
        assert_eq!(all(&mut reorder, start + ms(300)), ["b", "c"]);
        reorder.push(start + ms(300), 4, 4, "d".into());
        reorder.close();
        assert_eq!(all(&mut reorder, start + ms(300)), ["d"]);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_nothing_is_lost(
            records in proptest::collection::vec((0u64..1000, 0usize..4000), 0..1000),
            window in prop_oneof![Just(Duration::ZERO), Just(WINDOW)],
        ) {
            let now = Instant::now();
            let mut reorder = Reorder::new(window);
            let mut out = Vec::new();
            for (number, (time, size)) in (1..).zip(&records) {
                reorder.push(now, *time, number, format!("{number:0size$}"));
                out.extend(std::iter::from_fn(|| reorder.pop(now)));
                prop_assert!(reorder.bytes <= MAX_BYTES);
                prop_assert!(reorder.arrivals.len() <= MAX_BYTES / 16);
            }
            reorder.close();
            out.extend(all(&mut reorder, now));
            let mut numbers: Vec<usize> = out.iter().map(|text| text.parse().unwrap()).collect();
            if window.is_zero() {
                prop_assert!(numbers.is_sorted());
            }
            numbers.sort_unstable();
            prop_assert!(numbers.into_iter().eq(1..=records.len()));
        }
    }
}
