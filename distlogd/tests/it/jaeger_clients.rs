//! Requests as Jaeger's UI and Grafana's data source send them, byte by byte but for names, ids and times, and what
//! they read in the answers. `docs/opentelemetry.md` has the versions.

use distlog_testkit::Daemon;
use serde_json::{Value, json};

use crate::kit::http::{Reply, ask};
use crate::kit::otlp::*;

/// The trace `e252a11fd33d483dba08bc8f642b2f10` of the services `shop` and `bank`. It began at 2026-09-21T14:13:20Z.
const SENT: &str = include_str!("../fixtures/jaeger/sent.json");

/// A request, its status, and what its answer has at which JSON pointer.
type Asked<'a> = (&'a str, u16, &'a str, Value);

fn check(asked: &[Asked<'_>]) {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon_with_a_trace(&folder);
    for (target, status, pointer, expected) in asked {
        let reply: Reply = ask(&daemon, target);
        let answer = reply.json();
        assert_eq!(reply.0, *status, "{target}: {answer:#}");
        assert_eq!(
            answer.pointer(pointer),
            Some(expected),
            "{target}: {answer:#}"
        );
    }
}

fn daemon_with_a_trace(folder: &tempfile::TempDir) -> Daemon {
    let daemon = daemon(folder);
    let answer = post(&daemon, "/v1/traces", &[JSON], SENT.as_bytes());
    assert_eq!(answer.status, 200);
    daemon
}

#[test]
fn the_ui_of_version_2_searches_by_the_third_api_and_reads_traces_by_the_older_one() {
    check(&[
        (
            "/api/v3/services",
            200,
            "/services",
            json!(["bank", "shop"]),
        ),
        (
            "/api/v3/operations?service=shop",
            200,
            "/operations/1",
            json!({"name": "order", "spanKind": "server"}),
        ),
        // `searchDepth` is the largest that its form takes.
        (
            "/api/v3/trace-summaries?query.serviceName=shop\
             &query.startTimeMin=2026-09-21T13%3A14%3A00.078Z&query.startTimeMax=2026-09-21T14%3A14%3A00.078Z\
             &query.searchDepth=1500",
            200,
            "/summaries/0/spanCount",
            json!(5),
        ),
        (
            "/api/v3/trace-summaries?query.serviceName=shop&query.operationName=pay\
             &query.startTimeMin=2026-09-21T13%3A14%3A00.078Z&query.startTimeMax=2026-09-21T14%3A14%3A00.078Z\
             &query.searchDepth=20&query.durationMin=500us&query.durationMax=5s\
             &query.attributes=%7B%22error%22%3A%22true%22%2C%22card%22%3A%22visa%22%7D",
            200,
            "/summaries/0/traceId",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
        (
            "/api/v3/trace-summaries?query.serviceName=nobody\
             &query.startTimeMin=2026-09-21T13%3A14%3A00.078Z&query.startTimeMax=2026-09-21T14%3A14%3A00.078Z\
             &query.searchDepth=20",
            200,
            "/summaries",
            json!([]),
        ),
        // A trace, its tags and its logs; both links to its JSON.
        (
            "/api/traces/e252a11fd33d483dba08bc8f642b2f10",
            200,
            "/data/0/traceID",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
        (
            "/api/traces/e252a11fd33d483dba08bc8f642b2f10?prettyPrint=true",
            200,
            "/errors",
            Value::Null,
        ),
        (
            "/api/traces/e252a11fd33d483dba08bc8f642b2f10?raw=true&prettyPrint=true",
            200,
            "/errors",
            Value::Null,
        ),
        // Looked up by an id as OTLP's protobuf in JSON has it elsewhere.
        (
            "/api/traces/4lKhH9M9SD26CLyPZCsvEA%3D%3D",
            200,
            "/data/0/traceID",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
        (
            "/api/traces/beef",
            404,
            "/errors/0/msg",
            json!("trace not found"),
        ),
        (
            "/api/dependencies?endTs=1790000100000&lookback=604800000",
            200,
            "/data/0",
            json!({"parent": "shop", "child": "bank", "callCount": 1}),
        ),
    ]);
}

#[test]
fn the_ui_of_version_1_asks_the_older_api() {
    check(&[
        ("/api/services", 200, "/data", json!(["bank", "shop"])),
        (
            "/api/services/shop/operations",
            200,
            "/data",
            json!(["int", "order", "pay"]),
        ),
        (
            "/api/traces?end=1790000060000000&limit=20&lookback=1h&maxDuration=5s&minDuration=500us&operation=pay\
             &service=shop&start=1789996460000000&tags=%7B%22error%22%3A%22true%22%2C%22card%22%3A%22visa%22%7D",
            200,
            "/data/0/traceID",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
        (
            "/api/traces?limit=20&lookback=1h&maxDuration&minDuration&service=shop",
            200,
            "/data/0/processes/p1/serviceName",
            json!("shop"),
        ),
        // Two traces that are compared, of which one is there.
        (
            "/api/traces?traceID=e252a11fd33d483dba08bc8f642b2f10&traceID=e252a11fd33d483dba08bc8f642b2f11",
            200,
            "/data/0/traceID",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
    ]);
}

#[test]
fn grafana_asks_the_older_api() {
    check(&[
        // Also to see whether the data source works.
        ("/api/services", 200, "/data", json!(["bank", "shop"])),
        (
            "/api/services/shop/operations",
            200,
            "/data",
            json!(["int", "order", "pay"]),
        ),
        (
            "/api/traces?end=1790000060000000&limit=5&maxDuration=1.2s&minDuration=500us&operation=pay&service=shop\
             &start=1789996460000000&tags=%7B%22card%22%3A%22visa%22%2C%22error%22%3A%22true%22%7D",
            200,
            "/data/0/traceID",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
        (
            "/api/traces?end=1790000060000000&service=nobody&start=1789996460000000",
            200,
            "/data",
            json!([]),
        ),
        // Nobody named a service.
        (
            "/api/traces?end=1790000060000000&start=1789996460000000",
            400,
            "/errors/0/msg",
            json!("parameter 'service' is required"),
        ),
        (
            "/api/traces/e252a11fd33d483dba08bc8f642b2f10?end=1790000060000&start=1789996460000",
            200,
            "/data/0/traceID",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
        (
            "/api/dependencies?endTs=1790000060000&lookback=21600000",
            200,
            "/data/0",
            json!({"parent": "shop", "child": "bank", "callCount": 1}),
        ),
    ]);
}

/// With its feature `jaegerEnableGrpcEndpoint`. It escapes no times.
#[test]
fn grafana_asks_the_third_api() {
    check(&[
        (
            "/api/v3/services",
            200,
            "/services",
            json!(["bank", "shop"]),
        ),
        (
            "/api/v3/operations?service=shop",
            200,
            "/operations/2",
            json!({"name": "pay", "spanKind": "client"}),
        ),
        (
            "/api/v3/traces/e252a11fd33d483dba08bc8f642b2f10\
             ?start_time=2026-09-21T09:14:20.535741495+01:00&end_time=2026-09-21T15:14:20.535741495+01:00",
            200,
            "/result/resourceSpans/0/scopeSpans/0/spans/0/traceId",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
        (
            "/api/v3/traces?query.attributes=%7B%22error%22%3A%22true%22%7D&query.duration_min=500us\
             &query.service_name=shop&query.start_time_min=2026-09-21T08:14:20.535741495Z\
             &query.start_time_max=2026-09-21T14:14:20.535741495Z",
            200,
            "/result/resourceSpans/0/scopeSpans/0/spans/0/traceId",
            json!("e252a11fd33d483dba08bc8f642b2f10"),
        ),
        (
            "/api/v3/traces/beef",
            404,
            "/error",
            json!({"httpCode": 404, "message": "No traces found"}),
        ),
    ]);
}
