//! The processor `sqlite`: real files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{
    BatchRef, Callsite, Kind, Otlp, Outcome, ProducerId, Record, RecordRef, Severity, Task, TaskId,
};
use rusqlite::Connection;

use super::config::{Config, Keep};
use super::error::Fault;
use super::processor::Sqlite;
use super::retention::Retention;
use super::schema::{self, STEPS};
use crate::processor::{Error, Processor};

fn config(path: &Path) -> Config {
    Config {
        path: path.to_owned(),
        keep: Keep::default(),
    }
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(&config(path)).unwrap()
}

/// Presents records; offsets are theirs, the producer is one.
fn present(sqlite: &mut Sqlite, records: &[Record]) -> Result<(), Error> {
    let mut writer = BatchWriter::new();
    for record in records {
        let mut record = record.clone();
        record.source.producer = ProducerId::from_bytes([7; 16]);
        record.source.service = "shop".into();
        writer.push(&record);
    }
    let bytes = writer.finish();
    let batch = BatchRef::parse(&bytes).unwrap();
    let parsed: Vec<RecordRef<'_>> = batch.records().map(Result::unwrap).collect();
    sqlite.process(&parsed)
}

fn events(offsets: std::ops::Range<u64>) -> Vec<Record> {
    let event = |offset| Record {
        offset,
        time: 1_763_871_098_123_456_789,
        severity: Severity::WARN,
        message: format!("sold {offset} apples"),
        ..Record::default()
    };
    offsets.map(event).collect()
}

fn task_record(kind: Kind, offset: u64, outcome: Outcome) -> Record {
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse().unwrap();
    Record {
        kind,
        offset,
        outcome,
        time: 1_000_000_000 * (offset + 1),
        duration: if kind == Kind::End { 500_000 } else { 0 },
        callsite: Callsite {
            template: "pay {}".into(),
            ..Callsite::default()
        },
        message: "pay 7".into(),
        task: Some(Task::from(&id)),
        ..Record::default()
    }
}

fn count(path: &Path, query: &str) -> i64 {
    let reader = Connection::open(path).unwrap();
    reader.query_row(query, [], |row| row.get(0)).unwrap()
}

fn texts(path: &Path, query: &str) -> Vec<String> {
    let reader = Connection::open(path).unwrap();
    let mut statement = reader.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn reason(result: Result<(), Error>) -> String {
    match result {
        Err(Error::Retry { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_that_come_again_stand_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/logs.db");
    let mut sqlite = open(&path);
    present(&mut sqlite, &events(0..10)).unwrap();
    sqlite.flush().unwrap();
    present(&mut sqlite, &events(5..15)).unwrap();
    sqlite.flush().unwrap();
    // Also for a daemon that was started again.
    drop(sqlite);
    let mut sqlite = open(&path);
    present(&mut sqlite, &events(0..20)).unwrap();
    sqlite.flush().unwrap();
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 20);
    assert_eq!(
        count(
            &path,
            "SELECT count(*) FROM messages WHERE messages MATCH 'apples'"
        ),
        20
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_was_not_flushed_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    present(&mut sqlite, &events(0..10)).unwrap();
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 0);
    drop(sqlite);
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 0);
}

#[test]
fn views_are_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    present(&mut sqlite, &events(0..1)).unwrap();
    present(&mut sqlite, &[task_record(Kind::Begin, 1, Outcome::Unset)]).unwrap();
    present(&mut sqlite, &[task_record(Kind::End, 2, Outcome::Failed)]).unwrap();
    sqlite.flush().unwrap();
    assert_eq!(
        texts(
            &path,
            "SELECT at || ' ' || level || ' ' || service || ': ' || message FROM log WHERE kind = 'event'"
        ),
        ["2025-11-23T04:11:38.123456Z WARN shop: sold 0 apples"]
    );
    assert_eq!(
        texts(
            &path,
            "SELECT began || ' ' || name || ' ' || duration_ms || ' ' || state FROM task_list"
        ),
        ["1970-01-01T00:00:02.000000Z pay {} 0.5 failed"]
    );
    let plan = |query: &str| texts_of(&path, &format!("EXPLAIN QUERY PLAN {query}"), 3).join("\n");
    for (query, index) in [
        (
            "SELECT * FROM log WHERE time > 5 ORDER BY time DESC LIMIT 9",
            "records_by_time",
        ),
        (
            "SELECT * FROM log WHERE service = 'a' ORDER BY time DESC LIMIT 9",
            "records_by_service",
        ),
        ("SELECT * FROM log WHERE trace_id = 'a'", "records_by_trace"),
        (
            "SELECT * FROM records WHERE producer = 'a' AND record_offset = 3",
            "sqlite_autoindex_records_1",
        ),
        (
            "SELECT * FROM tasks WHERE trace_id = 'a'",
            "sqlite_autoindex_tasks_1",
        ),
        (
            "SELECT * FROM tasks WHERE outcome IN ('failed', 'lost') ORDER BY end_time DESC LIMIT 9",
            "tasks_failed",
        ),
        (
            "SELECT * FROM task_list ORDER BY begin_time DESC LIMIT 9",
            "tasks_by_time",
        ),
    ] {
        let plan = plan(query);
        assert!(plan.contains(index), "{query}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{query}\n{plan}");
    }
}

fn texts_of(path: &Path, query: &str, column: usize) -> Vec<String> {
    let reader = Connection::open(path).unwrap();
    let mut statement = reader.prepare(query).unwrap();
    let rows = statement.query_map([], |row| row.get(column)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// State of the only task after these records, each in a flush of its own.
fn state_after(records: &[Record]) -> (String, Option<i64>, Option<i64>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    for record in records {
        present(&mut sqlite, std::slice::from_ref(record)).unwrap();
        sqlite.flush().unwrap();
    }
    let reader = Connection::open(&path).unwrap();
    let query = "SELECT state, begin_time, end_time FROM task_list";
    let mut statement = reader.prepare(query).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let mut rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

#[test]
fn a_task_is_one_row_whatever_comes_first() {
    let begin = task_record(Kind::Begin, 0, Outcome::Unset);
    let end = task_record(Kind::End, 3, Outcome::Ok);
    let lost = task_record(Kind::End, 5, Outcome::Lost);
    let second = 1_000_000_000;
    let known = |state: &str, end: i64| (state.to_owned(), Some(second), Some(end * second));
    assert_eq!(
        state_after(std::slice::from_ref(&begin)),
        ("running".to_owned(), Some(second), None)
    );
    assert_eq!(state_after(&[begin.clone(), end.clone()]), known("ok", 4));
    assert_eq!(state_after(&[end.clone(), begin.clone()]), known("ok", 4));
    assert_eq!(
        state_after(&[begin.clone(), lost.clone()]),
        known("lost", 6)
    );
    // A real end replaces one of the daemon's, and not the other way round.
    let all = [begin.clone(), lost.clone(), end.clone()];
    assert_eq!(state_after(&all), known("ok", 4));
    assert_eq!(
        state_after(&[begin.clone(), end.clone(), lost]),
        known("ok", 4)
    );
    let silent = task_record(Kind::End, 7, Outcome::Unset);
    assert_eq!(state_after(&[begin.clone(), silent]), known("ended", 8));
    let later = task_record(Kind::End, 9, Outcome::Failed);
    assert_eq!(state_after(&[begin, end, later]), known("ok", 4));
}

#[test]
fn spans_that_share_an_id_are_two_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    for offset in [0, 10] {
        for (kind, number) in [(Kind::Begin, 0), (Kind::End, 1)] {
            let mut record = task_record(kind, offset + number, Outcome::Ok);
            record.number = number;
            record.otlp = Some(Box::new(Otlp {
                scope_name: "shop".into(),
                ..Otlp::default()
            }));
            present(&mut sqlite, &[record]).unwrap();
        }
    }
    sqlite.flush().unwrap();
    assert_eq!(count(&path, "SELECT count(*) FROM tasks"), 2);
    assert_eq!(
        count(
            &path,
            "SELECT count(*) FROM task_list WHERE state = 'ok' AND begin_time IS NOT NULL"
        ),
        2
    );
}

#[test]
fn a_reader_with_a_long_snapshot_does_not_stop_writing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    present(&mut sqlite, &events(0..10)).unwrap();
    sqlite.flush().unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen = || -> i64 {
        reader
            .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(seen(), 10);
    for n in 1..5 {
        present(&mut sqlite, &events(n * 1000..(n + 1) * 1000)).unwrap();
        sqlite.flush().unwrap();
    }
    assert_eq!(seen(), 10, "its snapshot stays");
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 4010);
    reader.execute_batch("COMMIT").unwrap();
}

#[test]
fn another_writer_is_waited_for_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reason = reason(present(&mut sqlite, &events(0..10)));
    assert!(
        reason.ends_with("logs.db: another program is writing to it, and does not end"),
        "{reason}"
    );
    other.execute_batch("COMMIT").unwrap();
    present(&mut sqlite, &events(0..10)).unwrap();
    sqlite.flush().unwrap();
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 10);
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| Sqlite::open(&config(path)).err().unwrap().to_string();
    let text = folder.path().join("text");
    std::fs::write(&text, "no database, but quite a long text ".repeat(100)).unwrap();
    let said = refused(&text);
    assert!(said.contains("text: it is no SQLite database"), "{said}");
    assert!(std::fs::read(&text).unwrap().starts_with(b"no database"));

    let foreign = folder.path().join("foreign.db");
    let other = Connection::open(&foreign).unwrap();
    other.execute_batch("CREATE TABLE records (x)").unwrap();
    let said = refused(&foreign);
    assert!(
        said.contains("foreign.db: it is a database of another program"),
        "{said}"
    );

    let newer = folder.path().join("newer.db");
    drop(open(&newer));
    Connection::open(&newer)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let said = refused(&newer);
    assert!(
        said.contains("newer.db: a newer distlogd wrote it (its schema has version 99"),
        "{said}"
    );

    let said = refused(folder.path());
    assert!(said.starts_with("cannot use "), "{said}");
}

#[test]
fn an_older_schema_is_brought_to_the_newest() {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::prepare(&mut connection, STEPS).unwrap();
    connection
        .execute_batch("INSERT INTO records (producer, record_offset, time, kind, message) VALUES ('a', 1, 2, 'event', 'm')")
        .unwrap();
    let more: schema::Step =
        |transaction| transaction.execute_batch("ALTER TABLE records ADD COLUMN mood TEXT");
    let steps: Vec<schema::Step> = STEPS.iter().copied().chain([more]).collect();
    for _ in 0..2 {
        schema::prepare(&mut connection, &steps).unwrap();
    }
    let query = "SELECT count(*) FROM records WHERE mood IS NULL";
    let kept: i64 = connection.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1);
    assert!(matches!(
        schema::prepare(&mut connection, STEPS),
        Err(Fault::Newer { .. })
    ));
    let fails: schema::Step =
        |transaction| transaction.execute_batch("DROP TABLE records; nonsense");
    let steps: Vec<schema::Step> = steps.into_iter().chain([fails]).collect();
    schema::prepare(&mut connection, &steps).unwrap_err();
    let kept: i64 = connection.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1, "a step is made whole or not at all");
}

#[test]
fn the_oldest_go_by_age_in_small_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    present(
        &mut sqlite,
        &[task_record(Kind::Begin, 9_000, Outcome::Unset)],
    )
    .unwrap();
    present(&mut sqlite, &events(0..5000)).unwrap();
    sqlite.flush().unwrap();
    drop(sqlite);
    // Those were written two hours ago.
    let other = Connection::open(&path).unwrap();
    other
        .execute("UPDATE written SET time = time - 7200 * 1000000000", [])
        .unwrap();
    let keep = Keep {
        size: None,
        age: Some(Duration::from_secs(3600)),
    };
    let mut sqlite = Sqlite::open(&Config {
        keep,
        ..config(&path)
    })
    .unwrap();
    present(&mut sqlite, &events(5000..5010)).unwrap();
    sqlite.flush().unwrap();
    assert_eq!(
        count(&path, "SELECT count(*) FROM records"),
        3011,
        "one step"
    );
    for _ in 0..5 {
        sqlite.idle().unwrap();
    }
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 10);
    assert_eq!(count(&path, "SELECT count(*) FROM tasks"), 0);
    assert_eq!(
        count(
            &path,
            "SELECT count(*) FROM messages WHERE messages MATCH 'apples'"
        ),
        10
    );
    // The index of words is whole.
    other
        .execute_batch("INSERT INTO messages (messages, rank) VALUES ('integrity-check', 1)")
        .unwrap();
    assert_eq!(texts(&path, "PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn the_oldest_go_by_size_and_the_file_does_not_grow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let keep = Keep {
        size: Some(4 << 20),
        age: None,
    };
    let mut sqlite = Sqlite::open(&Config {
        keep,
        ..config(&path)
    })
    .unwrap();
    for n in 0..40 {
        present(&mut sqlite, &events(n * 1000..(n + 1) * 1000)).unwrap();
        sqlite.flush().unwrap();
    }
    let newest = count(&path, "SELECT max(record_offset) FROM records");
    assert_eq!(newest, 39_999);
    let kept = count(&path, "SELECT count(*) FROM records");
    assert!((1000..30_000).contains(&kept), "{kept}");
    drop(sqlite);
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length < 6 << 20, "{length}");
    let mut sqlite = open(&path);
    present(&mut sqlite, &events(50_000..50_001)).unwrap();
    sqlite.flush().unwrap();
    assert_eq!(
        count(&path, "SELECT max(record_offset) FROM records"),
        50_000
    );
}

#[test]
fn nothing_goes_where_all_is_kept() {
    let connection = Connection::open_in_memory().unwrap();
    let retention = Retention::new(Keep::default());
    assert_eq!(retention.next(&connection, 0).unwrap(), None);
}

#[test]
fn a_file_that_was_removed_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    present(&mut sqlite, &events(0..10)).unwrap();
    sqlite.flush().unwrap();
    present(&mut sqlite, &events(10..20)).unwrap();
    for beside in ["", "-wal", "-shm"] {
        std::fs::remove_file(folder.path().join(format!("logs.db{beside}"))).unwrap();
    }
    let said = reason(sqlite.flush().map(drop));
    assert!(said.contains("logs.db: it was moved or removed"), "{said}");
    present(&mut sqlite, &events(10..20)).unwrap();
    sqlite.flush().unwrap();
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 10);
}

#[test]
fn a_full_disk_is_said_and_nothing_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let mut sqlite = open(&path);
    present(&mut sqlite, &events(0..100)).unwrap();
    sqlite.flush().unwrap();
    sqlite.limit_pages(60);
    let said = (1..100).find_map(|n| {
        let result = present(&mut sqlite, &events(n * 1000..(n + 1) * 1000));
        result.and_then(|()| sqlite.flush().map(drop)).err()
    });
    let said = said.unwrap().to_string();
    assert!(said.ends_with("logs.db: the disk is full"), "{said}");
    // Opened again there is room.
    for n in 1..4 {
        present(&mut sqlite, &events(n * 1000..(n + 1) * 1000)).unwrap();
        sqlite.flush().unwrap();
    }
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 3100);
}

#[test]
fn keys_of_the_configuration_are_read() {
    let read = |text: &str| {
        let document = format!("processors:\n  db: {{ sqlite: {text} }}\nrules:\n  - to: db\n");
        crate::config::load(&document, "test.yaml", &[]).map(|config| {
            match &config.processors[0].kind {
                crate::processors::Kind::Sqlite(config) => config.keep,
                other => panic!("{other:?}"),
            }
        })
    };
    let day = Duration::from_secs(86_400);
    let keep = |size, age| Keep { size, age };
    assert_eq!(read("{ path: a.db }").unwrap(), Keep::default());
    assert_eq!(read("{ path: a.db, keep: off }").unwrap(), Keep::default());
    assert_eq!(
        read("{ path: a.db, keep: 30d }").unwrap(),
        keep(None, Some(30 * day))
    );
    assert_eq!(
        read("{ path: a.db, keep: { size: 1GiB, age: 1d } }").unwrap(),
        keep(Some(1 << 30), Some(day))
    );
    let said = read("{ path: a.db, keep: 30 }").unwrap_err().to_string();
    assert!(said.contains("expected a duration like 30d"), "{said}");
    let said = read("{ path: a.db, keep: { days: 3 } }")
        .unwrap_err()
        .to_string();
    assert!(said.contains("unknown key `days`"), "{said}");
    let twice = "processors:\n  a: { sqlite: { path: x.db } }\n  b: { sqlite: { path: ./x.db } }\nrules:\n  - to: [a, b]\n";
    let said = crate::config::load(twice, "test.yaml", &[])
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("`a` and `b` would write to the same file, x.db"),
        "{said}"
    );
}
