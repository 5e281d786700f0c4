//! The tables: how they are made, and what an older schema lacks.
//!
//! `otel_logs` has a row for each record. `otel_traces` has a row for each end of a task and is filled by ClickHouse,
//! from `otel_logs`. Both have the columns of OpenTelemetry's exporter for ClickHouse, so that what people have for
//! those tables (dashboards, Grafana's data source) works.

use std::fmt::Write;
use std::time::Duration;

use super::column::definitions;

/// Where the table's rows are sorted, their key at its end: a row with the same values replaces the other.
const LOGS_ORDER: &str = "PRIMARY KEY (ServiceName, TimestampTime)\n\
    ORDER BY (ServiceName, TimestampTime, Timestamp, producer, record_offset)";

/// Inserts are on the disk when they are answered, and repeated ones are recognised for a while.
const SETTINGS: &str = "SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, \
    non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1";

const LOGS_INDEXES: &str = "    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,\n    \
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,\n    \
    INDEX idx_log_attr_key mapKeys(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,\n    \
    INDEX idx_log_attr_value mapValues(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,\n    \
    INDEX idx_body Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8";

const TRACES: &str = "(
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    producer FixedString(32) CODEC(ZSTD(1)),
    record_offset Int64 CODEC(Delta(8), ZSTD(1)),
    task Nullable(String) CODEC(ZSTD(1)),
    host LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    outcome LowCardinality(Nullable(String)) CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(Timestamp)
PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp))
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp, producer, record_offset)";

/// An end of a task as a span. Its status follows the outcome, as the processor `otlp` has it.
const SPANS: &str = "WITH
    ifNull(l.extra, '{}') AS more,
    JSONExtractUInt(more, 'status_code') AS status,
    JSONExtractString(more, 'status_message') AS said,
    JSONExtractString(more, 'span_kind') AS role,
    JSONExtract(more, 'links', 'Array(Tuple(trace_id String, span_id String, trace_state String, \
        attributes Map(String, String)))') AS links
SELECT
    fromUnixTimestamp64Nano(toUnixTimestamp64Nano(l.Timestamp) - ifNull(l.duration_ns, 0)) AS Timestamp,
    l.TraceId AS TraceId,
    l.SpanId AS SpanId,
    ifNull(l.parent_span_id, '') AS ParentSpanId,
    JSONExtractString(more, 'trace_state') AS TraceState,
    ifNull(l.name, l.Body) AS SpanName,
    if(role = '', 'Internal', initcap(role)) AS SpanKind,
    l.ServiceName AS ServiceName,
    l.ResourceAttributes AS ResourceAttributes,
    l.ScopeName AS ScopeName,
    l.ScopeVersion AS ScopeVersion,
    mapUpdate(
        JSONExtract(ifNull(l.context, '{}'), 'Map(LowCardinality(String), String)'), l.LogAttributes
    ) AS SpanAttributes,
    toUInt64(ifNull(l.duration_ns, 0)) AS Duration,
    multiIf(
        status = 1 OR l.outcome = 'success', 'Ok',
        status = 2 OR l.outcome IN ('failed', 'lost'), 'Error',
        'Unset'
    ) AS StatusCode,
    if(said = '', splitByChar('\\n', ifNull(l.error, ''))[1], said) AS StatusMessage,
    arrayMap(link -> link.trace_id, links) AS `Links.TraceId`,
    arrayMap(link -> link.span_id, links) AS `Links.SpanId`,
    arrayMap(link -> link.trace_state, links) AS `Links.TraceState`,
    arrayMap(link -> link.attributes, links) AS `Links.Attributes`,
    l.producer AS producer,
    l.record_offset AS record_offset,
    l.task AS task,
    l.host AS host,
    l.outcome AS outcome";

/// The statements that make the tables of a database.
#[derive(Debug)]
pub(super) struct Schema {
    database: String,
    keep: Option<Duration>,
}

impl Schema {
    pub(super) fn new(database: &str, keep: Option<Duration>) -> Schema {
        Schema {
            database: database.to_owned(),
            keep,
        }
    }

    /// Asks for what is there: a line for each table with its engine and whether its TTL is the right one, and one for
    /// each column of `otel_logs`.
    pub(super) fn question(&self) -> String {
        let database = &self.database;
        let ttl = self
            .seconds()
            .map_or(String::new(), |keep| format!("toIntervalSecond({keep})"));
        format!(
            "SELECT name, engine, position(create_table_query, '{ttl}') > 0 FROM system.tables \
             WHERE database = '{database}' AND name IN ('otel_logs', 'otel_traces', 'otel_traces_of_logs')\n\
             UNION ALL SELECT name, 'column', 1 FROM system.columns \
             WHERE database = '{database}' AND table = 'otel_logs'\nFORMAT TSV"
        )
    }

    /// What is to be done where `there` is the answer to that.
    ///
    /// # Errors
    /// If a table is there that rows must not go to.
    pub(super) fn statements(&self, there: &str) -> Result<Vec<String>, String> {
        let database = &self.database;
        let lines: Vec<Vec<&str>> = there
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        let find = |name: &str, is_column: bool| {
            let mut lines = lines.iter();
            lines.find(|line| {
                line.len() == 3 && line[0] == name && (line[1] == "column") == is_column
            })
        };
        let mut statements = Vec::new();
        if find("otel_logs", false).is_none() {
            statements.push(format!("CREATE DATABASE IF NOT EXISTS {database}"));
        }
        for (table, create, of) in [
            ("otel_logs", self.logs(), "TimestampTime"),
            ("otel_traces", self.traces(), "toDateTime(Timestamp)"),
        ] {
            let Some(known) = find(table, false) else {
                statements.push(create);
                continue;
            };
            // Of a cluster, it is replicated or shared.
            if !known[1].ends_with("ReplacingMergeTree") {
                return Err(format!(
                    "the table {database}.{table} has the engine {}, in which repeated rows stay: name another `database`",
                    known[1]
                ));
            }
            if let Some(keep) = self.seconds()
                && known[2] == "0"
            {
                statements.push(format!(
                    "ALTER TABLE {database}.{table} MODIFY TTL {of} + toIntervalSecond({keep})"
                ));
            }
        }
        if find("otel_logs", false).is_some() {
            let missing = definitions().filter(|(name, _)| find(name, true).is_none());
            let missing: Vec<String> = missing
                .map(|(name, definition)| format!("ADD COLUMN IF NOT EXISTS {name} {definition}"))
                .collect();
            if !missing.is_empty() {
                let missing = missing.join(", ");
                statements.push(format!("ALTER TABLE {database}.otel_logs {missing}"));
            }
        }
        if find("otel_traces_of_logs", false).is_none() {
            statements.push(format!(
                "CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.otel_traces_of_logs TO {database}.otel_traces AS\n\
                 {SPANS}\nFROM {database}.otel_logs AS l WHERE l.kind = 'end' AND l.TraceId != ''"
            ));
        }
        Ok(statements)
    }

    fn seconds(&self) -> Option<u64> {
        self.keep.map(|keep| keep.as_secs())
    }

    fn ttl(&self, of: &str) -> String {
        self.seconds().map_or(String::new(), |keep| {
            format!("\nTTL {of} + toIntervalSecond({keep})")
        })
    }

    fn logs(&self) -> String {
        let mut sql = format!("CREATE TABLE IF NOT EXISTS {}.otel_logs (\n", self.database);
        for (name, definition) in definitions() {
            // A String takes everything.
            let _ = writeln!(sql, "    {name} {definition},");
        }
        let ttl = self.ttl("TimestampTime");
        let _ = write!(
            sql,
            "{LOGS_INDEXES}\n)\nENGINE = ReplacingMergeTree\nPARTITION BY toDate(TimestampTime)\n{LOGS_ORDER}{ttl}\n{SETTINGS}"
        );
        sql
    }

    fn traces(&self) -> String {
        let ttl = self.ttl("toDateTime(Timestamp)");
        format!(
            "CREATE TABLE IF NOT EXISTS {}.otel_traces {TRACES}{ttl}\n{SETTINGS}",
            self.database
        )
    }
}
