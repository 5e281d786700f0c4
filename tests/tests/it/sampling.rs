//! A part of all traces is recorded: the same part by every process, and of the others what went wrong.

use std::collections::BTreeSet;
use std::process::Command;

use distlog_proto::sampling::{Randomness, Threshold};
use distlog_proto::{TaskId, TraceId};
use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
const SERVICE: &str = env!("CARGO_BIN_EXE_e2e-service");

/// All that a service logged.
fn records(daemon: &Daemon, service: &str) -> Vec<Value> {
    let path = format!("/api/v1/records?service={service}&limit=1000");
    let found = daemon.json(&path).unwrap();
    assert!(found["next"].is_null(), "{found:#}");
    found["items"].as_array().unwrap().clone()
}

fn messages(records: &[Value]) -> BTreeSet<&str> {
    records
        .iter()
        .filter_map(|record| record["message"].as_str())
        .filter(|message| !message.is_empty())
        .collect()
}

/// A program takes part in all of the traces, records a part of them, and ends. Which it has recorded.
fn take_part(daemon: &Daemon, service: &str, ratio: f64, ids: &[TaskId]) -> BTreeSet<TraceId> {
    let mut client = Process::start(
        Command::new(CLIENT)
            .arg(format!("session={}", daemon.session()))
            .args(["batch", "import-each"])
            .env("SERVICE", service)
            .env("SAMPLE", ratio.to_string())
            .stdin(std::process::Stdio::piped()),
    );
    for id in ids {
        client.say(&id.to_string());
    }
    client.say("");
    assert!(client.wait().success(), "{:?}", client.stderr());
    let records = records(daemon, service);
    let traces = records.iter().map(|record| {
        let trace = record["distlog"]["trace_id"].as_str().unwrap();
        trace.parse::<TraceId>().unwrap()
    });
    let traces: BTreeSet<TraceId> = traces.collect();
    assert_eq!(records.len(), 3 * traces.len(), "begin, event, end of each");
    traces
}

#[test]
fn processes_record_the_same_traces_without_asking_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let ids: Vec<TaskId> = (0..300).map(|_| TaskId::random()).collect();
    let ids: Vec<TaskId> = ids
        .iter()
        .map(|id| id.child(std::num::NonZeroU64::MIN))
        .collect();
    let kept_at = |ratio| {
        let threshold = Threshold::from_ratio(ratio).unwrap();
        let traces = ids.iter().map(TaskId::trace_id);
        let kept = traces.filter(|trace| threshold.keeps(Randomness::of_trace(*trace, "")));
        kept.collect::<BTreeSet<TraceId>>()
    };
    let [one, other, few] = [("one", 0.5), ("other", 0.5), ("few", 0.1)]
        .map(|(service, ratio)| take_part(&daemon, service, ratio, &ids));
    assert_eq!(one, kept_at(0.5));
    assert_eq!(other, one);
    assert_eq!(few, kept_at(0.1));
    assert!(few.is_subset(&one) && few.len() < one.len());
    assert_eq!(take_part(&daemon, "all", 1.0, &ids).len(), ids.len());
    assert!(take_part(&daemon, "none", 0.0, &ids).is_empty());
}

fn service(command: &mut Command) -> (Process, String) {
    let mut service = Process::start(command);
    let address = service.expect_stdout("its address", |line| Some(line.to_owned()));
    (service, address)
}

/// What a service says to a request.
fn ask(address: &str, query: &str) -> u16 {
    let agent = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = agent.build().into();
    let answer = agent.get(format!("{address}/?{query}")).call().unwrap();
    answer.status().as_u16()
}

#[test]
fn of_requests_that_are_not_sampled_the_tree_has_what_failed_and_what_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (_stock, stock) = service(
        Command::new(SERVICE)
            .args([daemon.session(), "stock"])
            .env("INCOMING", "respect"),
    );
    let (_shop, shop) = service(
        Command::new(SERVICE)
            .args([daemon.session(), "shop", &stock])
            .env("SAMPLE", "0"),
    );
    for _ in 0..5 {
        assert_eq!(ask(&shop, ""), 200);
    }
    assert_eq!(ask(&shop, "error"), 502);
    // One process' records come in order: when those of this request are there, there is nothing else to come.
    assert_eq!(ask(&shop, "force"), 200);
    eventually("the last request is there", || {
        let shop = records(&daemon, "shop");
        let stock = records(&daemon, "stock");
        let ends = |records: &[Value]| {
            let ends = records
                .iter()
                .filter(|record| record["distlog"]["kind"] == "end");
            ends.count()
        };
        match (ends(&shop), ends(&stock)) {
            (4, 2) => Ok(()),
            there => Err(there),
        }
    });
    // Of five requests that went well, nothing; of the failed one, the way to the error; of the last one what came
    // from where it was forced.
    let shop = records(&daemon, "shop");
    assert_eq!(
        messages(&shop),
        BTreeSet::from(["answer GET /", "shop asks", "shop is watched"])
    );
    let stock = records(&daemon, "stock");
    assert_eq!(
        messages(&stock),
        BTreeSet::from(["answer GET /", "stock is out of order", "stock was asked"])
    );
    let failed = daemon.json("/api/v1/tasks?failed=true").unwrap();
    let [failed] = &failed["items"].as_array().unwrap()[..] else {
        panic!("{failed:#}")
    };
    let id = failed["id"].as_str().unwrap();
    let tree = daemon
        .get(&format!("/api/v1/tasks/{id}?format=text"))
        .unwrap();
    for line in ["shop asks", "stock is out of order"] {
        assert!(tree.contains(line), "{tree}");
    }
    assert!(!tree.contains("was asked"), "{tree}");
    let all = daemon.json("/api/v1/tasks").unwrap();
    let all = all["items"].as_array().unwrap();
    assert_eq!(
        all.len(),
        2,
        "the failed request and the watched one: {all:#?}"
    );
    for task in all {
        assert_ne!(task["outcome"], "lost");
        assert_ne!(task["outcome"], "running", "{task:#}");
    }
}
