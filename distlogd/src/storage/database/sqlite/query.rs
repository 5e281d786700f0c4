//! What is asked, as SQL. Texts of users are parameters.

use distlog_proto::{Severity, TraceId};
use rusqlite::types::Value;

use super::super::Ask;
use super::super::conditions::{bounds, kinds, traces};
use crate::processors::database::Column;

const ORDER: &str = "ORDER BY time, producer, record_offset";

/// A statement and its parameters.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) parameters: Vec<Value>,
}

impl Query {
    /// The rows that are asked for, in order.
    pub(super) fn new(ask: &Ask<'_>) -> Query {
        let names: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
        let mut query = Query::of(ask, &names.join(", "));
        query.sql = format!("{} {ORDER}", query.sql);
        query
    }

    /// The times of the rows that are asked for.
    pub(super) fn times(ask: &Ask<'_>) -> Query {
        Query::of(ask, "time")
    }

    fn of(ask: &Ask<'_>, columns: &str) -> Query {
        let mut parameters = Vec::new();
        let select = format!("SELECT {columns} FROM records");
        if ask.services.is_empty() {
            let conditions = conditions(ask, &mut parameters);
            return Query {
                sql: format!("{select}{}", filter(&conditions)),
                parameters,
            };
        }
        let marks = vec!["?"; ask.services.len()].join(", ");
        // Each has an index by service, and so by time.
        let of_service = format!("service IN ({marks})");
        let of_process = format!("service IS NULL AND process_name IN ({marks})");
        let mut parts = Vec::new();
        for service in [of_service, of_process] {
            parameters.extend(ask.services.iter().cloned().map(Value::Text));
            let mut all = vec![service];
            all.extend(conditions(ask, &mut parameters));
            parts.push(format!("{select}{}", filter(&all)));
        }
        Query {
            sql: parts.join(" UNION ALL "),
            parameters,
        }
    }
}

fn filter(conditions: &[String]) -> String {
    if conditions.is_empty() {
        return String::new();
    }
    format!(" WHERE {}", conditions.join(" AND "))
}

/// All but services.
fn conditions(ask: &Ask<'_>, parameters: &mut Vec<Value>) -> Vec<String> {
    let mut all = Vec::new();
    let traces = traces(ask.rows);
    if let Some(traces) = traces {
        // As JSON, since a statement has only so many parameters.
        all.push(
            "trace_id IS NOT NULL AND trace_id IN (SELECT value FROM json_each(?))".to_owned(),
        );
        parameters.push(Value::Text(list(traces)));
    }
    // With traces, the index by trace is the better one.
    let time = if traces.is_some() { "+time" } else { "time" };
    let (from, to) = bounds(&ask.times);
    for (bound, operator) in [(from, ">="), (to, "<")] {
        if let Some(bound) = bound {
            all.push(format!("{time} {operator} ?"));
            parameters.push(Value::Integer(bound));
        }
    }
    if ask.severity > Severity::UNSET {
        all.push("severity >= ?".to_owned());
        parameters.push(Value::Integer(ask.severity.number().into()));
    }
    all.extend(kinds(ask.rows));
    all
}

fn list(traces: &[TraceId]) -> String {
    let quoted = traces.iter().map(|trace| format!("\"{}\"", trace.to_hex()));
    format!("[{}]", quoted.collect::<Vec<_>>().join(","))
}
