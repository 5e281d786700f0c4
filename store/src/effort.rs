//! How much work a segment is worth while others come in.
//!
//! A segment in columns is half as large as one in compressed rows, and says what is in it, but costs three times as
//! much to write. So it is made where the thread that seals keeps up with it; when segments come faster, rows are made.

use std::time::{Duration, Instant};

use super::options::HURRY_BACKLOG;

/// The forms of a sealed segment, the cheapest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    Columns,
    PackedRows,
    Rows,
}

/// What columns cost until that was measured, in ns a byte.
const COST: f64 = 4.0;

/// Decides by how fast segments come.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the segment before was full.
    before: Option<Instant>,
    /// What columns cost lately, in ns a byte.
    cost: f64,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace {
            before: None,
            cost: COST,
        }
    }

    /// For a segment of `bytes`, full at `full`, with `backlog` segments to seal, itself included.
    pub(super) fn effort(&mut self, full: Instant, bytes: u64, backlog: usize) -> Effort {
        let filled_in = self.before.replace(full).map_or(Duration::MAX, |before| {
            full.saturating_duration_since(before)
        });
        let columns = Duration::from_nanos((bytes as f64 * self.cost) as u64);
        match backlog {
            HURRY_BACKLOG.. => Effort::Rows,
            0..=1 if columns < filled_in => Effort::Columns,
            _ => Effort::PackedRows,
        }
    }

    /// A segment in columns took so long.
    pub(super) fn took(&mut self, bytes: u64, time: Duration) {
        if bytes > 0 {
            let cost = time.as_nanos() as f64 / bytes as f64;
            self.cost = self.cost * 0.75 + cost * 0.25;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_made_while_the_thread_keeps_up() {
        const BYTES: u64 = 64 << 20;
        let mut pace = Pace::new();
        let mut now = Instant::now();
        let mut after = |pace: &mut Pace, ms: u64, backlog| {
            now += Duration::from_millis(ms);
            pace.effort(now, BYTES, backlog)
        };
        assert_eq!(after(&mut pace, 0, 1), Effort::Columns);
        assert_eq!(after(&mut pace, 1000, 1), Effort::Columns);
        assert_eq!(after(&mut pace, 100, 1), Effort::PackedRows);
        assert_eq!(after(&mut pace, 1000, 2), Effort::PackedRows);
        assert_eq!(after(&mut pace, 1000, HURRY_BACKLOG), Effort::Rows);
        for _ in 0..20 {
            pace.took(BYTES, Duration::from_secs(2));
        }
        assert_eq!(after(&mut pace, 1000, 1), Effort::PackedRows);
        assert_eq!(after(&mut pace, 3000, 1), Effort::Columns);
    }
}
