//! The processor `sqlite`.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use distlog_testkit::{Daemon, Process, eventually};
use rusqlite::{Connection, OpenFlags};

use super::{Key, difference, stored};
use crate::sessions::Client;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

const CONFIG: &str = "
processors:
  db: { sqlite: { path: db/logs.db }, retry: { first: 50ms, most: 200ms } }
rules:
  - when: service != 'distlogd'
    to: [db]";

/// Opens the database as another program would.
fn reader(path: &Path) -> Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Connection::open_with_flags(path, flags).map_err(|error| error.to_string())
}

fn rows(path: &Path) -> Result<Vec<(Key, String)>, String> {
    let read = |connection: Connection| -> rusqlite::Result<Vec<(Key, String)>> {
        let query = "SELECT producer, record_offset, message FROM records";
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        rows.collect()
    };
    read(reader(path)?).map_err(|error| error.to_string())
}

fn one<T: rusqlite::types::FromSql>(path: &Path, query: &str) -> T {
    reader(path)
        .unwrap()
        .query_row(query, [], |row| row.get(0))
        .unwrap()
}

/// Waits until the database has what the store has.
fn is_whole(daemon: &Daemon, path: &Path) -> BTreeMap<Key, String> {
    eventually("what the store has, in the database", || {
        let stored = stored(daemon);
        match difference(&stored, &rows(path)?) {
            same if same.is_empty() && !stored.is_empty() => Ok(stored),
            other => Err(other),
        }
    })
}

fn run(daemon: &Daemon, story: &[&str]) {
    let [_, session] = daemon.receivers();
    let mut client = Process::start(
        Command::new(CLIENT)
            .args([session.as_str(), "batch"])
            .args(story),
    );
    assert!(client.wait().success(), "{:?}", client.stderr());
}

#[test]
fn records_and_tasks_of_a_program_are_in_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), CONFIG);
    run(&daemon, &["every-field"]);
    let path = folder.path().join("db/logs.db");
    let stored = is_whole(&daemon, &path);
    assert_eq!(stored.len(), 10);
    for beside in ["db/logs.db", "db/logs.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(beside))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{beside}");
    }
    let event = "FROM records WHERE message = 'event 1'";
    assert_eq!(
        one::<i64>(&path, &format!("SELECT fields ->> 'int' {event}")),
        -3
    );
    assert_eq!(
        one::<String>(&path, &format!("SELECT fields ->> 'text' {event}")),
        "zwölf"
    );
    assert_eq!(
        one::<String>(
            &path,
            &format!("SELECT context ->> '$.point.names[1]' {event}")
        ),
        "b"
    );
    assert_eq!(
        one::<String>(&path, &format!("SELECT resource ->> 'team' {event}")),
        "core"
    );
    // The words of messages.
    let found = "SELECT log.message FROM log JOIN messages ON messages.rowid = log.id WHERE messages MATCH 'everything 7'
        AND kind = 'begin'";
    assert_eq!(one::<String>(&path, found), "do everything with 7");
    // One task failed, within it another did well.
    let failed =
        "SELECT error FROM task_list WHERE state = 'failed' AND name = 'do everything with {}'";
    let error: String = one(&path, failed);
    assert!(error.contains("the number is none"), "{error}");
    assert_eq!(
        one::<i64>(
            &path,
            "SELECT count(*) FROM task_list WHERE duration_ms > 0"
        ),
        2
    );
    assert_eq!(
        one::<i64>(
            &path,
            "SELECT count(*) FROM task_list WHERE state = 'running'"
        ),
        0
    );
    assert!(daemon.stop().success());
    let left: Vec<_> = std::fs::read_dir(folder.path().join("db"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "only the database is left: {left:?}");
}

#[test]
fn a_daemon_that_is_killed_under_load_leaves_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("retry:", "batch: { records: 300, wait: 20ms }, retry:");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let path = folder.path().join("db/logs.db");
    let mut client = Client::start(&[daemon.session()], 0, &[("WAIT", "1")]);
    let mut before = eventually("a database", || rows(&path)).len();
    for _ in 0..5 {
        client.log(3000);
        // Somebody reads for long.
        let long = reader(&path).unwrap();
        long.execute_batch("BEGIN").unwrap();
        let seen = |connection: &Connection| -> i64 {
            let query = "SELECT count(*) FROM records";
            connection.query_row(query, [], |row| row.get(0)).unwrap()
        };
        let at_first = seen(&long);
        before = eventually("new records", || {
            let now = rows(&path)?.len();
            if now > before + 500 {
                Ok(now)
            } else {
                Err(format!("{now} records"))
            }
        });
        assert_eq!(seen(&long), at_first, "its snapshot stays");
        daemon.kill();
        drop(long);
        daemon.restart();
    }
    assert_eq!(client.flush(), (15_000, 0));
    let stored = is_whole(&daemon, &path);
    let logged = stored
        .values()
        .filter(|message| message.starts_with("record "));
    assert_eq!(logged.count(), 15_000);
    assert_eq!(one::<String>(&path, "PRAGMA integrity_check"), "ok");
}

#[test]
fn a_file_that_is_something_else_is_named_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db/logs.db");
    std::fs::create_dir(folder.path().join("db")).unwrap();
    std::fs::write(
        &path,
        "a letter to somebody, and much more of it ".repeat(50),
    )
    .unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), CONFIG);
    run(&daemon, &["count", "100"]);
    daemon.process().expect_stderr("what is wrong", |line| {
        line.contains("cannot use db/logs.db: it is no SQLite database")
            .then_some(())
    });
    std::fs::rename(&path, folder.path().join("db/letter")).unwrap();
    assert_eq!(is_whole(&daemon, &path).len(), 100);
}

#[test]
fn a_database_of_a_newer_daemon_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db/logs.db");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), CONFIG);
    run(&daemon, &["count", "10"]);
    is_whole(&daemon, &path);
    daemon.stop();
    let newer = Connection::open(&path).unwrap();
    let version: i64 = one(&path, "PRAGMA user_version");
    newer
        .pragma_update(None, "user_version", version + 1)
        .unwrap();
    daemon.restart();
    run(&daemon, &["count", "10"]);
    daemon.process().expect_stderr("what is wrong", |line| {
        line.contains("db/logs.db: a newer distlogd wrote it")
            .then_some(())
    });
    assert_eq!(rows(&path).unwrap().len(), 10);
    newer.pragma_update(None, "user_version", version).unwrap();
    assert_eq!(is_whole(&daemon, &path).len(), 20);
}

#[test]
fn old_records_go_also_when_nothing_comes() {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("logs.db }", "logs.db, keep: 1s }");
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    run(&daemon, &["every-field"]);
    let path = folder.path().join("db/logs.db");
    eventually("a database without records", || {
        reader(&path)?;
        let connection = reader(&path)?;
        let query = "SELECT (SELECT max(id) FROM written), (SELECT count(*) FROM records), (SELECT count(*) FROM tasks)";
        let read = connection.query_row(query, [], |row| {
            Ok((
                row.get::<_, Option<i64>>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
            ))
        });
        match read.map_err(|error| error.to_string())? {
            (_, 0, 0)
                if daemon.metric("distlogd_processor_sent_records_total{processor=\"db\"}")
                    >= 10.0 =>
            {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(stored(&daemon).len(), 10, "the store keeps its own time");
}

#[test]
#[ignore = "mounts a small file system, which needs privileges: see .ci/run"]
fn a_full_disk_stops_the_database_alone_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("db")).unwrap();
    // The file system is there for the daemon alone.
    let mount = format!("mount -t tmpfs -o size=3m tmpfs db && exec {DISTLOGD} \"$@\"");
    let arguments = ["--mount", "sh", "-c", &mount, "sh"];
    let mut daemon = Daemon::start("unshare", &arguments, folder.path(), CONFIG);
    let seen_by_it = PathBuf::from(format!("/proc/{}/root", daemon.process().id()));
    let inside = seen_by_it
        .join(folder.path().strip_prefix("/").unwrap())
        .join("db");
    let ballast = inside.join("ballast");
    std::fs::write(&ballast, vec![0; 2 << 20]).unwrap();
    run(&daemon, &["count", "5000"]);
    daemon.process().expect_stderr("what is wrong", |line| {
        line.contains("db/logs.db: the disk is full").then_some(())
    });
    assert_eq!(stored(&daemon).len(), 5000, "the store takes everything");
    std::fs::remove_file(&ballast).unwrap();
    // More than that does not fit, so it is made larger, too.
    let larger = Command::new("nsenter")
        .args(["--mount", "--target", &daemon.process().id().to_string()])
        .args(["mount", "-o", "remount,size=64m"])
        .arg(folder.path().join("db"))
        .status()
        .unwrap();
    assert!(larger.success());
    // SQLite takes `/proc/PID/root` for a link to the root that we see, so it gets a copy.
    let count = eventually("what the store has, in the database", || {
        let copy = tempfile::tempdir().unwrap();
        for file in ["logs.db", "logs.db-wal"] {
            std::fs::copy(inside.join(file), copy.path().join(file))
                .map_err(|error| error.to_string())?;
        }
        let there = rows(&copy.path().join("logs.db"))?;
        match difference(&stored(&daemon), &there) {
            same if same.is_empty() => Ok(there.len()),
            other => Err(other),
        }
    });
    assert_eq!(count, 5000);
}

#[test]
#[ignore = "needs the program sqlite3: see .ci/run"]
fn the_program_sqlite3_reads_it_while_the_daemon_writes() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), CONFIG);
    run(&daemon, &["every-field"]);
    let path = folder.path().join("db/logs.db");
    is_whole(&daemon, &path);
    for query in examples() {
        let output = Command::new("sqlite3")
            .arg("-readonly")
            .arg(&path)
            .arg(&query)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() && said.is_empty(),
            "{query}\n{said}"
        );
    }
}

#[test]
fn the_examples_of_the_documentation_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), CONFIG);
    run(&daemon, &["every-field"]);
    let path = folder.path().join("db/logs.db");
    is_whole(&daemon, &path);
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:?}");
    let connection = reader(&path).unwrap();
    for query in examples {
        let mut statement = connection
            .prepare(&query)
            .unwrap_or_else(|error| panic!("{error}: {query}"));
        let mut rows = statement.query([]).unwrap();
        while rows.next().unwrap().is_some() {}
    }
}

/// The queries of docs/databases.md for SQLite.
fn examples() -> Vec<String> {
    let page = include_str!("../../../../docs/databases.md");
    let part = page
        .split("\n## ")
        .find(|part| part.starts_with("SQLite"))
        .unwrap();
    let blocks = part.split("```sql\n").skip(1);
    let queries = blocks.flat_map(|block| block.split("```").next().unwrap().split(';'));
    queries
        .map(|query| query.trim().to_owned())
        .filter(|query| !query.is_empty())
        .collect()
}
