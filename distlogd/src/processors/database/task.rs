//! What a record tells about its task: a change to a row of the table `tasks`.
//!
//! The key of a task is its trace id, its span id and its run. The run is 0 but for spans that came by OTLP, where it
//! tells spans that share an id (see [`RecordRef::run`](distlog_proto::RecordRef::run)); begin and end of one span have
//! the same.
//! Begin and end come in either order. The first begin counts. The first end counts, but a real one replaces one that
//! the daemon wrote: that of a lost task, or of a Python task that was silent, which has no outcome.

use distlog_proto::{Kind, Outcome};

use super::column::Column;
use super::row::{Cell, Row, clipped, time};

/// What a begin or an end tells about its task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskChange<'a> {
    /// 32 hex digits.
    pub trace_id: &'a str,
    /// 16 hex digits.
    pub span_id: &'a str,
    /// Tells spans that share an id.
    pub run: i64,
    /// 16 hex digits.
    pub parent_span_id: Option<&'a str>,
    /// Its id.
    pub task: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
    /// Service.
    pub service: Option<&'a str>,
    /// Host.
    pub host: Option<&'a str>,
    /// 32 hex digits.
    pub producer: &'a str,
    /// What has happened.
    pub event: TaskEvent<'a>,
}

/// What has happened to a task. Times are in nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TaskEvent<'a> {
    /// It has begun.
    Begin {
        /// When.
        time: i64,
    },
    /// It has ended.
    End {
        /// When.
        time: i64,
        /// How long it took, in nanoseconds, where that is known.
        duration_ns: Option<i64>,
        /// How; `None` where nobody said.
        outcome: Option<&'a str>,
        /// One line or a few: what went wrong.
        error: Option<&'a str>,
        /// Whether another end may replace this one.
        is_provisional: bool,
    },
}

impl<'a> Row<'a> {
    /// What the record tells about its task; `None` unless it is a begin or an end.
    pub fn task_change(&self) -> Option<TaskChange<'a>> {
        let record = self.record();
        let event = match record.kind {
            Kind::Begin => TaskEvent::Begin { time: time(record) },
            Kind::End => TaskEvent::End {
                time: time(record),
                duration_ns: record.took().map(clipped),
                outcome: self.optional(Column::Outcome),
                error: self.short_error(),
                is_provisional: matches!(record.outcome, Outcome::Unset | Outcome::Lost),
            },
            Kind::Event | Kind::Bind => return None,
        };
        Some(TaskChange {
            trace_id: self.optional(Column::TraceId)?,
            span_id: self.optional(Column::SpanId)?,
            run: record.run().cast_signed(),
            parent_span_id: self.optional(Column::ParentSpanId),
            task: self.optional(Column::Task)?,
            name: self.optional(Column::Name),
            service: self.optional(Column::Service),
            host: self.optional(Column::Host),
            producer: self.optional(Column::Producer)?,
            event,
        })
    }

    fn optional(&self, column: Column) -> Option<&'a str> {
        match self.cell(column) {
            Cell::Text(text) | Cell::Json(text) => Some(text),
            Cell::Null | Cell::Integer(_) => None,
        }
    }

    /// The error without its causes; of a traceback the last line, which names it; else what goes with the status.
    fn short_error(&self) -> Option<&'a str> {
        let record = self.record();
        let text = match record.error() {
            Some(error) if !error.traceback.is_empty() => {
                let mut lines = error.traceback.lines().rev();
                lines.find(|line| !line.trim().is_empty()).unwrap_or("")
            }
            Some(_) => self.error_head(),
            None => record.status_message,
        };
        (!text.is_empty()).then_some(text)
    }
}
