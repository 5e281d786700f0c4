//! What is asked, as SQL. Texts of users are parameters of the query; what else stands in it are numbers and hex
//! digits.
//!
//! The key begins with `ServiceName` and `TimestampTime`, to the second, and parts are by its day, so both are in the
//! conditions. A `DateTime` ends in 2106: what says a later time has another one there, and is found only where no
//! time is asked for.

use std::fmt::Write;

use distlog_proto::Severity;

use super::super::Ask;
use super::super::conditions::{bounds, kinds, traces};
use super::super::texts;
use crate::processors::database::{Column, ColumnType};

/// Nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// A statement and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    pub(super) sql: String,
    /// Names and values.
    pub(super) parameters: Vec<(String, String)>,
}

/// Where a page ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) time: i64,
    pub(super) producer: String,
    pub(super) offset: i64,
}

/// Whether a column is read as `Int64`, in the format `RowBinary`; the others are read as `String`.
pub(super) fn is_integer(column: Column) -> bool {
    matches!(column.column_type(), ColumnType::Integer | ColumnType::Time)
}

/// Up to so many rows that are asked for, in order, from `after` on. Repeated rows stand beside each other.
pub(super) fn page(ask: &Ask<'_>, database: &str, after: Option<&Key>, rows: usize) -> Query {
    let columns = Column::ALL.iter().map(|column| {
        let r#type = if is_integer(*column) {
            "Int64"
        } else {
            "String"
        };
        format!("CAST({} AS Nullable({type}))", column.name())
    });
    let columns: Vec<String> = columns.collect();
    let mut query = select(ask, database, &columns.join(", "), after);
    let _ = write!(
        query.sql,
        " ORDER BY Timestamp, producer, record_offset LIMIT {rows} FORMAT RowBinary"
    );
    query
}

/// How many rows are asked for.
pub(super) fn count(ask: &Ask<'_>, database: &str) -> Query {
    let mut query = select(ask, database, "count()", None);
    query.sql.push_str(" FORMAT TSV");
    query
}

/// Times that cut the rows which are asked for into so many parts, a line each.
pub(super) fn cuts(ask: &Ask<'_>, database: &str, parts: u64) -> Query {
    let levels = (1..parts).map(|part| (part as f64 / parts as f64).to_string());
    let levels: Vec<String> = levels.collect();
    let times = format!(
        "arrayJoin(quantilesExact({})(toUnixTimestamp64Nano(Timestamp)))",
        levels.join(", ")
    );
    let mut query = select(ask, database, &times, None);
    query.sql.push_str(" FORMAT TSV");
    query
}

fn timestamp(nanos: i64) -> String {
    format!("fromUnixTimestamp64Nano(toInt64({nanos}))")
}

fn select(ask: &Ask<'_>, database: &str, columns: &str, after: Option<&Key>) -> Query {
    let mut query = Query {
        sql: String::new(),
        parameters: Vec::new(),
    };
    let mut ask = ask.clone();
    if let Some(after) = after {
        ask.times.start = ask.times.start.max(after.time.cast_unsigned());
    }
    let mut conditions = query.conditions(&ask);
    if let Some(after) = after {
        conditions.push(query.behind(after));
    }
    query.sql = format!("SELECT {columns} FROM {database}.otel_logs");
    if !conditions.is_empty() {
        query.sql.push_str(" WHERE ");
        query.sql.push_str(&conditions.join(" AND "));
    }
    query
}

impl Query {
    /// Adds a parameter: its place in the statement.
    fn mark(&mut self, name: &str, value: String) -> String {
        self.parameters.push((name.to_owned(), value));
        format!("{{{name}:String}}")
    }

    /// That a row stands behind a key, in the order of pages.
    fn behind(&mut self, key: &Key) -> String {
        let (time, offset) = (timestamp(key.time), key.offset);
        let producer = self.mark("producer", key.producer.clone());
        format!(
            "(Timestamp > {time} OR Timestamp = {time} AND (producer > {producer} OR producer = {producer} AND \
             record_offset > {offset}))"
        )
    }

    fn conditions(&mut self, ask: &Ask<'_>) -> Vec<String> {
        let mut all = Vec::new();
        let is_second = |nanos: i64| u32::try_from(nanos / SECOND).ok();
        let (from, to) = bounds(&ask.times);
        if let Some(from) = from {
            if let Some(second) = is_second(from) {
                all.push(format!("TimestampTime >= toDateTime({second})"));
            }
            all.push(format!("Timestamp >= {}", timestamp(from)));
        }
        if let Some(to) = to {
            if let Some(second) = is_second(to) {
                all.push(format!("TimestampTime <= toDateTime({second})"));
            }
            all.push(format!("Timestamp < {}", timestamp(to)));
        }
        if let Some(traces) = traces(ask.rows) {
            let traces = traces.iter().map(|trace| format!("'{}'", trace.to_hex()));
            let traces: Vec<String> = traces.collect();
            all.push(match traces.is_empty() {
                true => "1 = 0".to_owned(),
                false => format!("TraceId IN ({})", traces.join(", ")),
            });
        }
        if !ask.services.is_empty() {
            let marks = ask.services.iter().enumerate();
            let marks: Vec<String> = marks
                .map(|(at, service)| self.mark(&format!("service{at}"), service.clone()))
                .collect();
            let marks = marks.join(", ");
            all.push(format!(
                "ServiceName IN ({marks}, '') AND (ServiceName != '' OR process_name IN ({marks}))"
            ));
        }
        if ask.severity > Severity::UNSET {
            all.push(format!("SeverityNumber >= {}", ask.severity.number()));
        }
        all.extend(kinds(ask.rows));
        for (at, part) in texts::parts(ask.words).into_iter().enumerate() {
            let part = self.mark(&format!("word{at}"), part.to_owned());
            let columns = texts::COLUMNS.iter().map(|column| {
                let name = column.name();
                format!("positionCaseInsensitive(ifNull({name}, ''), {part}) > 0")
            });
            let columns: Vec<String> = columns.collect();
            all.push(format!("({})", columns.join(" OR ")));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::TraceId;
    use distlog_store::Rows;

    use super::*;

    #[test]
    fn texts_of_users_are_parameters() {
        let services = ["'; DROP TABLE x".to_owned()];
        let words = ["hunter".to_owned()];
        let traces = [TraceId::random()];
        let ask = Ask {
            times: 1_500_000_000..5_000_000_000,
            services: &services,
            severity: Severity::WARN,
            rows: Rows::OfTraces(&traces),
            words: &words,
        };
        let key = Key {
            time: 2_000_000_000,
            producer: "it's".to_owned(),
            offset: -1,
        };
        let query = page(&ask, "distlog", Some(&key), 7);
        for text in ["DROP", "hunter", "it's"] {
            assert!(!query.sql.contains(text), "{}", query.sql);
        }
        for part in [
            "TimestampTime >= toDateTime(2) AND Timestamp >= fromUnixTimestamp64Nano(toInt64(2000000000))",
            "TimestampTime <= toDateTime(5) AND Timestamp < fromUnixTimestamp64Nano(toInt64(5000000000))",
            "ServiceName IN ({service0:String}, '')",
            "SeverityNumber >= 13",
            "positionCaseInsensitive(ifNull(message, ''), {word0:String}) > 0",
            "record_offset > -1",
            "ORDER BY Timestamp, producer, record_offset LIMIT 7 FORMAT RowBinary",
        ] {
            assert!(query.sql.contains(part), "{part} in {}", query.sql);
        }
        assert_eq!(query.parameters.len(), 3);
        let all = page(&Ask::ALL, "distlog", None, 7).sql;
        assert!(!all.contains("WHERE"), "{all}");
    }
}
