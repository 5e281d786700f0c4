//! Removes the oldest records and tasks, a few at a time.
//!
//! Ids rise in the order in which records are written, and the table `written` says which were there when. So age is
//! since a record was written, not what its program's clock said, and what goes next is the lowest id.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, params};

use super::config::Keep;

/// Ids that are removed at once, at least.
const MIN_STEP: i64 = 2000;

/// Removes what is to be kept no longer.
#[derive(Debug)]
pub(super) struct Retention {
    keep: Keep,
    /// What both clocks said when this was made. A change of the system's time makes nothing old.
    begun: (Instant, i64),
    /// The last row of `written`.
    marked: Mark,
}

/// Records up to `id` were there at `time`, in ns since the epoch.
#[derive(Debug, Clone, Copy)]
struct Mark {
    time: i64,
    id: i64,
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Retention {
    pub(super) fn new(keep: Keep) -> Retention {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Retention {
            keep,
            begun: (Instant::now(), since.map_or(0, nanos)),
            marked: Mark { time: 0, id: 0 },
        }
    }

    /// Nanoseconds since the epoch.
    fn now(&self) -> i64 {
        let (instant, time) = self.begun;
        time.saturating_add(nanos(instant.elapsed()))
    }

    /// Records may stay so much longer than they have to.
    fn mark_interval(&self) -> i64 {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(60));
        nanos(
            self.keep
                .age
                .map_or(most, |age| (age / 100).clamp(least, most)),
        )
    }

    /// What was marked may have been undone.
    pub(super) fn forget_mark(&mut self) {
        self.marked = Mark { time: 0, id: 0 };
    }

    /// Whether it is time for [`Retention::mark`], where `last` is the last record.
    pub(super) fn is_mark_due(&self, last: i64) -> bool {
        last > self.marked.id && self.now() >= self.marked.time.saturating_add(self.mark_interval())
    }

    /// Notes that records up to `last` are there now, in the transaction that is open.
    pub(super) fn mark(&mut self, connection: &Connection, last: i64) -> rusqlite::Result<()> {
        let time = self.now();
        connection
            .prepare_cached("INSERT OR REPLACE INTO written (time, id) VALUES (?, ?)")?
            .execute([time, last])?;
        self.marked = Mark { time, id: last };
        Ok(())
    }

    /// The ids that go next, from the first one that is there: at most twice as many as were `written`, or a few.
    pub(super) fn next(
        &self,
        connection: &Connection,
        written: i64,
    ) -> rusqlite::Result<Option<i64>> {
        if self.keep == Keep::default() {
            return Ok(None);
        }
        let Some(end) = self.end(connection)? else {
            return Ok(None);
        };
        let lowest = |table| -> rusqlite::Result<Option<i64>> {
            let query = format!("SELECT min(id) FROM {table}");
            connection
                .prepare_cached(&query)?
                .query_row([], |row| row.get(0))
        };
        let lowest = [lowest("records")?, lowest("tasks")?];
        let Some(first) = lowest.into_iter().flatten().min() else {
            return Ok(None);
        };
        let to = first.saturating_add((2 * written).max(MIN_STEP)).min(end);
        Ok((to > first).then_some(to))
    }

    /// Removes what has a lower id than `to`, in the transaction that is open.
    pub(super) fn remove(connection: &Connection, to: i64) -> rusqlite::Result<()> {
        for statement in [
            "DELETE FROM records WHERE id < ?",
            "DELETE FROM tasks WHERE id < ?",
            "DELETE FROM written WHERE id < ?",
        ] {
            connection.prepare_cached(statement)?.execute([to])?;
        }
        Ok(())
    }

    /// What has a lower id goes.
    fn end(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        if let Some(size) = self.keep.size
            && used(connection)? > size
        {
            return Ok(Some(i64::MAX));
        }
        let Some(age) = self.keep.age else {
            return Ok(None);
        };
        let last: Option<i64> = connection
            .prepare_cached("SELECT max(id) FROM written WHERE time < ?")?
            .query_row(params![self.now().saturating_sub(nanos(age))], |row| {
                row.get(0)
            })
            .optional()?
            .flatten();
        Ok(last.map(|last| last + 1))
    }
}

/// Bytes of the file that are in use.
fn used(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name| -> rusqlite::Result<u64> {
        let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(value.unsigned_abs())
    };
    Ok(pragma("page_count")?.saturating_sub(pragma("freelist_count")?) * pragma("page_size")?)
}
