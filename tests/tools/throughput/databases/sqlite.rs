//! SQLite: the processor, and `.import` of the program `sqlite3`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use distlog_tests::bench::{peer, results};
use rusqlite::Connection;

use super::{Options, Row, load, ours};

pub(super) fn measure(options: &Options) -> Result<Row, String> {
    let program = peer::find("DISTLOG_BENCH_SQLITE3", "sqlite3").ok_or("no program sqlite3")?;
    let folder = results::scratch_folder();
    let cost = load(options, folder.path(), &ours("sqlite: { path: logs.db }"));
    let path = folder.path().join("logs.db");
    let length = std::fs::metadata(&path)
        .map_err(|error| error.to_string())?
        .len();
    let database = Connection::open(&path).map_err(|error| error.to_string())?;
    let count: i64 = database
        .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    let schema = |condition: &str| -> Result<String, String> {
        let query = format!(
            "SELECT group_concat(sql, ';') FROM sqlite_schema WHERE tbl_name = 'records' AND {condition}"
        );
        let row = database.query_row(&query, [], |row| row.get(0));
        row.map_err(|error| error.to_string())
    };
    let table = schema("type = 'table'")?;
    let indexes = schema("type = 'index' AND sql IS NOT NULL")?;
    let rows = folder.path().join("rows.csv");
    let export = format!(".output {}\nSELECT * FROM records;\n", rows.display());
    command(&program, &path, &["-csv"], &export)?;
    let import = format!(".import --csv {} records\n", rows.display());
    let bulk = |name: &str, schema: &str| -> Result<f64, String> {
        let path = folder.path().join(name);
        let journal = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
        command(&program, &path, &[], &format!("{journal}\n{schema};\n"))?;
        let begun = Instant::now();
        command(&program, &path, &[], &import)?;
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    };
    // The key alone, and with all indexes but that of the words.
    let plain = bulk("plain.db", &table)?;
    let indexed = bulk("indexed.db", &format!("{table}; {indexes}"))?;
    Ok(Row {
        name: "sqlite",
        per_second: cost.rate(cost.written),
        daemon_cpu_per_million: cost.per_record(cost.daemon),
        bytes: length as f64 / count as f64,
        bulk: vec![(".import", plain), (".import, indexed", indexed)],
    })
}

/// Has the program do it.
fn command(program: &Path, database: &Path, arguments: &[&str], input: &str) -> Result<(), String> {
    use std::io::Write;
    let mut child = Command::new(program)
        .arg("-bail")
        .args(arguments)
        .arg(database)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().ok_or("no input")?;
    stdin
        .write_all(input.as_bytes())
        .map_err(|error| error.to_string())?;
    drop(stdin);
    let status = child.wait().map_err(|error| error.to_string())?;
    status
        .success()
        .then_some(())
        .ok_or(format!("sqlite3 ended with {status}"))
}
