//! Cuts a range of time where rows lie.

use std::ops::Range;

use rusqlite::{Connection, params_from_iter};

use super::super::Ask;
use super::super::conditions::{bounds, traces};
use super::super::slice::{MAX_SLICES, cut};
use super::error::Fault;
use super::number;
use super::query::Query;

/// More times than these are not read to cut a trace.
const MAX_TIMES: usize = 4 << 20;

/// Slices of about `rows` rows. Ids count up as records come, so the times of every `rows`th id say where records lie;
/// a trace is cut by the times of its rows.
pub(super) fn slices(
    connection: &Connection,
    ask: &Ask<'_>,
    rows: u64,
) -> Result<Vec<Range<u64>>, Fault> {
    let rows = rows.max(1);
    let at = match traces(ask.rows) {
        Some(_) => of_traces(connection, ask, rows)?,
        None => sampled(connection, &ask.times, rows)?,
    };
    Ok(cut(&ask.times, at))
}

fn of_traces(connection: &Connection, ask: &Ask<'_>, rows: u64) -> Result<Vec<u64>, Fault> {
    let Query { sql, parameters } = Query::times(ask);
    let mut statement = connection.prepare_cached(&sql)?;
    let times = statement.query_map(params_from_iter(parameters), |row| row.get::<_, i64>(0))?;
    let mut times: Vec<i64> = times.take(MAX_TIMES).collect::<Result<_, _>>()?;
    times.sort_unstable();
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let at = times.iter().skip(rows).step_by(rows);
    Ok(at.map(|time| time.cast_unsigned()).collect())
}

fn sampled(connection: &Connection, times: &Range<u64>, rows: u64) -> Result<Vec<u64>, Fault> {
    let Some((first, last)) = ids(connection, times)? else {
        return Ok(Vec::new());
    };
    let count = last.abs_diff(first);
    let step = rows.max(count / MAX_SLICES).max(1);
    let mut statement =
        connection.prepare_cached("SELECT time FROM records WHERE id >= ? ORDER BY id LIMIT 1")?;
    let mut at = Vec::new();
    let mut id = first.min(last).saturating_add_unsigned(step);
    while id < first.max(last) {
        let time: i64 = statement.query_row([id], |row| row.get(0))?;
        at.push(time.cast_unsigned());
        id = id.saturating_add_unsigned(step);
    }
    Ok(at)
}

/// Ids of the first and the last row of a range.
fn ids(connection: &Connection, times: &Range<u64>) -> Result<Option<(i64, i64)>, Fault> {
    let first = match bounds(times) {
        (Some(from), _) => number(
            connection,
            "SELECT id FROM records WHERE time >= ? ORDER BY time LIMIT 1",
            from,
        )?,
        (None, _) => number(connection, "SELECT min(id) FROM records WHERE id >= ?", 0)?,
    };
    let last = match bounds(times) {
        (_, Some(to)) => number(
            connection,
            "SELECT id FROM records WHERE time < ? ORDER BY time DESC LIMIT 1",
            to,
        )?,
        (_, None) => number(connection, "SELECT max(id) FROM records WHERE id >= ?", 0)?,
    };
    Ok(first.zip(last))
}
