//! Files that the processor writes, read meanwhile.

use std::path::{Path, PathBuf};

use distlog_proto::{Record, TraceId};
use distlog_store::Rows;
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::test_records::{self, Written, pages};
use super::super::{Ask, Database};
use super::*;
use crate::processor::Processor;
use crate::processors::sqlite;

fn writer(path: &Path) -> Box<dyn Processor> {
    sqlite::writing(path)
}

/// A file with these records.
fn written(records: &[Record]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    test_records::write(&mut *writer(&path), records);
    (folder, path)
}

#[test]
fn what_is_asked_comes_once_and_in_order() {
    let records = test_records::records();
    let (_folder, path) = written(&records);
    let database = Sqlite::open(&path).unwrap();
    Written::new(records).compare(&database);
}

#[test]
fn records_that_come_while_it_is_open_are_read() {
    let records = test_records::records();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut writer = writer(&path);
    let database = Sqlite::open(&path).unwrap();
    assert_eq!(database.times().unwrap(), None);
    assert_eq!(
        database.slices(&Ask::ALL, 10).unwrap(),
        vec![0..u64::MAX; 1]
    );
    test_records::write(&mut *writer, &records[..100]);
    assert_eq!(pages(&database, &Ask::ALL).len(), 100);
    // Reading keeps nobody from writing.
    let mut more = 0;
    database
        .records(&Ask::ALL, &mut |_| {
            if more == 0 {
                test_records::write(&mut *writer, &records[100..]);
            }
            more += 1;
            true
        })
        .unwrap();
    assert_eq!(more, 100);
    assert_eq!(pages(&database, &Ask::ALL).len(), records.len());
}

#[test]
fn a_file_that_takes_the_place_of_another_is_read() {
    let records = test_records::records();
    let (_folder, path) = written(&records[..10]);
    let database = Sqlite::open(&path).unwrap();
    assert_eq!(pages(&database, &Ask::ALL).len(), 10);
    let (_other, newer) = written(&records[..20]);
    std::fs::rename(newer, &path).unwrap();
    assert_eq!(pages(&database, &Ask::ALL).len(), 20);
    std::fs::remove_file(&path).unwrap();
    let error = database.times().unwrap_err().to_string();
    assert!(error.ends_with("there is no such file"), "{error}");
}

#[test]
fn what_is_no_file_of_ours_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let said = |path: &Path| Sqlite::open(path).unwrap_err().to_string();
    let path = folder.path().join("x.db");
    assert!(said(&path).ends_with("there is no such file"));
    std::fs::write(&path, "no database at all").unwrap();
    assert!(
        said(&path).contains("no SQLite database"),
        "{}",
        said(&path)
    );
    std::fs::write(&path, "").unwrap();
    assert!(
        said(&path).contains("nothing has been written"),
        "{}",
        said(&path)
    );
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(said(&path).contains("another program"), "{}", said(&path));
    let (_folder, path) = written(&test_records::records()[..1]);
    let ours = Connection::open(&path).unwrap();
    ours.pragma_update(None, "user_version", 99).unwrap();
    assert!(said(&path).contains("a newer distlogd"), "{}", said(&path));
}

#[test]
fn it_is_read_by_its_indexes() {
    let (_folder, path) = written(&test_records::records());
    let connection = Connection::open(&path).unwrap();
    let plan = |ask: &Ask<'_>| {
        let Query { sql, parameters } = Query::new(ask);
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let steps = statement
            .query_map(params_from_iter(parameters), |row| row.get::<_, String>(3))
            .unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        steps.join("\n")
    };
    let range = Ask {
        times: 5..7,
        ..Ask::ALL
    };
    let by_time = plan(&range);
    assert!(
        by_time.contains("records_by_time (time>? AND time<?)"),
        "{by_time}"
    );
    let services = ["shop".to_owned()];
    let of_service = plan(&Ask {
        services: &services,
        ..range.clone()
    });
    assert!(
        of_service.contains("records_by_service (service=? AND time>? AND time<?)"),
        "{of_service}"
    );
    let traces = [TraceId::random(), TraceId::random()];
    let of_traces = plan(&Ask {
        rows: Rows::OfTraces(&traces),
        ..range
    });
    assert!(
        of_traces.contains("records_by_trace (trace_id=?)"),
        "{of_traces}"
    );
}

#[test]
fn nothing_can_be_written() {
    let (_folder, path) = written(&test_records::records()[..1]);
    let database = Sqlite::open(&path).unwrap();
    let result = database.with(|connection| Ok(connection.execute("DELETE FROM records", [])?));
    assert!(result.is_err());
    assert_eq!(pages(&database, &Ask::ALL).len(), 1);
}
