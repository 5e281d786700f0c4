//! Rows on their way into the tables: staged by `COPY`, then inserted unless they are there, in one transaction per
//! flush.

use std::collections::BTreeSet;
use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;

use super::config::Config;
use super::connection::Connection;
use super::copy::{TASK_COLUMNS, record_columns};
use super::day::Day;
use super::partitions::Partitions;
use super::schema;
use crate::processor::Error;

/// A connection with staging tables, and perhaps a transaction.
pub(super) struct Writer {
    connection: Connection,
    statements: Statements,
    is_in_transaction: bool,
}

/// SQL that names the schema.
struct Statements {
    copy_records: String,
    copy_tasks: String,
    insert_records: String,
    merge_tasks: String,
}

impl Writer {
    /// Connects, and makes what is missing.
    pub(super) async fn open(config: &Config) -> Result<Writer, Error> {
        let connection = Connection::open(config).await?;
        let at = config.url.to_string();
        schema::prepare(&connection, &config.schema, &at).await?;
        let staging = STAGING.replace("{schema}", &config.schema);
        connection.run("making staging tables", &staging).await?;
        Ok(Writer {
            connection,
            statements: Statements::new(&config.schema),
            is_in_transaction: false,
        })
    }

    /// Whether the connection is gone, and nothing with it.
    pub(super) fn is_useless(&self) -> bool {
        self.connection.is_closed() && !self.is_in_transaction
    }

    /// Hands rows over, and begins the transaction with the first ones.
    pub(super) async fn stage(
        &mut self,
        records: Option<Bytes>,
        tasks: Option<Bytes>,
        days: &BTreeSet<Day>,
        partitions: &mut Partitions,
    ) -> Result<(), Error> {
        if records.is_none() && tasks.is_none() {
            return Ok(());
        }
        if !self.is_in_transaction {
            partitions
                .make(&self.connection, days.iter().copied())
                .await?;
            self.connection.run("beginning", "BEGIN").await?;
            self.is_in_transaction = true;
        }
        for (statement, rows) in [
            (&self.statements.copy_records, records),
            (&self.statements.copy_tasks, tasks),
        ] {
            if let Some(rows) = rows {
                let copying = copy(&self.connection.client, statement, rows);
                self.connection.step("copying rows", copying).await?;
            }
        }
        Ok(())
    }

    /// Inserts what was staged, and commits.
    pub(super) async fn commit(
        &mut self,
        days: &BTreeSet<Day>,
        partitions: &mut Partitions,
    ) -> Result<(), Error> {
        let connection = &self.connection;
        if self.is_in_transaction {
            let Statements {
                insert_records,
                merge_tasks,
                ..
            } = &self.statements;
            connection.run("inserting records", insert_records).await?;
            connection.run("inserting tasks", merge_tasks).await?;
            connection.run("committing", "COMMIT").await?;
            self.is_in_transaction = false;
        }
        // Days that came later than the transaction's begin.
        partitions.make(connection, days.iter().copied()).await?;
        partitions.maintain(connection).await
    }

    /// Undoes the transaction.
    pub(super) async fn roll_back(&mut self) -> Result<(), Error> {
        self.connection.run("rolling back", "ROLLBACK").await?;
        self.is_in_transaction = false;
        Ok(())
    }
}

async fn copy(
    client: &tokio_postgres::Client,
    statement: &str,
    rows: Bytes,
) -> Result<u64, tokio_postgres::Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(statement).await?);
    // Where the server refuses rows, the sink is closed, and the end says why.
    let sent = sink.send(rows).await;
    match sink.as_mut().finish().await {
        Ok(count) => sent.map(|()| count),
        Err(error) => Err(error),
    }
}

/// Of the session, and emptied at each commit.
const STAGING: &str = "
CREATE TEMP TABLE staged_records (LIKE {schema}.records) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE staged_tasks (
    number integer, is_end boolean, trace_id uuid, span_id text, run bigint, parent_span_id text, task text, name text,
    service text, host text, producer uuid, at timestamptz, at_ns bigint, duration_ns bigint, outcome text, error text,
    is_provisional boolean
) ON COMMIT DELETE ROWS";

/// One row for each task with its first begin and its best end. Where the task is there, it gets what it lacks; a real
/// end replaces a provisional one. A change that changes nothing writes nothing.
const MERGE_TASKS: &str = "
INSERT INTO {schema}.tasks AS t
    (trace_id, span_id, run, parent_span_id, task, name, service, host, producer, begin_time, begin_time_ns,
     end_time, end_time_ns, duration_ns, outcome, error, is_provisional)
SELECT trace_id, span_id, run, coalesce(b.parent_span_id, e.parent_span_id), coalesce(b.task, e.task),
    coalesce(b.name, e.name), coalesce(b.service, e.service), coalesce(b.host, e.host),
    coalesce(b.producer, e.producer), b.at, b.at_ns, e.at, e.at_ns, e.duration_ns, e.outcome, e.error,
    coalesce(e.is_provisional, false)
FROM (SELECT DISTINCT ON (trace_id, span_id, run) * FROM pg_temp.staged_tasks WHERE NOT is_end
      ORDER BY trace_id, span_id, run, number) b
FULL JOIN (SELECT DISTINCT ON (trace_id, span_id, run) * FROM pg_temp.staged_tasks WHERE is_end
      ORDER BY trace_id, span_id, run, is_provisional, number) e USING (trace_id, span_id, run)
ORDER BY trace_id, span_id, run
ON CONFLICT (trace_id, span_id, run) DO UPDATE SET
    parent_span_id = CASE WHEN {begins} THEN EXCLUDED.parent_span_id ELSE t.parent_span_id END,
    task = CASE WHEN {begins} THEN EXCLUDED.task ELSE t.task END,
    name = CASE WHEN {begins} THEN EXCLUDED.name ELSE t.name END,
    service = CASE WHEN {begins} THEN EXCLUDED.service ELSE t.service END,
    host = CASE WHEN {begins} THEN EXCLUDED.host ELSE t.host END,
    producer = CASE WHEN {begins} THEN EXCLUDED.producer ELSE t.producer END,
    begin_time = coalesce(t.begin_time, EXCLUDED.begin_time),
    begin_time_ns = coalesce(t.begin_time_ns, EXCLUDED.begin_time_ns),
    end_time = CASE WHEN {ends} THEN EXCLUDED.end_time ELSE t.end_time END,
    end_time_ns = CASE WHEN {ends} THEN EXCLUDED.end_time_ns ELSE t.end_time_ns END,
    duration_ns = CASE WHEN {ends} THEN EXCLUDED.duration_ns ELSE t.duration_ns END,
    outcome = CASE WHEN {ends} THEN EXCLUDED.outcome ELSE t.outcome END,
    error = CASE WHEN {ends} THEN EXCLUDED.error ELSE t.error END,
    is_provisional = CASE WHEN {ends} THEN EXCLUDED.is_provisional ELSE t.is_provisional END
WHERE {begins} OR {ends}";
/// The begin of a task that is there without.
const BEGINS: &str = "(t.begin_time IS NULL AND EXCLUDED.begin_time IS NOT NULL)";
/// The end of a task that is there without, or a better one.
const ENDS: &str = "(EXCLUDED.end_time IS NOT NULL AND (t.end_time IS NULL \
     OR (t.is_provisional AND NOT EXCLUDED.is_provisional)))";

impl Statements {
    fn new(schema: &str) -> Statements {
        let columns = record_columns();
        Statements {
            copy_records: format!("COPY pg_temp.staged_records ({columns}) FROM STDIN BINARY"),
            copy_tasks: format!("COPY pg_temp.staged_tasks ({TASK_COLUMNS}) FROM STDIN BINARY"),
            insert_records: format!(
                "INSERT INTO {schema}.records ({columns}) SELECT {columns} FROM pg_temp.staged_records \
                 ON CONFLICT DO NOTHING"
            ),
            merge_tasks: MERGE_TASKS
                .replace("{begins}", BEGINS)
                .replace("{ends}", ENDS)
                .replace("{schema}", schema),
        }
    }
}
