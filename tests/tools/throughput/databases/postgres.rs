//! PostgreSQL: the processor, and `COPY` by psql.
//!
//! The server is one of its own, with the durability that it has by default.

use std::path::Path;
use std::time::Instant;

use distlog_testkit::Postgres;
use distlog_tests::bench::results;

use super::{Options, Row, load, ours};

/// The folder of the server's programs.
const PROGRAMS: &str = "DISTLOG_TEST_POSTGRES";

pub(super) fn measure(options: &Options) -> Result<Row, String> {
    if std::env::var_os(PROGRAMS).is_none() {
        return Err(format!(
            "{PROGRAMS} names no folder of PostgreSQL's programs"
        ));
    }
    let settings = ["fsync=on", "shared_buffers=128MB", "max_wal_size=4GB"];
    let server = Postgres::start(&settings);
    let folder = results::scratch_folder();
    let processor = format!("postgres: {{ url: '{}' }}", server.url());
    let cost = load(options, folder.path(), &ours(&processor));
    let number = |sql: &str| -> Result<f64, String> {
        let text = server.try_sql(sql)?;
        text.parse().map_err(|_| text)
    };
    let count = number("SELECT count(*) FROM distlog.records")?;
    let bytes = number(
        "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits \
         WHERE inhparent = 'distlog.records'::regclass",
    )?;
    let rows = folder.path().join("rows");
    server.try_sql(&format!(
        "\\copy (SELECT * FROM distlog.records) TO '{}'",
        rows.display()
    ))?;
    let bulk = |table: &str, with: &str| -> Result<f64, String> {
        server.try_sql(&format!(
            "CREATE TABLE {table} (LIKE distlog.records {with})"
        ))?;
        let begun = Instant::now();
        copy(&server, table, &rows)?;
        Ok(count / begun.elapsed().as_secs_f64())
    };
    // With no index at all, and with the key and the others.
    let plain = bulk("plain", "")?;
    let indexed = bulk("indexed", "INCLUDING INDEXES")?;
    Ok(Row {
        name: "postgres",
        per_second: cost.rate(cost.written),
        daemon_cpu_per_million: cost.per_record(cost.daemon),
        bytes: bytes / count,
        bulk: vec![("COPY", plain), ("COPY, indexed", indexed)],
    })
}

fn copy(server: &Postgres, table: &str, rows: &Path) -> Result<String, String> {
    server.try_sql(&format!("\\copy {table} FROM '{}'", rows.display()))
}
