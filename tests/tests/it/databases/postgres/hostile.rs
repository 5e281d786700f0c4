//! What PostgreSQL does not take: no record is lost for it.

use distlog_testkit::{Daemon, Postgres, eventually};
use serde_json::{Value, json};

use super::{daemon, settled};
use crate::sessions::Client;

/// Sends log records by OTLP.
pub(super) fn post_logs(daemon: &Daemon, service: &str, records: &[Value]) {
    let body = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
        "scopeLogs": [{"logRecords": records}],
    }]});
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .post(format!("http://{}/v1/logs", daemon.otlp_http()))
        .content_type("application/json")
        .send(body.to_string().as_str())
        .unwrap();
    let said = answer.body_mut().read_to_string().unwrap();
    assert!(answer.status().is_success(), "{said}");
}

/// A log record with this text and these attributes, at a time in seconds since 1970.
pub(super) fn log(seconds: u64, text: &str, attributes: &Value) -> Value {
    json!({
        "timeUnixNano": format!("{}", seconds * 1_000_000_000),
        "body": {"stringValue": text},
        "attributes": attributes,
    })
}

pub(super) fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.unwrap().as_secs()
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn hostile_text_and_numbers_are_kept_or_replaced_visibly() {
    let server = Postgres::start(&[]);
    let (_folder, daemon) = daemon(&server.url(), "timeout: 10s");
    let mut deep = json!({"stringValue": "the end"});
    for _ in 0..28 {
        deep = json!({"arrayValue": {"values": [deep]}});
    }
    let attributes = json!([
        {"key": "nul\u{0}key", "value": {"stringValue": "a\u{0}b"}},
        {"key": "escape", "value": {"stringValue": "\\u0000 \\ud800 \\"}},
        {"key": "controls", "value": {"stringValue": "\u{1}\u{1f}\u{7f}\u{2028}\"'; DROP TABLE"}},
        {"key": "wide", "value": {"stringValue": "𝄞 Ω 🦀"}},
        {"key": "largest", "value": {"doubleValue": f64::MAX}},
        {"key": "smallest", "value": {"doubleValue": f64::MIN_POSITIVE}},
        {"key": "none", "value": {"doubleValue": "NaN"}},
        {"key": "endless", "value": {"doubleValue": "-Infinity"}},
        {"key": "low", "value": {"intValue": i64::MIN.to_string()}},
        {"key": "bytes", "value": {"bytesValue": "AAH/"}},
        {"key": "deep", "value": deep},
        {"key": "twice", "value": {"intValue": "1"}},
        {"key": "twice", "value": {"intValue": "2"}},
        {"key": "", "value": {"stringValue": ""}},
    ]);
    let long = "ä".repeat(4000);
    post_logs(
        &daemon,
        &long,
        &[log(now(), "a\u{0}b\\N\t\r\n", &attributes)],
    );
    let large = "0123456789 ".repeat(200_000);
    post_logs(
        &daemon,
        "nul\u{0}service",
        &[
            log(
                now(),
                &large,
                &json!([{"key": large, "value": {"stringValue": large}}]),
            ),
            log(0, "no time", &json!([])),
            json!({"timeUnixNano": u64::MAX.to_string(), "body": {"stringValue": "after the end"}}),
        ],
    );
    settled(&daemon);
    assert_eq!(
        daemon.metric("distlogd_processor_rejected_records_total{processor=\"pg\"}"),
        0.0
    );
    let row = |condition: &str| -> Value {
        let sql = format!("SELECT row_to_json(r) FROM distlog.records r WHERE {condition}");
        serde_json::from_str(&server.sql(&sql)).unwrap()
    };
    let record = row("message ^@ 'a␀b'");
    assert_eq!(record["message"], "a␀b\\N\t\r\n");
    let fields = &record["fields"];
    assert_eq!(fields["nul␀key"], "a␀b");
    assert_eq!(fields["escape"], "\\u0000 \\ud800 \\");
    assert_eq!(
        fields["controls"],
        "\u{1}\u{1f}\u{7f}\u{2028}\"'; DROP TABLE"
    );
    assert_eq!(fields["wide"], "𝄞 Ω 🦀");
    assert_eq!(fields["largest"].as_f64(), Some(f64::MAX));
    assert_eq!(fields["smallest"].as_f64(), Some(f64::MIN_POSITIVE));
    assert_eq!(fields["none"]["$float"], "NaN");
    assert_eq!(fields["low"].as_i64(), Some(i64::MIN));
    assert_eq!(fields["bytes"]["$bytes"], "AAH/");
    assert!(fields["deep"].to_string().contains("the end"));
    let service = record["service"].as_str().unwrap();
    assert!(service.ends_with("ä…") && service.len() < 1100, "{service}");
    let record = row("message ^@ '0123'");
    assert_eq!(record["message"], large);
    assert_eq!(record["fields"][&large], large);
    assert_eq!(record["service"], "nul␀service");
    assert_eq!(server.sql("SELECT count(*) FROM distlog.records_other WHERE message IN ('no time', 'after the end')"), "1");
    assert_eq!(
        row("message = 'after the end'")["time_ns"].as_i64(),
        Some(i64::MAX)
    );
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn one_record_that_the_server_refuses_costs_no_other() {
    let server = Postgres::start(&[]);
    let (_folder, daemon) = daemon(&server.url(), "timeout: 10s");
    eventually("the tables", || {
        server.try_sql("SELECT FROM distlog.records")
    });
    // A rule of the database's owner.
    server
        .sql("ALTER TABLE distlog.records ADD CHECK (message NOT IN ('record 13', 'record 1400'))");
    let mut client = Client::start(&[daemon.session()], 0, &[]);
    client.log(2000);
    client.flush();
    settled(&daemon);
    let rejected = daemon.metric("distlogd_processor_rejected_records_total{processor=\"pg\"}");
    assert_eq!(rejected, 2.0);
    let count = "SELECT count(*), count(DISTINCT record_offset) FROM distlog.records WHERE message ^@ 'record '";
    assert_eq!(server.sql(count), "1998|1998");
    let said = daemon.get("/api/v1/status").unwrap();
    assert!(said.contains("violates check constraint"), "{said}");
}
