//! Services that ask each other: with OpenTelemetry, with distlog, with OpenTelemetry, with distlog.

use std::collections::BTreeMap;
use std::process::Command;

use distlog_proto::TaskId;
use distlog_testkit::{Daemon, Process, Rotel, eventually};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use serde_json::Value;

use super::DISTLOGD;
use super::programs::{Protocol, Sdk, script};
use super::receiver::Receiver;
use super::tasks::{all, only, root, said, subtasks};

const SERVICE: &str = env!("CARGO_BIN_EXE_e2e-service");

/// A service of the chain, and where it listens.
fn listen(command: &mut Command) -> (Process, String) {
    let mut service = Process::start(command);
    let address = service.expect_stdout("its address", |line| Some(line.to_owned()));
    (service, address)
}

fn with_distlog(name: &str, next: Option<&str>, daemon: &Daemon) -> (Process, String) {
    listen(
        Command::new(SERVICE)
            .args([daemon.session(), name])
            .args(next),
    )
}

fn with_opentelemetry(sdk: Sdk, name: &str, next: &str, daemon: &Daemon) -> (Process, String) {
    let mut command = script(sdk, "service", Protocol::Grpc, daemon);
    // SDKs wait for seconds otherwise.
    for delay in ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY"] {
        command.env(delay, "50");
    }
    command.env("OTEL_SERVICE_NAME", name).args([name, next]);
    listen(&mut command)
}

#[test]
#[ignore = "needs OpenTelemetry's SDKs and rotel: see .ci/run"]
fn services_with_and_without_distlog_make_one_tree_and_one_trace() {
    let (straight, behind) = (Receiver::start(), Receiver::start());
    let folder = tempfile::tempdir().unwrap();
    let rotel = Rotel::start(folder.path(), &behind.address());
    let config = format!(
        "processors:\n  straight: {{ otlp: {{ endpoint: '{}' }} }}\n  rotel: {{ otlp: {{ endpoint: 'http://{}' }} }}\n\
         rules: [ {{ to: [straight, rotel] }} ]",
        straight.address(),
        rotel.grpc()
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let (_last, last) = with_distlog("last", None, &daemon);
    let (_node, node) = with_opentelemetry(Sdk::Node, "node", &last, &daemon);
    let (_rust, rust) = with_distlog("rust", Some(&node), &daemon);
    let (_python, python) = with_opentelemetry(Sdk::Python, "python", &rust, &daemon);

    let mut answer = ureq::get(&python).call().unwrap();
    let answer = answer.body_mut().read_to_string().unwrap();
    assert_eq!(answer, "python, rust, node, last");

    let trace_id = eventually("a task", || {
        let tasks = daemon.json("/api/v1/tasks")?;
        let id = tasks["items"][0]["id"].as_str().ok_or("none yet")?;
        Ok::<_, String>(id.parse::<TaskId>().unwrap().trace_id().to_string())
    });
    // Seven tasks have ended, four records say who was asked.
    let tree = daemon.tree(&trace_id, |tree| {
        let ended = |task: &&Value| !matches!(&task["outcome"], Value::String(o) if o == "unknown" || o == "running");
        let logs = ["python", "rust", "node", "last"]
            .map(|name| tree.to_string().contains(&format!("{name} was asked")));
        all(tree).iter().filter(|task| ended(task)).count() == 7 && logs == [true; 4]
    });
    one_tree(&tree);
    for receiver in [&straight, &behind] {
        same_trace(&tree, receiver);
    }
}

/// Each service's task stands below the caller's, with the record that it logged.
fn one_tree(tree: &Value) {
    let expected = [
        ("python answers", "python", "server"),
        ("python asks", "python", "client"),
        ("answer GET /", "rust", "server"),
        ("rust asks", "rust", "client"),
        ("node answers", "node", "server"),
        ("node asks", "node", "client"),
        ("answer GET /", "last", "server"),
    ];
    let mut task = root(tree);
    let mut above: Option<&Value> = None;
    for (depth, (name, service, kind)) in expected.into_iter().enumerate() {
        assert_eq!(
            (&task["name"], &task["service"], &task["kind"]),
            (&name.into(), &service.into(), &kind.into()),
            "{tree:#}"
        );
        assert_eq!(task["outcome"], "ok");
        assert_eq!(
            task.get("parent_span_id"),
            above.map(|above| &above["span_id"])
        );
        if kind == "server" {
            said(task, &format!("{service} was asked"));
        }
        above = Some(task);
        if depth + 1 < expected.len() {
            task = only(task);
        }
    }
    assert!(subtasks(task).is_empty());

    // Node carried on where in distlog's tree its caller stands, though only the caller's span counts here.
    let carried = &task_of(tree, "node answers")["begin"]["distlog"]["trace_state"];
    assert!(
        carried.as_str().unwrap().starts_with("distlog="),
        "{carried}"
    );
    // Below a span that distlog did not name the path begins anew.
    let asks = task_of(tree, "node asks");
    let anchor = format!(
        "{}/~{}/",
        tree["trace_id"].as_str().unwrap(),
        asks["span_id"].as_str().unwrap()
    );
    let last = task["id"].as_str().unwrap();
    assert!(last.starts_with(&anchor), "{last} below {anchor}");
}

fn task_of<'a>(tree: &'a Value, name: &str) -> &'a Value {
    let mut tasks = all(tree).into_iter();
    tasks.find(|task| task["name"] == name).unwrap()
}

/// A receiver behind the daemon has the tasks of the tree as the spans of one trace.
fn same_trace(tree: &Value, receiver: &Receiver) {
    let tasks = all(tree);
    let (spans, logs) = receiver.wait_for(tasks.len(), 4);
    let trace_id = tree["trace_id"].as_str().unwrap().replace('-', "");
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    let known: BTreeMap<_, _> = tasks
        .iter()
        .map(|task| {
            let text = |key: &str| task[key].as_str().unwrap_or_default().to_owned();
            (
                text("span_id"),
                (text("parent_span_id"), text("service"), text("template")),
            )
        })
        .collect();
    let came: BTreeMap<_, _> = spans
        .iter()
        .map(|span| {
            assert_eq!(hex(&span.item.trace_id), trace_id);
            let resource = &span.resource.as_ref().unwrap().attributes;
            let service = resource
                .iter()
                .find(|attribute| attribute.key == "service.name")
                .and_then(|service| service.value.clone()?.value);
            let Some(AnyValue::StringValue(service)) = service else {
                panic!("{span:#?}")
            };
            (
                hex(&span.item.span_id),
                (
                    hex(&span.item.parent_span_id),
                    service,
                    span.item.name.clone(),
                ),
            )
        })
        .collect();
    assert_eq!((spans.len(), logs.len()), (tasks.len(), 4));
    assert_eq!(came, known);
    for log in &logs {
        assert_eq!(hex(&log.item.trace_id), trace_id);
        assert!(known.contains_key(&hex(&log.item.span_id)), "{log:#?}");
    }
}
