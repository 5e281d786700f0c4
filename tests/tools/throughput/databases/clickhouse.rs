//! ClickHouse: the processor, and one `INSERT … FORMAT Native` of all rows.
//!
//! The engine runs in a small server of the tests (`tests/python/clickhouse_server.py`), which runs queries one by one.

use std::time::Instant;

use distlog_testkit::ClickHouse;
use distlog_tests::bench::results;

use super::{Options, Row, load, ours};

/// A Python that has the engine.
const PYTHON: &str = "DISTLOG_TEST_PYTHON";

pub(super) fn measure(options: &Options) -> Result<Row, String> {
    if std::env::var_os(PYTHON).is_none() {
        return Err(format!("{PYTHON} names no Python with chdb"));
    }
    let folder = results::scratch_folder();
    let server = ClickHouse::start(folder.path(), "");
    let url = format!("clickhouse: {{ url: 'http://{}' }}", server.address());
    let cost = load(options, folder.path(), &ours(&url));
    let number = |sql: &str| -> Result<f64, String> {
        let text = server.ask(sql)?;
        text.parse().map_err(|_| text)
    };
    let count = number("SELECT count() FROM distlog.otel_logs FINAL")?;
    let bytes = number(
        "SELECT sum(bytes_on_disk) FROM system.parts \
         WHERE active AND database = 'distlog' AND table = 'otel_logs'",
    )?;
    let rows = folder.path().join("rows.native");
    let rows = rows.display();
    server.ask(&format!(
        "SELECT * FROM distlog.otel_logs FINAL INTO OUTFILE '{rows}' FORMAT Native"
    ))?;
    let bulk = |table: &str, with: &str| -> Result<f64, String> {
        server.ask(&format!("CREATE TABLE distlog.{table} {with}"))?;
        let begun = Instant::now();
        server.ask(&format!(
            "INSERT INTO distlog.{table} FROM INFILE '{rows}' FORMAT Native"
        ))?;
        Ok(count / begun.elapsed().as_secs_f64())
    };
    // In no order, and by the key of ours.
    let plain = "ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM distlog.otel_logs LIMIT 0";
    let plain = bulk("plain", plain)?;
    let sorted = bulk("sorted", "AS distlog.otel_logs")?;
    Ok(Row {
        name: "clickhouse",
        per_second: cost.rate(cost.written),
        daemon_cpu_per_million: cost.per_record(cost.daemon),
        bytes: bytes / count,
        bulk: vec![("Native, no key", plain), ("Native, our table", sorted)],
    })
}
