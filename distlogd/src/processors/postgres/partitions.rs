//! Partitions of the table `records`, one for each day: made ahead of need and for late records, dropped by age.
//!
//! What has no partition goes to `records_other`, so no record waits for one. When the partition of its day is made, it
//! moves there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_postgres::types::ToSql;

use super::connection::Connection;
use super::day::Day;
use super::schema::lock;
use crate::processor::Error;
use crate::self_telemetry::RateLimited;

/// Days before today that get a partition, if records are kept for so long. What is older is rare, and each partition
/// costs every query something.
const MAX_PAST_DAYS: u64 = 366;
/// Days after today that get one: clocks differ.
const FUTURE_DAYS: i64 = 2;
/// How often the coming day is thought of, and what is old is removed.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(600);
/// Making or dropping a partition waits no longer for others, as others wait behind it.
const MAX_LOCK_WAIT: Duration = Duration::from_secs(2);
/// Where it cannot be made, nobody tries again before.
const PAUSE: Duration = Duration::from_secs(60);
/// Rows that are removed at once.
const REMOVED_AT_ONCE: u64 = 10_000;
/// And in one go: the rest waits until the next time.
const MAX_REMOVALS: usize = 20;
/// How often it is said that it cannot be done.
const REPORT_INTERVAL: Duration = Duration::from_secs(600);

/// The partitions that are known to be there.
pub(super) struct Partitions {
    schema: String,
    keep: Option<Duration>,
    lock_wait: Duration,
    known: BTreeSet<Day>,
    /// Nothing is made before, since it failed.
    not_before: Option<Instant>,
    maintained: Option<Instant>,
    failures: RateLimited,
}

impl Partitions {
    pub(super) fn new(schema: &str, keep: Option<Duration>, timeout: Duration) -> Partitions {
        Partitions {
            schema: schema.to_owned(),
            keep,
            lock_wait: MAX_LOCK_WAIT.min(timeout / 2),
            known: BTreeSet::new(),
            not_before: None,
            maintained: None,
            failures: RateLimited::new(1, REPORT_INTERVAL),
        }
    }

    /// Forgets what it knows: it is another connection, perhaps to another server.
    pub(super) fn forget(&mut self) {
        self.known.clear();
        self.not_before = None;
        self.maintained = None;
    }

    /// Makes the partitions of `days` that are not there. What fails is logged: rows go to `records_other` until it
    /// works.
    pub(super) async fn make(
        &mut self,
        connection: &Connection,
        days: impl Iterator<Item = Day>,
    ) -> Result<(), Error> {
        let missing: Vec<Day> = days.filter(|day| !self.known.contains(day)).collect();
        if missing.is_empty() || self.not_before.is_some_and(|time| Instant::now() < time) {
            return Ok(());
        }
        let today = Day::of_seconds(now());
        let past = self
            .keep
            .map_or(MAX_PAST_DAYS, |keep| keep.as_secs().div_ceil(86_400));
        let first = today.minus(Duration::from_secs(past.min(MAX_PAST_DAYS) * 86_400));
        let range = first..=today.plus(FUTURE_DAYS);
        for day in missing {
            if range.contains(&day)
                && let Err(error) = self.make_one(connection, day).await
            {
                self.not_before = Some(Instant::now() + PAUSE);
                return self.excuse(connection, "no partition is made", error).await;
            }
            // Nor is a day that has none asked for again and again.
            self.known.insert(day);
        }
        Ok(())
    }

    async fn make_one(&self, connection: &Connection, day: Day) -> Result<(), Error> {
        let (schema, table) = (&self.schema, day.table());
        if is_there(connection, schema, &table).await? {
            return Ok(());
        }
        let begin = format!(
            "BEGIN; SET LOCAL lock_timeout = {}; {}",
            self.lock_wait.as_millis(),
            lock(schema)
        );
        connection.run("making a partition", &begin).await?;
        let statements = if is_there(connection, schema, &table).await? {
            "COMMIT".to_owned()
        } else {
            let next = day.plus(1);
            // Attaching needs no lock that keeps others from reading and writing, as making it as a partition does.
            format!(
                "CREATE TABLE {schema}.{table} (LIKE {schema}.records INCLUDING DEFAULTS INCLUDING CONSTRAINTS \
                 INCLUDING STORAGE INCLUDING COMPRESSION); \
                 WITH moved AS (DELETE FROM {schema}.records_other \
                 WHERE time >= '{day}' AND time < '{next}' RETURNING *) \
                 INSERT INTO {schema}.{table} SELECT * FROM moved; \
                 ALTER TABLE {schema}.records ATTACH PARTITION {schema}.{table} \
                 FOR VALUES FROM ('{day}') TO ('{next}'); COMMIT"
            )
        };
        connection.run("making a partition", &statements).await
    }

    /// Makes the partition of the coming day and removes what is old, now and then.
    pub(super) async fn maintain(&mut self, connection: &Connection) -> Result<(), Error> {
        if self
            .maintained
            .is_some_and(|time| time.elapsed() < MAINTENANCE_INTERVAL)
        {
            return Ok(());
        }
        self.maintained = Some(Instant::now());
        let today = Day::of_seconds(now());
        self.make(connection, [today, today.plus(1)].into_iter())
            .await?;
        let Some(keep) = self.keep else {
            return Ok(());
        };
        if let Err(error) = self.remove_old(connection, keep).await {
            return self
                .excuse(connection, "old records are not removed", error)
                .await;
        }
        Ok(())
    }

    async fn remove_old(&mut self, connection: &Connection, keep: Duration) -> Result<(), Error> {
        const SERVER_TIME: &str = "SELECT floor(extract(epoch FROM now()))::bigint";
        let asking = connection.client.query_one(SERVER_TIME, &[]);
        let server: i64 = connection.step("asking for the time", asking).await?.get(0);
        // Where one of two clocks is ahead, nothing is removed too early.
        let first = Day::of_seconds(server.min(now())).minus(keep);
        for day in partitions(connection, &self.schema).await? {
            if day < first {
                self.drop_one(connection, day).await?;
            }
        }
        let schema = &self.schema;
        for (table, is_old) in [
            ("records_other", format!("time < '{first}'")),
            (
                "tasks",
                format!("begin_time < '{first}' AND coalesce(end_time, begin_time) < '{first}'"),
            ),
            (
                "tasks",
                format!("begin_time IS NULL AND end_time < '{first}'"),
            ),
        ] {
            let remove = format!(
                "DELETE FROM {schema}.{table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {schema}.{table} WHERE {is_old} \
                 LIMIT {REMOVED_AT_ONCE}))"
            );
            for _ in 0..MAX_REMOVALS {
                let removing = connection.client.execute(&remove, &[]);
                if connection.step("removing what is old", removing).await? < REMOVED_AT_ONCE {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn drop_one(&mut self, connection: &Connection, day: Day) -> Result<(), Error> {
        let (schema, table) = (&self.schema, day.table());
        let wait = self.lock_wait.as_millis();
        let statements = format!(
            "BEGIN; SET LOCAL lock_timeout = {wait}; {}; DROP TABLE IF EXISTS {schema}.{table}; COMMIT",
            lock(schema)
        );
        connection.run("dropping a partition", &statements).await?;
        self.known.remove(&day);
        tracing::info!("dropped {schema}.{table}: its records were older than `keep`");
        Ok(())
    }

    /// Nothing of this keeps records from being written, unless the connection is gone.
    async fn excuse(
        &mut self,
        connection: &Connection,
        what: &str,
        error: Error,
    ) -> Result<(), Error> {
        connection.run("going on", "ROLLBACK").await?;
        if self.failures.report(1).is_some() {
            tracing::warn!("{what}: {error}; tried again until it works");
        }
        Ok(())
    }
}

async fn is_there(connection: &Connection, schema: &str, table: &str) -> Result<bool, Error> {
    // A table of this name that is no partition would be no help.
    const ASK: &str = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))";
    let name = format!("{schema}.{table}");
    let parameters: [&(dyn ToSql + Sync); 1] = [&name];
    let asking = connection.client.query_one(ASK, &parameters);
    Ok(connection
        .step("looking for a partition", asking)
        .await?
        .get(0))
}

/// The days that have partitions.
async fn partitions(connection: &Connection, schema: &str) -> Result<Vec<Day>, Error> {
    const ASK: &str = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = to_regclass($1)";
    let name = format!("{schema}.records");
    let parameters: [&(dyn ToSql + Sync); 1] = [&name];
    let asking = connection.client.query(ASK, &parameters);
    let rows = connection.step("listing partitions", asking).await?;
    Ok(rows
        .iter()
        .filter_map(|row| Day::of_table(row.get(0)))
        .collect())
}

/// In seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
