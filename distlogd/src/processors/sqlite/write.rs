//! Records and tasks become rows.

use std::fmt::Write as _;

use rusqlite::{CachedStatement, Connection, params};

use crate::processors::database::{Cell, Column, Row, TaskChange, TaskEvent};

/// A record that is there already changes nothing.
pub(super) fn insert_record() -> String {
    let mut names = String::from("id");
    let mut values = String::from("?");
    for column in Column::ALL {
        _ = write!(names, ", {}", column.name());
        values.push_str(", ?");
    }
    format!(
        "INSERT INTO records ({names}) VALUES ({values}) ON CONFLICT (producer, record_offset) DO NOTHING"
    )
}

const INSERT_MESSAGE: &str = "INSERT INTO messages (rowid, message) VALUES (?, ?)";

/// The first begin counts.
const BEGIN: &str = "
INSERT INTO tasks (id, trace_id, span_id, run, parent_span_id, task, name, service, host, producer, begin_time)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (trace_id, span_id, run) DO UPDATE SET
    parent_span_id = excluded.parent_span_id, task = excluded.task, name = excluded.name, service = excluded.service,
    host = excluded.host, producer = excluded.producer, begin_time = excluded.begin_time
WHERE begin_time IS NULL";

/// The first end counts; a real one replaces one that the daemon wrote.
const END: &str = "
INSERT INTO tasks (id, trace_id, span_id, run, parent_span_id, task, name, service, host, producer,
    end_time, duration_ns, outcome, error)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
ON CONFLICT (trace_id, span_id, run) DO UPDATE SET
    end_time = excluded.end_time, duration_ns = excluded.duration_ns, outcome = excluded.outcome, error = excluded.error
WHERE end_time IS NULL OR outcome IS NULL OR outcome = 'lost'";

/// The statements of a run of records, prepared once.
pub(super) struct Writer<'c> {
    record: CachedStatement<'c>,
    message: CachedStatement<'c>,
    begin: CachedStatement<'c>,
    end: CachedStatement<'c>,
}

impl<'c> Writer<'c> {
    /// Prepares the statements.
    ///
    /// # Errors
    /// If the tables are not there.
    pub(super) fn new(connection: &'c Connection, insert: &str) -> rusqlite::Result<Writer<'c>> {
        Ok(Writer {
            record: connection.prepare_cached(insert)?,
            message: connection.prepare_cached(INSERT_MESSAGE)?,
            begin: connection.prepare_cached(BEGIN)?,
            end: connection.prepare_cached(END)?,
        })
    }

    /// Writes a record, unless it is there already. Says whether it was new.
    ///
    /// # Errors
    /// Those of SQLite.
    pub(super) fn write(&mut self, id: i64, row: &Row<'_>) -> rusqlite::Result<bool> {
        let record = &mut self.record;
        record.raw_bind_parameter(1, id)?;
        for (at, cell) in (2..).zip(row.cells()) {
            match cell {
                Cell::Null => record.raw_bind_parameter(at, rusqlite::types::Null)?,
                Cell::Integer(number) => record.raw_bind_parameter(at, number)?,
                Cell::Text(text) | Cell::Json(text) => record.raw_bind_parameter(at, text)?,
            }
        }
        if record.raw_execute()? == 0 {
            return Ok(false);
        }
        let message = row.record().message;
        if !message.is_empty() {
            self.message.execute(params![id, message])?;
        }
        if let Some(change) = row.task_change() {
            self.change(id, &change)?;
        }
        Ok(true)
    }

    fn change(&mut self, id: i64, change: &TaskChange<'_>) -> rusqlite::Result<()> {
        let TaskChange {
            trace_id,
            span_id,
            run,
            parent_span_id,
            task,
            name,
            service,
            host,
            producer,
            event,
        } = *change;
        match event {
            TaskEvent::Begin { time } => self.begin.execute(params![
                id,
                trace_id,
                span_id,
                run,
                parent_span_id,
                task,
                name,
                service,
                host,
                producer,
                time
            ])?,
            TaskEvent::End {
                time,
                duration_ns,
                outcome,
                error,
                ..
            } => self.end.execute(params![
                id,
                trace_id,
                span_id,
                run,
                parent_span_id,
                task,
                name,
                service,
                host,
                producer,
                time,
                duration_ns,
                outcome,
                error
            ])?,
        };
        Ok(())
    }
}
