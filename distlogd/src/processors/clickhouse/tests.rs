//! The configuration and the statements. With the real engine: `tests/tests/it/databases/clickhouse.rs`.

use super::Config;
use super::column::{SENT, definitions};
use super::schema::Schema;
use std::time::Duration;

fn read(yaml: &str) -> Result<Config, String> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
}

#[test]
fn an_address_is_enough_and_secrets_are_not_printed() {
    let config = read("url: http://127.0.0.1:8123").unwrap();
    assert_eq!((config.database.as_str(), config.keep), ("distlog", None));
    let config =
        read("url: https://ch:8443\nuser: leo\npassword: geheim\nkeep: 30d\ndatabase: logs_2")
            .unwrap();
    assert_eq!(config.keep, Some(Duration::from_secs(30 * 86_400)));
    let printed = format!("{config:?}");
    assert!(!printed.contains("geheim"), "{printed}");
}

#[test]
fn what_cannot_be_is_refused() {
    for (more, said) in [
        ("database: 'a b'", "the name of a database"),
        ("database: \"x'; DROP\"", "the name of a database"),
        ("database: 1a", "the name of a database"),
        ("keep: 1s", "an hour or more"),
        ("password: \"a\\nb\"", "without line breaks"),
        ("table: x", "table"),
    ] {
        let text = read(&format!("url: http://h\n{more}")).unwrap_err();
        assert!(text.contains(said), "{more}: {text}");
    }
}

/// What ClickHouse answers where everything is there.
fn whole(ttl: bool) -> String {
    let ttl = i32::from(ttl);
    let tables =
        ["otel_logs", "otel_traces"].map(|name| format!("{name}\tReplacingMergeTree\t{ttl}\n"));
    let columns = definitions().map(|(name, _)| format!("{name}\tcolumn\t1\n"));
    tables
        .into_iter()
        .chain(["otel_traces_of_logs\tMaterializedView\t0\n".to_owned()])
        .chain(columns)
        .collect()
}

#[test]
fn only_what_is_missing_is_made() {
    let schema = Schema::new("d", None);
    let first = schema.statements("").unwrap();
    let begins: Vec<String> = first
        .iter()
        .map(|sql| sql.split_whitespace().take(6).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        begins,
        [
            "CREATE DATABASE IF NOT EXISTS d",
            "CREATE TABLE IF NOT EXISTS d.otel_logs",
            "CREATE TABLE IF NOT EXISTS d.otel_traces",
            "CREATE MATERIALIZED VIEW IF NOT EXISTS",
        ]
    );
    assert!(schema.statements(&whole(false)).unwrap().is_empty());

    let older = whole(false).replace("record_number\tcolumn\t1\n", "");
    let statements = schema.statements(&older).unwrap();
    assert_eq!(
        statements,
        [
            "ALTER TABLE d.otel_logs ADD COLUMN IF NOT EXISTS record_number Nullable(Int64) CODEC(ZSTD(1))"
        ]
    );

    let foreign = whole(false).replace("otel_logs\tReplacing", "otel_logs\t");
    let said = schema.statements(&foreign).unwrap_err();
    assert!(
        said.contains("d.otel_logs has the engine MergeTree"),
        "{said}"
    );
}

#[test]
fn a_ttl_is_set_where_it_is_another() {
    let schema = Schema::new("d", Some(Duration::from_secs(3600)));
    assert!(schema.question().contains("'toIntervalSecond(3600)'"));
    let statements = schema.statements(&whole(false)).unwrap();
    assert_eq!(
        statements,
        [
            "ALTER TABLE d.otel_logs MODIFY TTL TimestampTime + toIntervalSecond(3600)",
            "ALTER TABLE d.otel_traces MODIFY TTL toDateTime(Timestamp) + toIntervalSecond(3600)",
        ]
    );
    assert!(schema.statements(&whole(true)).unwrap().is_empty());
}

#[test]
fn no_column_stands_twice() {
    let mut names: Vec<&str> = definitions().map(|(name, _)| name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(SENT.len() < count);
}
