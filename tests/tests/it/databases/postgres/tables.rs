//! The tables: made, changed, cut by age; and what the documentation asks of them.

use std::path::Path;

use distlog_testkit::{Daemon, Postgres, eventually};
use serde_json::json;

use super::hostile::{log, now, post_logs};
use super::{DISTLOGD, compare, config, daemon, settled};
use crate::sessions::Client;

const DAY: u64 = 86_400;

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn an_older_schema_is_brought_up_and_a_newer_one_refused() {
    let server = Postgres::start(&[]);
    // As the first version left it, with a record.
    let first = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../distlogd/src/processors/postgres/schema/1.sql");
    let first = std::fs::read_to_string(first)
        .unwrap()
        .replace("{schema}", "distlog");
    server.sql(&format!(
        "CREATE SCHEMA distlog; CREATE TABLE distlog.versions (version integer PRIMARY KEY, \
         made timestamptz NOT NULL DEFAULT now()); INSERT INTO distlog.versions VALUES (1); {first}"
    ));
    server.sql(
        "INSERT INTO distlog.records (producer, record_offset, time, time_ns, kind, message) \
         VALUES ('00000000-0000-0000-0000-000000000001', 1, now(), 0, 'event', 'from before')",
    );
    let (_folder, mut daemon) = daemon(&server.url(), "timeout: 5s");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    client.log(10);
    client.flush();
    settled(&daemon);
    assert_eq!(server.sql("SELECT max(version) FROM distlog.versions"), "2");
    assert_eq!(
        server.sql("SELECT count(*) FROM distlog.running_tasks"),
        "1"
    );
    // It was in the partition for all else, until its day got one.
    let today = "SELECT tableoid::regclass = ('distlog.records_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD'))::regclass \
         FROM distlog.records WHERE message = 'from before'";
    assert_eq!(server.sql(today), "t");

    assert!(daemon.stop().success());
    server.sql("INSERT INTO distlog.versions VALUES (99)");
    daemon.restart();
    client.log(10);
    daemon.process().expect_stderr("what to do", |line| {
        (line.contains("have version 99") && line.contains("use a newer distlogd")).then_some(())
    });
    server.sql("DELETE FROM distlog.versions WHERE version = 99");
    client.flush();
    settled(&daemon);
    let count = "SELECT count(*) FROM distlog.records WHERE message ^@ 'record '";
    assert_eq!(server.sql(count), "20");
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn partitions_follow_the_records_and_old_ones_are_dropped() {
    let server = Postgres::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let text = config(&server.url(), "timeout: 5s");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &text);
    let none = json!([]);
    let times = [
        ("today", now()),
        ("yesterday", now() - DAY),
        ("last month", now() - 40 * DAY),
        ("years ago", 1_000_000_000),
        ("in a year", now() + 365 * DAY),
    ];
    for (text, time) in times {
        post_logs(&daemon, "clock", &[log(time, text, &none)]);
    }
    compare(&daemon, &server, 5);
    let other = "SELECT message FROM distlog.records_other ORDER BY time";
    assert_eq!(server.sql(other), "years ago\nin a year");
    let days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'distlog.records'::regclass";
    // With the coming day, and that for all else.
    assert_eq!(server.sql(days), "5");
    // A query for a day reads no other.
    let plan = server.sql("EXPLAIN SELECT FROM distlog.records WHERE time >= current_date - 1 AND time < current_date");
    assert!(plan.matches("records_2").count() <= 2, "{plan}");

    assert!(daemon.stop().success());
    let keeping = text.replace("timeout: 5s", "timeout: 5s, keep: 30d");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &keeping);
    post_logs(&daemon, "clock", &[log(now(), "now", &none)]);
    eventually("the end of the old partition", || match server.sql(days) {
        days if days == "4" => Ok(()),
        other => Err(other),
    });
    settled(&daemon);
    let left =
        "SELECT message FROM distlog.records WHERE service = 'clock' ORDER BY time, message DESC";
    assert_eq!(server.sql(left), "yesterday\ntoday\nnow\nin a year");
    assert!(daemon.stop().success());
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn a_role_with_few_rights_is_enough_and_others_only_read() {
    let server = Postgres::start(&[]);
    let page = documentation();
    for block in blocks(&page, "```sql\n-- roles\n") {
        server.sql(&block);
    }
    server.sql("ALTER ROLE distlogd PASSWORD 'p%4'; ALTER ROLE reader LOGIN PASSWORD 'r'");
    let url = format!("postgres://distlogd:p%254@127.0.0.1:{}/logs", server.port());
    let (_folder, daemon) = daemon(&url, "timeout: 5s");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    client.log(100);
    client.flush();
    compare(&daemon, &server, 101);
    let ask = |sql: &str| {
        let mut psql = server.session("logs");
        let output = psql
            .args(["-U", "reader", "-c", sql])
            .env("PGPASSWORD", "r")
            .output();
        output.unwrap()
    };
    let found = ask("SELECT count(*) FROM distlog.records WHERE message ^@ 'record '");
    assert_eq!(
        String::from_utf8_lossy(&found.stdout).trim(),
        "100",
        "{found:?}"
    );
    assert!(!ask("DELETE FROM distlog.records").status.success());
}

/// The page about databases.
fn whole_page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/databases.md");
    std::fs::read_to_string(page).unwrap()
}

/// Its part about this one.
fn documentation() -> String {
    let page = whole_page();
    let part = page.split("\n## PostgreSQL\n").nth(1).unwrap();
    part.split("\n## ").next().unwrap().to_owned()
}

/// The blocks of code that begin so.
fn blocks(page: &str, begin: &str) -> Vec<String> {
    let blocks = page.split(begin).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn the_queries_of_the_documentation_run() {
    let server = Postgres::start(&[]);
    let (_folder, daemon) = daemon(&server.url(), "timeout: 5s");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    client.log(100);
    client.flush();
    settled(&daemon);
    let page = documentation();
    let queries = blocks(&page, "```sql\n");
    let queries: Vec<&String> = queries
        .iter()
        .filter(|query| !query.starts_with("-- roles"))
        .collect();
    assert!(queries.len() >= 2, "{queries:?}");
    for query in queries {
        server.sql(query);
    }
    // Every column is on the page.
    let page = whole_page();
    let columns = server.sql(
        "SELECT DISTINCT column_name FROM information_schema.columns \
         WHERE table_schema = 'distlog' AND table_name IN ('records', 'tasks')",
    );
    for column in columns.lines() {
        assert!(page.contains(&format!("`{column}`")), "{column}");
    }
}
