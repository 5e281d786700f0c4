//! How much work a segment is worth while others come in.
//!
//! A segment in columns is half as large as one in compressed rows, and says what is in it, but costs three times as
//! much to write. So it is made where the thread that seals keeps up with it, or some more threads do; when segments
//! come still faster, rows are made.

use std::time::{Duration, Instant};

use super::options::HURRY_BACKLOG;

/// The forms of a sealed segment, the cheapest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// By so many threads.
    Columns {
        threads: usize,
    },
    PackedRows,
    Rows,
}

/// What columns cost until that was measured, in ns a byte.
const COST: f64 = 4.0;
/// So many threads at most, each of which takes some 8 MiB.
const MAX_THREADS: usize = 8;

/// One thread is enough; all that others could do is to be done sooner.
pub(super) const ALONE: Effort = Effort::Columns { threads: 1 };

/// Decides by how fast segments come.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the segment before was full.
    before: Option<Instant>,
    /// What columns cost lately, in ns a byte of one thread.
    cost: f64,
    /// So many threads at most: the other half of the cores takes what comes in.
    threads: usize,
}

impl Pace {
    /// For this number of cores.
    pub(super) fn new(cores: usize) -> Pace {
        Pace {
            before: None,
            cost: COST,
            threads: (cores / 2).clamp(1, MAX_THREADS),
        }
    }

    /// For a segment of `bytes`, full at `full`, with `backlog` segments to seal, itself included.
    pub(super) fn effort(&mut self, full: Instant, bytes: u64, backlog: usize) -> Effort {
        let filled_in = self.before.replace(full).map_or(Duration::MAX, |before| {
            full.saturating_duration_since(before)
        });
        let columns = bytes as f64 * self.cost / 1e9;
        // A thread that works all the time does not keep up for long.
        let threads = ((columns / filled_in.as_secs_f64()) as usize).saturating_add(1);
        match backlog {
            HURRY_BACKLOG.. => Effort::Rows,
            0..=1 if threads <= self.threads => Effort::Columns { threads },
            _ => Effort::PackedRows,
        }
    }

    /// A segment in columns took so many threads so long.
    pub(super) fn took(&mut self, bytes: u64, threads: usize, time: Duration) {
        if bytes > 0 {
            let cost = time.as_nanos() as f64 * threads as f64 / bytes as f64;
            self.cost = self.cost * 0.75 + cost * 0.25;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: u64 = 64 << 20;

    /// For segments that are full so long after each other, in ms, with so many to seal.
    fn efforts(pace: &mut Pace, segments: &[(u64, usize)]) -> Vec<Effort> {
        let mut now = Instant::now();
        let mut next = |(ms, backlog): &(u64, usize)| {
            now += Duration::from_millis(*ms);
            pace.effort(now, BYTES, *backlog)
        };
        segments.iter().map(&mut next).collect()
    }

    #[test]
    fn columns_are_made_while_the_thread_keeps_up() {
        let mut pace = Pace::new(2);
        let segments = [
            (0, 1),
            (1000, 1),
            (100, 1),
            (1000, 2),
            (1000, HURRY_BACKLOG),
        ];
        assert_eq!(
            efforts(&mut pace, &segments),
            [
                ALONE,
                ALONE,
                Effort::PackedRows,
                Effort::PackedRows,
                Effort::Rows
            ]
        );
        for _ in 0..20 {
            pace.took(BYTES, 1, Duration::from_secs(2));
        }
        assert_eq!(efforts(&mut pace, &[(1000, 1)]), [Effort::PackedRows]);
        assert_eq!(
            efforts(&mut pace, &[(0, 1), (3000, 1)]),
            [Effort::PackedRows, ALONE]
        );
    }

    #[test]
    fn more_threads_are_taken_where_there_are_cores() {
        let mut pace = Pace::new(16);
        for _ in 0..20 {
            pace.took(BYTES, 4, Duration::from_millis(250));
        }
        let threads = |ms: u64| 1000 / ms as usize + 1;
        let columns = |ms| Effort::Columns {
            threads: threads(ms),
        };
        assert_eq!(
            efforts(
                &mut pace,
                &[(2000, 1), (1100, 1), (400, 1), (130, 1), (110, 1), (400, 2)]
            )[1..],
            [
                ALONE,
                columns(400),
                columns(130),
                Effort::PackedRows,
                Effort::PackedRows
            ]
        );
    }
}
