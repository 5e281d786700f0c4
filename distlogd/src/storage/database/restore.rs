//! A row of the table `records` becomes a record again: the inverse of [`Row`](crate::processors::database::Row).
//!
//! All of a record comes back, but for what nobody can tell apart afterwards:
//!
//! * that the name of a task is said, where it would be called so anyway;
//! * that a duration of 0 is known: it counts as unknown;
//! * that the severity is the record's own, where it is that of its place in the code;
//! * what is nested deeper than 64 levels, which is text.
//!
//! PostgreSQL keeps JSON in a form of its own (`jsonb`): names come back in another order, a floating-point number that
//! was written with an exponent, as `1e300`, comes back as digits (an integer, or text beyond 64 bits), and `-0.0` as
//! `0.0`. It has `␀` in place of U+0000, and a `service` beyond 1000 bytes is cut.
//!
//! Nothing here fails: what is no id is none, what is no JSON becomes a field as text.

use distlog_proto::{
    Callsite, Kind, Outcome, ProducerId, Record, Severity, Source, SpanId, Task, TraceId,
};
use distlog_python::json::columns;

use crate::processors::database::{Cell, Column};

/// The record of a row, whose cells are in the order of [`Column::ALL`].
pub(super) fn restore(cells: &[Cell<'_>]) -> Record {
    let row = Cells(cells);
    let mut record = Record {
        source: Source {
            producer: producer(row.text(Column::Producer)),
            host: row.owned(Column::Host),
            process_id: row.unsigned(Column::ProcessId),
            process_name: row.owned(Column::ProcessName),
            service: row.owned(Column::Service),
            ..Source::default()
        },
        callsite: Callsite {
            severity: Severity::new(row.small(Column::Severity)),
            target: row.owned(Column::Target),
            file: row.owned(Column::File),
            line: row.small(Column::Line),
            module: row.owned(Column::Module),
            function: row.owned(Column::Function),
            template: row.owned(Column::Template),
        },
        offset: row.unsigned(Column::RecordOffset),
        kind: Kind::from_name(row.text(Column::Kind)).unwrap_or_default(),
        time: row.unsigned(Column::Time),
        observed_time: row.unsigned(Column::ObservedTime),
        severity_text: row.owned(Column::SeverityText),
        message: row.owned(Column::Message),
        task: task(&row),
        number: row.unsigned(Column::RecordNumber),
        thread_id: row.unsigned(Column::ThreadId),
        thread_name: row.owned(Column::ThreadName),
        outcome: Outcome::from_name(row.text(Column::Outcome)).unwrap_or_default(),
        duration: row.unsigned(Column::DurationNs),
        stack: row.owned(Column::Stack),
        ..Record::default()
    };
    let json = columns::Columns {
        fields: row.text(Column::Fields),
        context: row.text(Column::Context),
        resource: row.text(Column::Resource),
        extra: row.text(Column::Extra),
        error: row.text(Column::Error),
    };
    columns::restore(json, &mut record);
    name(&mut record, row.text(Column::Name));
    record
}

/// The column has what people call the task or the event, which may follow from the rest.
fn name(record: &mut Record, shown: &str) {
    let follows = match record.kind {
        Kind::Begin | Kind::End => record.task_name() == shown,
        // It is the name that OTLP has of it.
        Kind::Event => record.otlp.is_some(),
        Kind::Bind => false,
    };
    if record.name.is_empty() && !follows {
        shown.clone_into(&mut record.name);
    }
}

fn task(row: &Cells<'_>) -> Option<Task> {
    let id = row.text(Column::Task);
    Some(Task {
        trace_id: trace_id(row.text(Column::TraceId))?,
        span_id: row.text(Column::SpanId).parse().ok()?,
        parent_span_id: span_id(row.text(Column::ParentSpanId)),
        path: id.split_once('/').map_or("", |(_, path)| path).to_owned(),
        flags: 0,
        trace_state: String::new(),
        context: Default::default(),
    })
}

/// 32 hex digits, also with hyphens.
fn trace_id(text: &str) -> Option<TraceId> {
    text.parse().ok()
}

fn span_id(text: &str) -> Option<SpanId> {
    text.parse().ok()
}

/// 32 hex digits, also with hyphens.
fn producer(text: &str) -> ProducerId {
    ProducerId::from_bytes(trace_id(text).map_or([0; 16], TraceId::to_bytes))
}

/// A row.
struct Cells<'c>(&'c [Cell<'c>]);

impl<'c> Cells<'c> {
    fn cell(&self, column: Column) -> Cell<'c> {
        self.0.get(column as usize).copied().unwrap_or(Cell::Null)
    }

    /// Empty if it is null.
    fn text(&self, column: Column) -> &'c str {
        match self.cell(column) {
            Cell::Text(text) | Cell::Json(text) => text,
            Cell::Null | Cell::Integer(_) => "",
        }
    }

    fn owned(&self, column: Column) -> String {
        self.text(column).to_owned()
    }

    /// 0 if it is null.
    fn unsigned(&self, column: Column) -> u64 {
        match self.cell(column) {
            Cell::Integer(number) => number.cast_unsigned(),
            Cell::Null | Cell::Text(_) | Cell::Json(_) => 0,
        }
    }

    fn small(&self, column: Column) -> u32 {
        u32::try_from(self.unsigned(column)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::{BatchRef, Otlp};
    use distlog_python::json;
    use distlog_testkit::records::{batch, record};
    use proptest::prelude::*;

    use super::*;
    use crate::processors::database::{Row, Scratch};
    use crate::storage::database::time_of;

    fn through_a_row(record: &Record) -> Record {
        let bytes = batch(record);
        let batch = BatchRef::parse(&bytes).unwrap();
        let record = batch.records().next().unwrap().unwrap();
        let mut scratch = Scratch::default();
        let row = Row::new(&record, &mut scratch);
        let cells: Vec<Cell<'_>> = row.cells().collect();
        restore(&cells)
    }

    /// As the processor `file` writes it.
    fn line(record: &Record) -> String {
        let bytes = batch(record);
        let batch = BatchRef::parse(&bytes).unwrap();
        let mut line = Vec::new();
        json::encode(&batch.records().next().unwrap().unwrap(), &mut line);
        String::from_utf8(line).unwrap()
    }

    /// Without the name, where nobody can tell whether it was said.
    fn leveled(record: &Record) -> Record {
        let mut unnamed = record.clone();
        unnamed.name.clear();
        let shown = match &record.otlp {
            Some(otlp) if record.kind == Kind::Event => &otlp.event_name,
            _ => unnamed.task_name(),
        };
        let follows = match record.kind {
            Kind::Begin | Kind::End => shown == record.name,
            Kind::Event => record.otlp.is_some() && shown == record.name,
            Kind::Bind => false,
        };
        if follows { unnamed } else { record.clone() }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_from_its_row(record in record()) {
            let expected = leveled(&record);
            let restored = through_a_row(&record);
            prop_assert_eq!(line(&restored), line(&expected));
            // Not a number is not equal to itself.
            prop_assert_eq!(format!("{restored:?}"), format!("{expected:?}"));
            prop_assert_eq!(time_of(&restored), time_of(&expected));
        }
    }

    #[test]
    fn a_field_that_looks_like_a_mark_stays_a_field() {
        let map = [("$text", "abc")]
            .into_iter()
            .collect::<distlog_proto::Map>();
        let mut record = Record {
            fields: map.clone(),
            task: Some(Task::from(&distlog_proto::TaskId::random())),
            ..Record::default()
        };
        record.source.resource = map.clone();
        if let Some(task) = &mut record.task {
            task.context = map;
        }
        assert_eq!(through_a_row(&record), record);
    }

    #[test]
    fn what_another_program_has_written_is_read_as_far_as_it_goes() {
        let mut cells = vec![Cell::Null; Column::ALL.len()];
        cells[Column::Producer as usize] = Cell::Text("nobody");
        cells[Column::Kind as usize] = Cell::Text("strange");
        cells[Column::Severity as usize] = Cell::Integer(-1);
        cells[Column::Message as usize] = Cell::Text("hello");
        cells[Column::Fields as usize] = Cell::Text("[1]");
        cells[Column::Extra as usize] = Cell::Text(r#"{"new":1,"otlp":{"body":[1]}}"#);
        let record = restore(&cells);
        assert_eq!(record.message, "hello");
        assert_eq!(record.kind, Kind::Event);
        assert_eq!(
            record.fields.get("fields"),
            Some(&distlog_proto::Value::from("[1]"))
        );
        assert_eq!(
            record.otlp.map(|otlp| otlp.body),
            Some(Otlp {
                body: Some(distlog_proto::Value::List(vec![distlog_proto::Value::I64(
                    1
                )])),
                ..Otlp::default()
            })
            .map(|otlp| otlp.body)
        );
        assert!(record.fields.get("distlog").is_some());
        assert_eq!(restore(&[]), Record::default());
    }
}
