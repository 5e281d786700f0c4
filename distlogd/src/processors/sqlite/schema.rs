//! What is in the file: tables, indexes, views; and how an older file becomes a newer one.

use std::fmt::Write as _;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::Fault;
use crate::processors::database::{Column, ColumnType};

/// Marks a file as ours (`PRAGMA application_id`): `dlog`.
const APPLICATION_ID: i32 = 0x646c_6f67;

/// A step from one version of the schema to the next.
pub(super) type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// The steps from nothing to the newest version. `PRAGMA user_version` says how many were made. A step that was
/// released never changes.
pub(super) const STEPS: &[Step] = &[create];

/// The newest version.
pub(crate) const VERSION: usize = STEPS.len();

/// Makes the schema, or brings it to the newest version.
///
/// # Errors
/// If the file is another program's, or of a newer version than is known here.
pub(super) fn prepare(connection: &mut Connection, steps: &[Step]) -> Result<(), Fault> {
    if version(connection)? == steps.len() && is_ours(connection)? {
        return Ok(());
    }
    // Another daemon may be doing the same.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && !is_ours(&transaction)? {
        return Err(Fault::Foreign);
    }
    if found > steps.len() {
        return Err(Fault::Newer {
            found,
            known: steps.len(),
        });
    }
    for step in &steps[found..] {
        step(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", steps.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

/// How many steps were made.
///
/// # Errors
/// Those of SQLite.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Whether the file is one of ours.
///
/// # Errors
/// Those of SQLite.
pub(crate) fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(id == APPLICATION_ID)
}

/// Version 1.
fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut columns = String::new();
    for column in Column::ALL {
        let kind = match column.column_type() {
            ColumnType::Integer | ColumnType::Time => "INTEGER",
            ColumnType::Hex | ColumnType::Text | ColumnType::Json => "TEXT",
        };
        let null = if column.is_nullable() {
            ""
        } else {
            " NOT NULL"
        };
        _ = writeln!(columns, "    {} {kind}{null},", column.name());
    }
    transaction.execute_batch(&format!(
        "CREATE TABLE records (\n    id INTEGER PRIMARY KEY,\n{columns}    UNIQUE (producer, record_offset)\n)"
    ))?;
    transaction.execute_batch(VERSION_1)
}

const VERSION_1: &str = "
CREATE INDEX records_by_time ON records (time);
CREATE INDEX records_by_service ON records (service, time);
CREATE INDEX records_by_trace ON records (trace_id, span_id) WHERE trace_id IS NOT NULL;

-- id: that of the record that told of the task first. run: tells spans that share an id.
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL,
    span_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    parent_span_id TEXT,
    task TEXT NOT NULL,
    name TEXT,
    service TEXT,
    host TEXT,
    producer TEXT NOT NULL,
    begin_time INTEGER,
    end_time INTEGER,
    duration_ns INTEGER,
    outcome TEXT,
    error TEXT,
    UNIQUE (trace_id, span_id, run)
);
CREATE INDEX tasks_by_time ON tasks (begin_time);
CREATE INDEX tasks_failed ON tasks (end_time) WHERE outcome IN ('failed', 'lost');

-- The words of all messages; rowid is records.id.
CREATE VIRTUAL TABLE messages USING fts5 (message, content='records', content_rowid='id');
CREATE TRIGGER records_removed AFTER DELETE ON records WHEN old.message <> '' BEGIN
    INSERT INTO messages (messages, rowid, message) VALUES ('delete', old.id, old.message);
END;

-- When what was written, for the removal of what is old: records up to that id were there at that time (ns).
CREATE TABLE written (
    time INTEGER PRIMARY KEY,
    id INTEGER NOT NULL
);

CREATE VIEW log AS SELECT
    id,
    strftime('%Y-%m-%dT%H:%M:%S', time / 1000000000, 'unixepoch') || printf('.%06dZ', time % 1000000000 / 1000) AS at,
    CASE (severity + 3) / 4 WHEN 1 THEN 'TRACE' WHEN 2 THEN 'DEBUG' WHEN 3 THEN 'INFO' WHEN 4 THEN 'WARN'
        WHEN 5 THEN 'ERROR' WHEN 6 THEN 'FATAL' END AS level,
    service, host, target, kind, message, fields, error, task, trace_id, span_id, time, severity
FROM records;

CREATE VIEW task_list AS SELECT
    id,
    strftime('%Y-%m-%dT%H:%M:%S', begin_time / 1000000000, 'unixepoch')
        || printf('.%06dZ', begin_time % 1000000000 / 1000) AS began,
    duration_ns / 1e6 AS duration_ms,
    CASE WHEN end_time IS NULL THEN 'running' ELSE coalesce(outcome, 'ended') END AS state,
    name, service, host, error, task, trace_id, span_id, parent_span_id, begin_time, end_time, outcome
FROM tasks;
";
