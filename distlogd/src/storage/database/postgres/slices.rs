//! Where rows lie in time, by the statistics of the server.

use std::ops::Range;

use tokio_postgres::Row;

use super::super::slice::Spread;
use crate::processors::postgres::day::Day;

/// Asks for the partitions of the table `$1` in the schema `$2`: name, estimated rows when it was analyzed, estimated
/// rows now, and times in µs between which there are equally many rows each.
pub(super) const ASK: &str = "SELECT c.relname::text, greatest(c.reltuples, 0)::float8, \
     CASE WHEN c.reltuples > 0 AND c.relpages > 0 \
         THEN c.reltuples / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::bigint) \
         ELSE pg_relation_size(c.oid) / 500 END::float8, \
     ARRAY(SELECT (extract(epoch FROM bound) * 1000000)::bigint \
         FROM unnest(s.histogram_bounds::text::timestamptz[]) AS bound WHERE isfinite(bound) ORDER BY bound) \
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
     LEFT JOIN pg_stats s ON s.schemaname = $2 AND s.tablename = c.relname AND s.attname = 'time' AND NOT s.inherited \
     WHERE i.inhparent = to_regclass($1)";

/// The rows of a partition, where all rows of the table lie in `all`.
pub(super) fn spreads(row: &Row, all: &Range<u64>) -> Vec<Spread> {
    let bounds: Vec<i64> = row.get(3);
    partition(row.get(0), row.get(1), row.get(2), &bounds, all)
}

fn partition(
    name: &str,
    analyzed: f64,
    rows: f64,
    bounds: &[i64],
    all: &Range<u64>,
) -> Vec<Spread> {
    let own = match Day::of_table(name) {
        Some(day) => nanos(day.start())..nanos(day.plus(1).start()),
        None => all.clone(),
    };
    let own = own.start.max(all.start)..own.end.min(all.end);
    let bounds: Vec<u64> = bounds
        .iter()
        .map(|micros| nanos(micros.saturating_mul(1000)))
        .collect();
    let (rows, mut spreads) = (rows as u64, Vec::new());
    let mut add = |times: Range<u64>, rows: u64| {
        if times.start < times.end && rows > 0 {
            spreads.push(Spread { times, rows });
        }
    };
    let (Some(last), buckets @ 1..) = (bounds.last(), bounds.len().saturating_sub(1)) else {
        add(own, rows);
        return spreads;
    };
    let analyzed = (analyzed as u64).min(rows);
    for pair in bounds.windows(2) {
        // A moment with many rows has a length, too.
        add(pair[0]..pair[1].max(pair[0] + 1), analyzed / buckets as u64);
    }
    // What came since then is mostly newer.
    let newer = (*last).max(own.start)..own.end;
    let newer = if newer.start < newer.end { newer } else { own };
    add(newer, rows - analyzed);
    spreads
}

fn nanos(nanos: i64) -> u64 {
    u64::try_from(nanos).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000_000_000;

    #[test]
    fn a_partition_without_statistics_is_even_within_its_day() {
        let all = DAY / 2..10 * DAY;
        let even = partition("records_19700101", 0.0, 300.0, &[], &all);
        assert_eq!(
            even,
            [Spread {
                times: DAY / 2..DAY,
                rows: 300
            }]
        );
        assert_eq!(
            partition("records_other", 0.0, 7.0, &[], &all)[0].times,
            all
        );
        assert_eq!(partition("records_other", 0.0, 0.0, &[], &all), []);
    }

    #[test]
    fn statistics_tell_where_rows_are_dense() {
        let all = 0..DAY;
        let bounds = [0, 1000, 5000];
        let spreads = partition("records_19700101", 100.0, 150.0, &bounds, &all);
        assert_eq!(
            spreads,
            [
                Spread {
                    times: 0..1_000_000,
                    rows: 50
                },
                Spread {
                    times: 1_000_000..5_000_000,
                    rows: 50
                },
                Spread {
                    times: 5_000_000..DAY,
                    rows: 50
                },
            ]
        );
    }
}
