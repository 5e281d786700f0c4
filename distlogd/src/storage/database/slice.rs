//! Cuts a range of time.

use std::ops::Range;

/// More slices than these are not made; they are longer then.
pub(super) const MAX_SLICES: u64 = 8192;

/// Slices of a range that begin and end at these times, as far as they lie in it.
pub(super) fn cut(times: &Range<u64>, mut at: Vec<u64>) -> Vec<Range<u64>> {
    at.retain(|time| times.start < *time && *time < times.end);
    at.sort_unstable();
    at.dedup();
    at.push(times.end);
    let mut start = times.start;
    at.into_iter()
        .map(|end| std::mem::replace(&mut start, end)..end)
        .collect()
}

/// Rows that are spread evenly over times.
#[cfg(any(feature = "clickhouse", feature = "postgres", test))]
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread {
    pub(super) times: Range<u64>,
    pub(super) rows: u64,
}

/// Cuts a range in which rows are spread so, where about `rows` lie in each slice. `spreads` may overlap.
#[cfg(any(feature = "clickhouse", feature = "postgres", test))]
pub(super) fn cut_spreads(times: &Range<u64>, spreads: &[Spread], rows: u64) -> Vec<Range<u64>> {
    let within = |spread: &Spread| {
        let start = spread.times.start.max(times.start);
        let end = spread.times.end.min(times.end);
        (start < end).then_some((start, end))
    };
    let total: f64 = spreads.iter().map(|spread| share(spread, times)).sum();
    let least = total / MAX_SLICES as f64;
    let rows = (rows.max(1) as f64).max(least);
    // Where the density of rows changes.
    let mut events: Vec<(u64, f64)> = Vec::with_capacity(2 * spreads.len());
    for spread in spreads {
        if let Some((start, end)) = within(spread) {
            let density = spread.rows as f64 / (spread.times.end - spread.times.start) as f64;
            events.extend([(start, density), (end, -density)]);
        }
    }
    events.sort_by_key(|(time, _)| *time);
    let (mut at, mut density, mut gathered) = (times.start, 0.0_f64, 0.0_f64);
    let mut cuts = Vec::new();
    for (time, change) in events {
        let length = (time - at) as f64;
        let mut done = 0.0;
        // Rounding leaves a little where nothing is.
        while density > f64::EPSILON && gathered + density * (length - done) >= rows {
            done += (rows - gathered) / density;
            gathered = 0.0;
            cuts.push(at.saturating_add(done as u64));
            if cuts.len() as u64 >= 2 * MAX_SLICES {
                break;
            }
        }
        gathered += density.max(0.0) * (length - done).max(0.0);
        (at, density) = (time, density + change);
    }
    cut(times, cuts)
}

/// How many rows of a spread lie in a range.
#[cfg(any(feature = "clickhouse", feature = "postgres", test))]
fn share(spread: &Spread, times: &Range<u64>) -> f64 {
    let start = spread.times.start.max(times.start);
    let end = spread.times.end.min(times.end);
    if start >= end {
        return 0.0;
    }
    spread.rows as f64 * ((end - start) as f64 / (spread.times.end - spread.times.start) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_have_no_gaps() {
        assert_eq!(
            cut(&(5..20), vec![30, 10, 5, 10, 7, 20]),
            [5..7, 7..10, 10..20]
        );
        assert_eq!(cut(&(5..20), Vec::new()), vec![5..20; 1]);
    }

    #[test]
    fn where_rows_are_dense_slices_are_short() {
        let spreads = [
            Spread {
                times: 0..1000,
                rows: 1000,
            },
            Spread {
                times: 1000..2000,
                rows: 10,
            },
        ];
        let slices = cut_spreads(&(0..u64::MAX), &spreads, 500);
        assert_eq!(slices, [0..500, 500..1000, 1000..u64::MAX]);
        // Those that overlap add up.
        let slices = cut_spreads(&(0..1000), &[spreads[0].clone(), spreads[0].clone()], 500);
        assert_eq!(slices.len(), 4);
        assert_eq!(cut_spreads(&(0..1000), &[], 500), vec![0..1000; 1]);
        let many = [Spread {
            times: 0..1 << 40,
            rows: 1 << 40,
        }];
        assert!(cut_spreads(&(0..1 << 40), &many, 1).len() as u64 <= 2 * MAX_SLICES + 1);
    }
}
