//! OTLP in JSON, as <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding> has it.

use std::io::Write;

use distlog_testkit::Daemon;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::DISTLOGD;
use super::tasks::{only, root, said};

const TRACE_ID: &str = "0AF7651916CD43DD8448EB211C80319C";

/// Posts it; gives the status and the answer.
fn post(daemon: &Daemon, path: &str, coding: Option<&str>, body: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let request = agent
        .post(format!("http://{}{path}", daemon.otlp_http()))
        .content_type("application/json");
    let mut answer = match coding {
        Some(coding) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body.as_bytes()).unwrap();
            let compressed = encoder.finish().unwrap();
            request
                .header("content-encoding", coding)
                .send(&compressed[..])
        }
        None => request.send(body),
    }
    .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), text)
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// What both signals have around their items.
fn scope() -> Value {
    json!({"name": "garden", "version": "1.4.0", "attributes": [text("season", "spring")]})
}

fn traces(span: &Value) -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "water")]},
        "scopeSpans": [{"scope": scope(), "spans": [span]}],
    }]})
}

fn logs(log: &Value) -> Value {
    json!({"resourceLogs": [{
        "resource": {"attributes": [text("service.name", "water")]},
        "scopeLogs": [{"scope": scope(), "logRecords": [log]}],
    }]})
}

/// The forms that the examples of the specification have: ids in upper case, times as numbers, kinds as numbers, a
/// severity in words alone, a parent that did not come.
#[test]
fn what_the_specifications_examples_look_like_is_shown() {
    for coding in [None, Some("gzip")] {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
        let span = json!({
            "traceId": TRACE_ID,
            "spanId": "B7AD6B7169203331",
            "parentSpanId": "B7AD6B7169203330",
            "name": "water the beds",
            "startTimeUnixNano": 1_700_000_000_000_000_000_u64,
            "endTimeUnixNano": 1_700_000_001_000_000_000_u64,
            "kind": 2,
            "attributes": [text("bed", "north")],
        });
        let log = json!({
            "timeUnixNano": 1_700_000_000_300_000_000_u64,
            "observedTimeUnixNano": 1_700_000_000_300_000_000_u64,
            "severityText": "Information",
            "traceId": TRACE_ID,
            "spanId": "B7AD6B7169203331",
            "body": {"stringValue": "the can is full"},
            "attributes": [
                text("word", "some words"),
                {"key": "truth", "value": {"boolValue": true}},
                {"key": "count", "value": {"intValue": 10}},
                {"key": "measure", "value": {"doubleValue": 637.25}},
                {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "many"}, {"stringValue": "values"}]}}},
                {"key": "map", "value": {"kvlistValue": {"values": [text("some.key", "some value")]}}},
            ],
        });
        for (path, request) in [("/v1/traces", traces(&span)), ("/v1/logs", logs(&log))] {
            let answer = post(&daemon, path, coding, &request.to_string());
            assert_eq!(answer, (200, "{}".to_owned()));
        }

        let tree = daemon.tree(TRACE_ID, |_| true);
        let parent = root(&tree);
        assert_eq!(
            (&parent["span_id"], &parent["outcome"]),
            (&json!("b7ad6b7169203330"), &json!("unknown"))
        );
        let water = only(parent);
        assert_eq!(
            [
                &water["name"],
                &water["service"],
                &water["kind"],
                &water["span_id"]
            ],
            ["water the beds", "water", "server", "b7ad6b7169203331"]
        );
        assert_eq!(
            (&water["begin_ns"], &water["duration_ns"]),
            (&json!(1_700_000_000_000_000_000_u64), &json!(1_000_000_000))
        );
        assert_eq!(water["begin"]["context"]["bed"], "north");
        let expected = json!({"scope_name": "garden", "scope_version": "1.4.0", "scope_attributes": {"season": "spring"}});
        assert_eq!(water["begin"]["distlog"]["otlp"], expected);
        let full = said(water, "the can is full");
        assert_eq!(
            (&full["levelname"], &full["distlog"]["otlp"]),
            (&json!("Information"), &expected)
        );
        assert_eq!(
            full["fields"],
            json!({
                "word": "some words", "truth": true, "count": 10, "measure": 637.25,
                "list": ["many", "values"], "map": {"some.key": "some value"},
            })
        );
    }
}

/// Posts a span with these fields beside its ids; gives its task.
fn span(daemon: &Daemon, number: usize, fields: &str) -> Result<Value, String> {
    let trace_id = format!("{number:032x}");
    let span = format!(r#"{{"traceId": "{trace_id}", "spanId": "b7ad6b7169203331", {fields}}}"#);
    let request = format!(r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{span}]}}]}}]}}"#);
    match post(daemon, "/v1/traces", None, &request) {
        (200, answer) if answer == "{}" => Ok(root(&daemon.tree(&trace_id, |_| true)).clone()),
        (_, answer) => Err(answer),
    }
}

/// The JSON of protobuf allows more than one way of writing, and asks that what is not known is passed over.
#[test]
fn values_may_be_written_in_more_than_one_way() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let ways = [
        (r#"{"intValue": 10}"#, json!(10)),
        (r#"{"intValue": "10"}"#, json!(10)),
        (r#"{"intValue": 1e3}"#, json!(1000)),
        (r#"{"intValue": "-9223372036854775808"}"#, json!(i64::MIN)),
        (r#"{"intValue": 0}"#, json!(0)),
        (r#"{"doubleValue": 2}"#, json!(2.0)),
        (r#"{"doubleValue": "1.5"}"#, json!(1.5)),
        (r#"{"doubleValue": "NaN"}"#, json!({"$float": "NaN"})),
        (
            r#"{"doubleValue": "-Infinity"}"#,
            json!({"$float": "-Infinity"}),
        ),
        (r#"{"bytesValue": "AAE="}"#, json!({"$bytes": "AAE="})),
        (r#"{"bytesValue": "AAE"}"#, json!({"$bytes": "AAE="})),
        (r#"{"bytesValue": "AAH_"}"#, json!({"$bytes": "AAH/"})),
        (r#"{"stringValue": ""}"#, json!("")),
        (r#"{"boolValue": false}"#, json!(false)),
        (r#"{"arrayValue": {"values": []}}"#, json!([])),
        // Empty lists are left out where protobuf's own libraries write.
        (r#"{"arrayValue": {}}"#, json!([])),
        (r#"{"arrayValue": {"values": null}}"#, json!([])),
        (r#"{"kvlistValue": {}}"#, json!({})),
        (
            r#"{"arrayValue": {"values": [{"intValue": "1"}, {}, null]}}"#,
            json!([1, null, null]),
        ),
        // JavaScript cuts strings within a character.
        (
            r#"{"stringValue": "cut \ud83d"}"#,
            json!("cut \u{fffd}\u{fffd}\u{fffd}"),
        ),
        (r#"{"stringValue": "\ud83d\ude00"}"#, json!("😀")),
        (
            r#"{"stringValue": "x", "newValue": {"a": [1]}}"#,
            json!("x"),
        ),
    ];
    for (number, (way, expected)) in ways.iter().enumerate() {
        let fields = format!(r#""attributes": [{{"key": "it", "value": {way}, "new": 1}}]"#);
        let task = span(&daemon, number + 1, &fields).unwrap_or_else(|e| panic!("{way}: {e}"));
        assert_eq!(&task["begin"]["context"]["it"], expected, "{way}");
    }
    // Numbers are what was sent, to the last bit.
    for (number, sent) in [0.1 + 0.2, 637.704, f64::MIN_POSITIVE, f64::MAX, 1e23]
        .iter()
        .enumerate()
    {
        let fields =
            format!(r#""attributes": [{{"key": "it", "value": {{"doubleValue": {sent:e}}}}}]"#);
        let task = span(&daemon, number + 100, &fields).unwrap();
        let shown = task["begin"]["context"]["it"].to_string();
        assert_eq!(
            shown.parse::<f64>().unwrap().to_bits(),
            sent.to_bits(),
            "{shown}"
        );
    }
}

#[test]
fn what_is_null_is_not_there_and_numbers_may_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let nulls = r#""name": null, "kind": null, "parentSpanId": null, "startTimeUnixNano": null, "endTimeUnixNano": "2",
        "attributes": null, "events": null, "links": null, "status": null, "new": {"traceId": [null]}"#;
    let task = span(&daemon, 1, nulls).unwrap();
    assert_eq!(
        (&task["name"], &task["parent_span_id"], &task["outcome"]),
        (&json!(""), &Value::Null, &json!("ok"))
    );
    let text = r#""name": "n", "flags": "257", "startTimeUnixNano": "1700000000000000000",
        "links": [{"traceId": "0AF7651916CD43DD8448EB211C80319C", "spanId": "B7AD6B7169203330", "attributes": null, "flags": "768"}],
        "events": [{"name": "e", "timeUnixNano": 1700000000000000001}], "status": {"code": 2, "message": "m"}"#;
    let task = span(&daemon, 2, text).unwrap();
    assert_eq!(task["outcome"], "failed");
    assert_eq!(task["begin"]["distlog"]["flags"], 257);
    assert_eq!(
        task["begin"]["distlog"]["links"],
        json!([{"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203330", "flags": 768}])
    );
    assert_eq!(
        said(&task, "e")["distlog"]["time"],
        1_700_000_000_000_000_001_u64
    );
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    for (fields, why) in [
        // The names of kinds must not be used.
        (
            r#""kind": "SPAN_KIND_SERVER""#,
            "`kind` must be the number of a kind",
        ),
        (
            r#""startTimeUnixNano": -1"#,
            "`startTimeUnixNano` must be an unsigned integer of 64 bits",
        ),
        (
            r#""parentSpanId": "xyz""#,
            "`parentSpanId` must be hexadecimal digits",
        ),
        (
            r#""name": 5"#,
            "invalid type: integer `5`, expected text as `name`",
        ),
        (
            r#""attributes": {}"#,
            "invalid type: map, expected a list as `attributes`",
        ),
        (
            r#""status": []"#,
            "invalid type: sequence, expected an object as `status`",
        ),
        (r#""status": 1"#, "`status` must be an object"),
    ] {
        let refused = span(&daemon, 1, fields).unwrap_err();
        assert!(refused.contains(why), "{refused}");
        assert!(refused.contains("at line 1 column "), "{refused}");
    }
}
