//! The columns of `otel_logs`: those of OpenTelemetry's exporter, and ours.

use std::sync::LazyLock;

use crate::processors::database::{Column, ColumnType};

/// Types of columns that rows are sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// 32 characters.
    Id,
    Text,
    Word,
    TextOrNull,
    WordOrNull,
    Byte,
    Integer,
    IntegerOrNull,
    Time,
}

impl Type {
    /// Its name in SQL.
    pub(super) const fn sql(self) -> &'static str {
        match self {
            Type::Id => "FixedString(32)",
            Type::Text => "String",
            Type::Word => "LowCardinality(String)",
            Type::TextOrNull => "Nullable(String)",
            Type::WordOrNull => "LowCardinality(Nullable(String))",
            Type::Byte => "UInt8",
            Type::Integer => "Int64",
            Type::IntegerOrNull => "Nullable(Int64)",
            Type::Time => "DateTime64(9)",
        }
    }

    const fn codec(self) -> &'static str {
        match self {
            Type::Time | Type::Integer => " CODEC(Delta(8), ZSTD(1))",
            Type::Byte => "",
            _ => " CODEC(ZSTD(1))",
        }
    }
}

/// What a column is sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Column(Column),
    /// The text of the severity, as the exporter has it.
    SeverityText,
}

/// Columns of the exporter that are sent; the others are made of these and ours by ClickHouse.
const EXPORTER: [(&str, Type, Value); 7] = [
    ("Timestamp", Type::Time, Value::Column(Column::Time)),
    ("TraceId", Type::Text, Value::Column(Column::TraceId)),
    ("SpanId", Type::Text, Value::Column(Column::SpanId)),
    ("SeverityText", Type::Word, Value::SeverityText),
    (
        "SeverityNumber",
        Type::Byte,
        Value::Column(Column::Severity),
    ),
    ("ServiceName", Type::Word, Value::Column(Column::Service)),
    ("Body", Type::Text, Value::Column(Column::Message)),
];

/// The same in other names.
const ALIASES: [(Column, &str, &str); 6] = [
    (Column::Time, "Int64", "toUnixTimestamp64Nano(Timestamp)"),
    (
        Column::Severity,
        "Nullable(UInt8)",
        "nullIf(SeverityNumber, 0)",
    ),
    (
        Column::Service,
        "Nullable(String)",
        "nullIf(toString(ServiceName), '')",
    ),
    (Column::Message, "String", "Body"),
    (Column::TraceId, "Nullable(String)", "nullIf(TraceId, '')"),
    (Column::SpanId, "Nullable(String)", "nullIf(SpanId, '')"),
];

/// Columns of the exporter that ClickHouse makes.
const MADE: [(&str, &str, &str); 10] = [
    ("TimestampTime", "DateTime", "toDateTime(Timestamp)"),
    (
        "TraceFlags",
        "UInt8",
        "toUInt8(bitAnd(JSONExtractUInt(ifNull(extra, '{}'), 'flags'), 255))",
    ),
    (
        "ResourceSchemaUrl",
        "LowCardinality(String)",
        "JSONExtractString(ifNull(extra, '{}'), 'schema_url')",
    ),
    (
        "ResourceAttributes",
        "Map(LowCardinality(String), String)",
        "JSONExtract(ifNull(resource, '{}'), 'Map(LowCardinality(String), String)')",
    ),
    (
        "ScopeSchemaUrl",
        "LowCardinality(String)",
        "JSONExtractString(ifNull(extra, '{}'), 'otlp', 'scope_schema_url')",
    ),
    (
        "ScopeName",
        "String",
        "JSONExtractString(ifNull(extra, '{}'), 'otlp', 'scope_name')",
    ),
    (
        "ScopeVersion",
        "LowCardinality(String)",
        "JSONExtractString(ifNull(extra, '{}'), 'otlp', 'scope_version')",
    ),
    (
        "ScopeAttributes",
        "Map(LowCardinality(String), String)",
        "JSONExtract(ifNull(extra, '{}'), 'otlp', 'scope_attributes', 'Map(LowCardinality(String), String)')",
    ),
    (
        "LogAttributes",
        "Map(LowCardinality(String), String)",
        "JSONExtract(ifNull(fields, '{}'), 'Map(LowCardinality(String), String)')",
    ),
    (
        "EventName",
        "LowCardinality(String)",
        "if(kind = 'event', ifNull(name, ''), '')",
    ),
];

fn type_of(column: Column) -> Type {
    match (column, column.column_type()) {
        (Column::Producer, _) => Type::Id,
        (Column::RecordOffset, _) => Type::Integer,
        (Column::Kind, _) => Type::Word,
        (_, ColumnType::Integer | ColumnType::Time) => Type::IntegerOrNull,
        // Many different ones.
        (Column::Name | Column::Task | Column::Error | Column::Stack, _) => Type::TextOrNull,
        (_, ColumnType::Json | ColumnType::Hex) => Type::TextOrNull,
        (_, ColumnType::Text) => Type::WordOrNull,
    }
}

fn is_alias(column: Column) -> bool {
    ALIASES.iter().any(|(alias, ..)| *alias == column)
}

/// A column that is sent: name, type and value.
pub(super) type Sent = (&'static str, Type, Value);

/// The columns that are sent, in this order.
pub(super) static SENT: LazyLock<Vec<Sent>> = LazyLock::new(|| {
    let ours = Column::ALL.iter().filter(|column| !is_alias(**column));
    let ours = ours.map(|column| (column.name(), type_of(*column), Value::Column(*column)));
    EXPORTER.into_iter().chain(ours).collect()
});

/// All columns: name and definition. What is made follows what it is made of.
pub(super) fn definitions() -> impl Iterator<Item = (&'static str, String)> {
    let sent = SENT
        .iter()
        .map(|(name, r#type, _)| (*name, format!("{}{}", r#type.sql(), r#type.codec())));
    let aliases = ALIASES
        .into_iter()
        .map(|(column, r#type, of)| (column.name(), format!("{type} ALIAS {of}")));
    let made = MADE.into_iter().map(|(name, r#type, of)| {
        let codec = if r#type.contains("String") {
            " CODEC(ZSTD(1))"
        } else {
            ""
        };
        (name, format!("{type} DEFAULT {of}{codec}"))
    });
    sent.chain(made).chain(aliases)
}
