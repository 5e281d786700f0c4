//! Processor `clickhouse`, with the engine of ClickHouse (`chdb`) behind a server that speaks its HTTP interface.

use std::process::Command;

use distlog_testkit::{ClickHouse, Daemon, Process, eventually};
use serde_json::Value;

use super::{CLIENT, Client, DISTLOGD, count, metric};

fn config(server: &ClickHouse, more: &str) -> String {
    let address = server.address();
    format!(
        "
processors:
  out: {{ clickhouse: {{ url: 'http://{address}'{more} }}, from: start }}
rules:
  - {{ when: \"service == 'client'\", to: [out] }}"
    )
}

#[test]
#[ignore = "needs Python with chdb"]
fn a_record_has_the_columns_of_the_exporter_and_ours() {
    let folder = tempfile::tempdir().unwrap();
    let server = ClickHouse::start(folder.path(), "geheim");
    let more = ", user: leo, password: geheim, keep: 30d, compression: gzip";
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config(&server, more));
    let session = format!("session={}", daemon.session());
    let mut client = Process::start(Command::new(CLIENT).args([&session, "batch", "every-field"]));
    assert!(client.wait().success());
    server.wait_for("SELECT count() FROM distlog.otel_logs FINAL", "10");

    // What the exporter's users ask.
    let event = server.ask(
        "SELECT SeverityText, SeverityNumber, ServiceName, LogAttributes['int'], LogAttributes['text'], \
         ResourceAttributes['team'], TimestampTime = toDateTime(Timestamp), length(TraceId), length(SpanId) \
         FROM distlog.otel_logs FINAL WHERE Body = 'event 1'",
    );
    assert_eq!(
        event.unwrap(),
        "INFO\t9\tclient\t-3\tzwölf\tcore\t1\t32\t16"
    );
    let spans = server.ask(
        "SELECT SpanName, SpanKind, StatusCode, StatusMessage, Duration > 0, ParentSpanId != '', SpanAttributes['user'], \
         length(Links.TraceId) FROM distlog.otel_traces FINAL ORDER BY Duration DESC",
    );
    let spans = spans.unwrap();
    let lines: Vec<&str> = spans.lines().collect();
    let whole: Vec<&str> = lines[0].split('\t').collect();
    assert_eq!(whole[..3], ["do everything with {}", "Internal", "Error"]);
    assert!(whole[3].ends_with("the number is none"), "{spans}");
    assert_eq!(whole[4..7], ["1", "0", "leo"]);
    assert!(
        lines[1].starts_with("a part\tInternal\tUnset\t\t1\t1\t"),
        "{spans}"
    );
    assert_eq!(lines.len(), 2);

    // What all our databases have, and nothing is lost.
    let ours = server.ask(
        "SELECT kind, severity, service, message, fields, context, record_number, time = toUnixTimestamp64Nano(Timestamp) \
         FROM distlog.otel_logs FINAL WHERE message = 'event 1'",
    );
    let ours = ours.unwrap();
    let ours: Vec<&str> = ours.split('\t').collect();
    assert_eq!(ours[..4], ["event", "9", "client", "event 1"]);
    let fields: Value = serde_json::from_str(ours[4]).unwrap();
    assert_eq!(fields["uint"], u64::MAX);
    let context: Value = serde_json::from_str(ours[5]).unwrap();
    assert_eq!(context["user"], "leo");
    assert_eq!(ours[6..], ["1", "1"]);
    let create = server.ask("SHOW CREATE TABLE distlog.otel_logs").unwrap();
    assert!(
        create.contains("TTL TimestampTime + toIntervalSecond(2592000)"),
        "{create}"
    );
}

#[test]
#[ignore = "needs Python with chdb"]
fn killed_servers_and_daemons_leave_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = ClickHouse::start(folder.path(), "");
    let config = config(&server, "");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let mut client = Client::start(&daemon);
    let mut total = 0;
    let rows = "SELECT count() FROM distlog.otel_logs";
    for round in 0..4 {
        let before = total;
        client.log(5000);
        total += 5000;
        eventually("some rows", || {
            let there: u64 = server.ask(rows)?.parse().unwrap();
            if there > before {
                Ok(())
            } else {
                Err(there.to_string())
            }
        });
        if round % 2 == 0 {
            client.log(1000);
            total += 1000;
            server.kill_and_restart();
        } else {
            daemon.kill();
            daemon.restart();
        }
    }
    client.wait_until_stored(total);
    server.wait_for(
        "SELECT count(), uniqExact(producer, record_offset), uniqExact(LogAttributes['n']) FROM distlog.otel_logs FINAL \
         WHERE kind = 'event'",
        &format!("{total}\t{total}\t{total}"),
    );
}

#[test]
#[ignore = "needs Python with chdb"]
fn older_tables_get_the_columns_that_they_lack_and_removed_ones_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = ClickHouse::start(folder.path(), "");
    let text = config(&server, ", database: logs");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &text);
    count(&daemon, 100);
    server.wait_for("SELECT count() FROM logs.otel_logs FINAL", "100");
    assert!(daemon.stop().success());
    server
        .ask("ALTER TABLE logs.otel_logs DROP COLUMN record_number")
        .unwrap();
    daemon.restart();
    count(&daemon, 100);
    server.wait_for("SELECT count() FROM logs.otel_logs FINAL", "200");
    server
        .ask("SELECT record_number FROM logs.otel_logs")
        .unwrap();

    // While the daemon runs.
    server.ask("DROP DATABASE logs").unwrap();
    count(&daemon, 100);
    server.wait_for("SELECT count() FROM logs.otel_logs FINAL", "100");
    assert_eq!(metric(&daemon, "rejected_records"), 0.0);
}

#[test]
#[ignore = "needs Python with chdb"]
fn what_a_person_has_to_do_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = ClickHouse::start(folder.path(), "geheim");
    let wrong = config(&server, ", user: leo, password: falsch");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &wrong);
    count(&daemon, 1);
    daemon.process().expect_stderr("what to do", |line| {
        (line.contains("are `user` and `password` right?") && !line.contains("falsch"))
            .then_some(())
    });
    drop(daemon);

    // A table as OpenTelemetry's exporter makes it keeps what comes twice.
    server.ask("CREATE DATABASE distlog").unwrap();
    server
        .ask("CREATE TABLE distlog.otel_logs (Timestamp DateTime64(9)) ENGINE = MergeTree ORDER BY Timestamp")
        .unwrap();
    let right = config(&server, ", user: leo, password: geheim");
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), &right);
    daemon.process().expect_stderr("what to do", |line| {
        line.contains("name another `database`").then_some(())
    });
    assert_eq!(
        server.ask("SELECT count() FROM distlog.otel_logs").unwrap(),
        "0"
    );
}
