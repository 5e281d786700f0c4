//! The same story, told with OpenTelemetry's SDKs, by each way that they have: the tree shows what they said.

use std::process::Command;

use distlog_testkit::{Daemon, Process};
use serde_json::{Value, json};

use super::DISTLOGD;
use super::programs::{Protocol, Sdk, script, tell};
use super::tasks::{named, record, records, root, said, subtasks};

/// Begin and end of three spans, two events of spans, four log records.
const RECORDS: usize = 12;
const TO_A_FILE: &str =
    "processors: { all: { file: { path: all.jsonl } } }\nrules: [ { to: [all] } ]";

#[test]
#[ignore = "needs OpenTelemetry's SDK for Python: see .ci/run"]
fn python_by_grpc() {
    heard(Sdk::Python, Protocol::Grpc);
}

#[test]
#[ignore = "needs OpenTelemetry's SDK for Python: see .ci/run"]
fn python_by_http() {
    heard(Sdk::Python, Protocol::HttpProtobuf);
}

#[test]
#[ignore = "needs OpenTelemetry's SDK for Node: see .ci/run"]
fn node_by_grpc() {
    heard(Sdk::Node, Protocol::Grpc);
}

#[test]
#[ignore = "needs OpenTelemetry's SDK for Node: see .ci/run"]
fn node_by_http() {
    heard(Sdk::Node, Protocol::HttpProtobuf);
}

#[test]
#[ignore = "needs OpenTelemetry's SDK for Node: see .ci/run"]
fn node_by_http_in_json() {
    heard(Sdk::Node, Protocol::HttpJson);
}

/// The SDK is told by its environment alone.
#[test]
#[ignore = "needs OpenTelemetry's SDK for Python: see .ci/run"]
fn python_with_a_token_is_let_in_and_without_one_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut token = Command::new(DISTLOGD);
    let token = token.args(["token", "new", "shop", "--may", "ingest"]);
    let token = token.current_dir(folder.path()).output().unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    let listen = "{ push: off, session: off, otlp_grpc: { bind: 'localhost:0', tokens: tokens.yaml }, \
                  otlp_http: { bind: 'localhost:0', tokens: tokens.yaml }, http: 'localhost:0' }";
    let daemon = Daemon::listening(DISTLOGD, &[], folder.path(), listen, TO_A_FILE);
    let header = format!("Authorization=Bearer%20{}", token.trim());
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let trace_id = tell(Sdk::Python, protocol, &daemon, |command| {
            command.env("OTEL_EXPORTER_OTLP_HEADERS", &header);
        });
        daemon.tree(&trace_id, |tree| tree["tasks"][0]["outcome"] == "ok");
        let mut stranger = script(Sdk::Python, "story", protocol, &daemon);
        let mut stranger = Process::start(stranger.env("OTEL_SERVICE_NAME", "stranger"));
        // It stops by itself, as it does not try again what would be in vain.
        assert!(stranger.wait().success());
        let receiver = match protocol {
            Protocol::Grpc => "otlp_grpc",
            _ => "otlp_http",
        };
        let refused = format!(
            "distlogd_receiver_rejected_inputs_total{{receiver=\"{receiver}\",reason=\"no token\"}}"
        );
        assert!(daemon.metric(&refused) >= 1.0, "{receiver}");
    }
    let stats = daemon.json("/api/v1/stats?by=service").unwrap();
    assert_eq!(stats["items"].as_array().unwrap().len(), 1, "{stats:#}");
    assert_eq!(stats["items"][0]["service"], "shop");
}

fn heard(sdk: Sdk, protocol: Protocol) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), TO_A_FILE);
    let trace_id = tell(sdk, protocol, &daemon, |_| {});
    let lines = daemon.records("all.jsonl", RECORDS);
    assert_eq!(lines.len(), RECORDS, "{lines:#?}");

    let tree = daemon.tree(&trace_id, |tree| tree["tasks"][0]["outcome"] == "ok");
    let order = root(&tree);
    the_order(sdk, order);
    the_stock(named(order, "reserve stock"), order);
    the_card(sdk, named(order, "charge card"), order);
    assert_eq!(subtasks(order).len(), 2);
    the_file(sdk, &trace_id, &lines);
}

/// A span of a server: all kinds of attributes with their types, an event, no status.
fn the_order(sdk: Sdk, order: &Value) {
    assert_eq!(
        (&order["name"], &order["service"], &order["kind"]),
        (&json!("POST /order"), &json!("shop"), &json!("server"))
    );
    assert_eq!(order["parent_span_id"], Value::Null);
    assert_eq!(order["end"]["distlog"]["status_code"], Value::Null);

    let mut attributes = order["begin"]["context"].clone();
    let id = attributes.as_object_mut().unwrap().remove("key").unwrap();
    assert_eq!(id, format!("0@{}", order["id"].as_str().unwrap()));
    let mut expected = json!({
        "user": "leo", "items.count": 3, "price": 2.5, "paid": true, "tags": ["tea", "pot"], "sizes": [1, 2, 3]
    });
    if sdk == Sdk::Python {
        // JavaScript has neither integers that look like others nor bytes as attributes of spans.
        expected["whole"] = json!(4.0);
        expected["raw"] = json!({"$bytes": "AAH/"});
    }
    assert_eq!(attributes, expected);

    let event = said(order, "order received");
    assert_eq!(event["fields"], json!({"queue": 7, "urgent": false}));
    assert_eq!(event["distlog"]["otlp"]["span_event"], true);
    assert_eq!(records(order).len(), 1);
}

/// A span with a link, status OK and two log records: one of the usual kind, one with all that OTLP has for it.
fn the_stock(stock: &Value, order: &Value) {
    assert_eq!(stock["parent_span_id"], order["span_id"]);
    assert_eq!(
        (&stock["kind"], &stock["outcome"]),
        (&json!("internal"), &json!("success"))
    );
    let [link] = &stock["begin"]["distlog"]["links"].as_array().unwrap()[..] else {
        panic!("one link: {stock:#}")
    };
    assert_eq!(
        (&link["trace_id"], &link["span_id"], &link["attributes"]),
        (
            &json!("5b8efff798038103d269b633813fc60c"),
            &json!("eee19b7ec3c1b174"),
            &json!({"why": "a second try"})
        )
    );
    // OTLP says in two bits that it is known to be remote.
    assert_eq!(link["flags"].as_u64().unwrap() & 0x300, 0x300);

    let left = said(stock, "only 2 left");
    assert_eq!(
        (&left["name"], &left["levelno"], &left["fields"]["shelf"]),
        (&json!("shop.shelf"), &json!(30), &json!(4))
    );
    let changed = record(stock, |record| {
        record["distlog"]["otlp"]["event_name"] == "stock.changed"
    });
    assert_eq!(
        changed["distlog"]["otlp"]["body"],
        json!({"item": "tea", "left": 2, "shelves": [3, 4], "raw": {"$bytes": "AAH/"}})
    );
    assert_eq!(
        (&changed["levelname"], &changed["fields"]["warehouse"]),
        (&json!("FINE"), &json!("north"))
    );
    assert_eq!(
        (
            &changed["name"],
            &changed["distlog"]["otlp"]["scope_version"]
        ),
        (&json!("shop.stock"), &json!("0.9"))
    );
    assert_eq!(records(stock).len(), 2);
}

/// A span of a client that failed with an exception.
fn the_card(sdk: Sdk, card: &Value, order: &Value) {
    let (kind, source) = match sdk {
        Sdk::Python => ("ValueError", "otel_story.py"),
        Sdk::Node => ("TypeError", "otel_story.js"),
    };
    assert_eq!(card["parent_span_id"], order["span_id"]);
    assert_eq!(
        (&card["kind"], &card["outcome"]),
        (&json!("client"), &json!("failed"))
    );
    let status = &card["end"]["distlog"]["status_message"];
    assert!(
        status.as_str().unwrap().ends_with("card declined"),
        "{status}"
    );
    let exception = record(card, |record| {
        record["distlog"]["otlp"]["event_name"] == "exception"
    });
    assert_eq!(
        (&exception["levelname"], &exception["distlog"]["error"]),
        (
            &json!("ERROR"),
            &json!({"kind": kind, "message": "card declined"})
        )
    );
    let stack = &exception["fields"]["exception.stacktrace"];
    assert!(stack.as_str().unwrap().contains(source), "{stack}");
    let log = said(card, "not paid");
    assert_eq!(log["levelname"], "ERROR");
    if sdk == Sdk::Python {
        assert_eq!(
            (&log["distlog"]["error"]["kind"], &log["filename"]),
            (&json!(kind), &json!(source))
        );
    }
    assert_eq!(records(card).len(), 2);
}

/// What a tree does not show: who logged, and what belongs to no task.
fn the_file(sdk: Sdk, trace_id: &str, lines: &[Value]) {
    for line in lines {
        let distlog = &line["distlog"];
        assert_eq!(
            (&distlog["service"], &distlog["system"]),
            (&json!("shop"), &json!("staging"))
        );
        let resource = &distlog["resource"];
        let language = match sdk {
            Sdk::Python => "python",
            Sdk::Node => "nodejs",
        };
        assert_eq!(
            (&resource["team"], &resource["telemetry.sdk.language"]),
            (&json!("core"), &json!(language))
        );
        let outside = line["message"] == "outside of any span";
        let expected = if outside {
            Value::Null
        } else {
            trace_id.into()
        };
        assert_eq!(distlog["trace_id"], expected, "{line:#}");
    }
    let outside = lines
        .iter()
        .find(|line| line["message"] == "outside of any span");
    assert_eq!(outside.unwrap()["levelname"], "INFO");
    let scope = |line: &Value| {
        let mut scope = line["distlog"]["otlp"].clone();
        scope
            .as_object_mut()
            .unwrap()
            .retain(|key, _| key.starts_with("scope_"));
        scope
    };
    let mut expected = json!({
        "scope_name": "shop.orders",
        "scope_version": "2.1.0",
        "scope_schema_url": "https://opentelemetry.io/schemas/1.30.0",
    });
    if sdk == Sdk::Python {
        // Node's have none.
        expected["scope_attributes"] = json!({"scope.kind": "by hand"});
    }
    let of_spans: Vec<_> = lines
        .iter()
        .filter(|line| line["name"] == "shop.orders")
        .collect();
    assert_eq!(of_spans.len(), 8);
    for line in of_spans {
        assert_eq!(scope(line), expected);
    }
}
