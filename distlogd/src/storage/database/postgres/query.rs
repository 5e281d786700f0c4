//! What is asked, as SQL. Texts of users are parameters.

use distlog_proto::Severity;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::super::Ask;
use super::super::conditions::{bounds, kinds, traces};
use super::super::texts;
use crate::processors::database::{Column, ColumnType};
use crate::processors::postgres::text::{indexed, plain};

/// 2000-01-01, in microseconds since 1970: where PostgreSQL counts from.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A statement and its parameters.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) sql: String,
    parameters: Vec<Box<dyn ToSql + Send + Sync>>,
}

impl Query {
    /// The rows that are asked for, in order; their columns are texts and integers, in the order of [`Column::ALL`].
    pub(super) fn new(ask: &Ask<'_>, schema: &str) -> Query {
        let columns: Vec<String> = Column::ALL.iter().map(|column| selected(*column)).collect();
        let mut query = Query::of(ask, schema, &columns.join(", "));
        query
            .sql
            .push_str(" ORDER BY time, time_ns, producer, record_offset");
        query
    }

    /// The times of the rows that are asked for, so many at most.
    pub(super) fn times(ask: &Ask<'_>, schema: &str, most: usize) -> Query {
        let mut query = Query::of(ask, schema, "time_ns");
        query.sql.push_str(&format!(" LIMIT {most}"));
        query
    }

    /// In the order of their numbers.
    pub(super) fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let parameters = self.parameters.iter();
        parameters
            .map(|parameter| &**parameter as &(dyn ToSql + Sync))
            .collect()
    }

    fn of(ask: &Ask<'_>, schema: &str, columns: &str) -> Query {
        let mut query = Query {
            sql: String::new(),
            parameters: Vec::new(),
        };
        let conditions = query.conditions(ask);
        query.sql = format!("SELECT {columns} FROM {schema}.records");
        if !conditions.is_empty() {
            query.sql.push_str(" WHERE ");
            query.sql.push_str(&conditions.join(" AND "));
        }
        query
    }

    /// Adds a parameter: its mark.
    fn mark(&mut self, parameter: impl ToSql + Send + Sync + 'static) -> String {
        self.parameters.push(Box::new(parameter));
        format!("${}", self.parameters.len())
    }

    fn conditions(&mut self, ask: &Ask<'_>) -> Vec<String> {
        let mut all = Vec::new();
        // The index and the partitions are by time to the microsecond.
        let (from, to) = bounds(&ask.times);
        if let Some(from) = from {
            let micros = self.mark(Timestamp(from.div_euclid(1000)));
            let nanos = self.mark(from);
            all.push(format!("time >= {micros} AND time_ns >= {nanos}"));
        }
        if let Some(to) = to {
            let micros = self.mark(Timestamp((to - 1).div_euclid(1000)));
            let nanos = self.mark(to);
            all.push(format!("time <= {micros} AND time_ns < {nanos}"));
        }
        if let Some(traces) = traces(ask.rows) {
            let traces: Vec<String> = traces.iter().map(|trace| trace.to_hex()).collect();
            let traces = self.mark(traces);
            all.push(format!("trace_id = ANY ({traces}::text[]::uuid[])"));
        }
        if !ask.services.is_empty() {
            // As they are written: without U+0000, and not longer than an index takes.
            let mut services: Vec<String> = Vec::new();
            for service in ask.services {
                let service = plain(service);
                services.push(indexed(&service).into_owned());
                services.push(service.into_owned());
            }
            let services = self.mark(services);
            all.push(format!(
                "(service = ANY ({services}::text[]) OR service IS NULL AND process_name = ANY ({services}::text[]))"
            ));
        }
        if ask.severity > Severity::UNSET {
            all.push(format!("severity >= {}", ask.severity.number()));
        }
        all.extend(kinds(ask.rows));
        for part in texts::parts(ask.words) {
            let pattern = self.mark(format!("%{}%", part.replace('_', "\\_")));
            let columns = texts::COLUMNS.iter().map(|column| {
                let text = match column.column_type() {
                    ColumnType::Json => "::text",
                    _ => "",
                };
                // The case of ASCII letters alone, whatever language the database is in.
                format!(
                    "{}{text} COLLATE \"C\" ILIKE {pattern}::text",
                    column.name()
                )
            });
            let columns: Vec<String> = columns.collect();
            all.push(format!("({})", columns.join(" OR ")));
        }
        all
    }
}

fn selected(column: Column) -> String {
    let name = column.name();
    match (column, column.column_type()) {
        (_, ColumnType::Time) => format!("{name}_ns"),
        (_, ColumnType::Json) | (Column::Producer | Column::TraceId, _) => format!("{name}::text"),
        (Column::Severity, _) => format!("{name}::bigint"),
        _ => name.to_owned(),
    }
}

/// Microseconds since 1970, as a parameter of the type `timestamptz`.
#[derive(Debug)]
struct Timestamp(i64);

impl ToSql for Timestamp {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&(self.0 - EPOCH_MICROS).to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(r#type: &Type) -> bool {
        *r#type == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use distlog_proto::TraceId;
    use distlog_store::Rows;

    use super::*;

    #[test]
    fn texts_of_users_are_parameters() {
        let services = ["'; DROP TABLE x".to_owned()];
        let words = ["a_b'".to_owned()];
        let traces = [TraceId::random()];
        let ask = Ask {
            times: 1_999..5_000,
            services: &services,
            severity: Severity::WARN,
            rows: Rows::TasksOf(&traces),
            words: &words,
        };
        let query = Query::new(&ask, "distlog");
        assert!(
            !query.sql.contains("DROP") && !query.sql.contains("a_b"),
            "{}",
            query.sql
        );
        for part in [
            "time >= $1 AND time_ns >= $2 AND time <= $3 AND time_ns < $4",
            "trace_id = ANY ($5::text[]::uuid[])",
            "severity >= 13 AND kind IN ('begin', 'end')",
            "fields::text COLLATE \"C\" ILIKE $7::text",
        ] {
            assert!(query.sql.contains(part), "{}", query.sql);
        }
        assert_eq!(query.parameters().len(), 7);
        let all = Query::new(&Ask::ALL, "distlog").sql;
        assert!(
            all.ends_with("FROM distlog.records ORDER BY time, time_ns, producer, record_offset")
        );
    }
}
