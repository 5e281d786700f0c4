//! `POST /mcp`: what agents are told, by hand and by the client that agents use.

use std::process::{Command, Stdio};

use distlog_bridge::otlp::trace::v1::span::Event;
use distlog_bridge::otlp::trace::v1::{Span, Status};
use distlog_testkit::{Daemon, Process};
use prost::Message;
use serde_json::{Value, json};

use crate::kit::otlp::*;

/// What clients of the protocol send.
const HEADERS: [(&str, &str); 2] = [JSON, ("accept", "application/json, text/event-stream")];
/// Longest answer, with the line at its end.
const MAX_ANSWER: usize = (20 << 10) + 300;
const LOGS: usize = 1500;

/// An order that failed, and many logs of it, some of them long.
fn store_an_order(daemon: &Daemon) {
    let failed = Status {
        code: 2,
        message: "card declined".into(),
    };
    let exception = Event {
        time_unix_nano: NOW + 6,
        name: "exception".into(),
        attributes: vec![
            text("exception.type", "CardError"),
            text("exception.message", "card declined"),
        ],
        ..Event::default()
    };
    let order = Span {
        status: Some(failed.clone()),
        events: Vec::new(),
        ..span(1, None, "handle order")
    };
    let charge = Span {
        status: Some(failed),
        events: vec![exception],
        ..span(2, Some(1), "charge card")
    };
    let spans = traces(vec![order, charge]).encode_to_vec();
    assert_eq!(post(daemon, "/v1/traces", &[PROTOBUF], &spans).status, 200);
    let late = (0..LOGS).map(|at| {
        let long = "x".repeat(if at % 100 == 0 { 30_000 } else { at % 200 });
        let mut log = log(&format!("order {at} is late\nline of {long}"), 1);
        log.time_unix_nano = NOW + 10 + at as u64;
        log
    });
    let body = logs(late.collect()).encode_to_vec();
    assert_eq!(post(daemon, "/v1/logs", &[PROTOBUF], &body).status, 200);
}

fn post_mcp(daemon: &Daemon, headers: &[(&str, &str)], body: &str) -> Answer {
    post_to(&format!("{}/mcp", daemon.http()), headers, body)
}

/// Calls a method, and gives what it answers.
fn ask(daemon: &Daemon, method: &str, params: Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
    let answer = post_mcp(daemon, &HEADERS, &request.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["id"], 7, "{answer:#}");
    answer
}

/// Calls a tool: its text, and whether that is an error.
fn call(daemon: &Daemon, tool: &str, arguments: Value) -> (String, bool) {
    let params = json!({"name": tool, "arguments": arguments});
    let result = ask(daemon, "tools/call", params)["result"].take();
    let text = result["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("{result:#}"));
    assert!(text.len() <= MAX_ANSWER, "{} bytes: {text}", text.len());
    (text.to_owned(), result["isError"] == true)
}

/// The cursor in the last line of an answer.
fn cursor(text: &str) -> Option<&str> {
    let (_, rest) = text.lines().last()?.split_once("cursor \"")?;
    rest.split('"').next()
}

#[test]
fn a_long_answer_is_cut_and_goes_on_until_all_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    store_an_order(&daemon);
    for (tool, mut arguments) in [
        ("find", json!({"q": "\"is late\"", "limit": 200})),
        ("tree", json!({"id": TRACE})),
    ] {
        let (mut told, mut answers) = (Vec::new(), 0);
        loop {
            let (text, is_error) = call(&daemon, tool, arguments.clone());
            assert!(!is_error, "{text}");
            answers += 1;
            let numbers = text
                .lines()
                .filter_map(|line| line.split_once(" order ")?.1.split_once(" is late"));
            told.extend(numbers.map(|(number, _)| number.parse::<usize>().unwrap()));
            match cursor(&text) {
                Some(cursor) => arguments["cursor"] = cursor.into(),
                None => break,
            }
        }
        // Newest first; a tree has them in order of time.
        if tool == "find" {
            told.reverse();
        }
        assert!(answers > LOGS / 200, "{tool}: {answers} answers");
        assert!(told.iter().copied().eq(0..LOGS), "{tool}: {told:?}");
    }
    for (every, end) in [
        (Value::Null, "largest: for others narrow it"),
        (
            "1s".into(),
            "newest: for older ones set `to` to the first time here",
        ),
    ] {
        let arguments = json!({"by": "message", "every": every, "limit": 200});
        let (text, _) = call(&daemon, "stats", arguments);
        let lines: Vec<&str> = text.lines().collect();
        let (last, groups) = lines.split_last().unwrap();
        assert!(last.contains("in 1,503 groups, of which"), "{last}");
        assert!(last.contains(end), "{last}");
        assert!(groups.len() > 50, "{text}");
        for group in groups {
            let group: Value = serde_json::from_str(group).unwrap();
            assert!(group["count"].as_u64() > Some(0), "{group}");
        }
    }
    let (text, _) = call(&daemon, "find", json!({"q": "nothing of the kind"}));
    assert_eq!(text, "no such records\n");
}

#[test]
fn what_is_no_request_is_told_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    for (body, code, id, why) in [
        ("{bad", -32700, Value::Null, "is no JSON"),
        ("[]", -32600, Value::Null, "send one object"),
        (
            r#"{"jsonrpc":"2.0","id":"a"}"#,
            -32600,
            "a".into(),
            "`method`",
        ),
    ] {
        let answer = post_mcp(&daemon, &HEADERS, body);
        assert_eq!(answer.status, 400, "{body}");
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let error = &answer["error"];
        assert_eq!(
            (&error["code"], &answer["id"]),
            (&code.into(), &id),
            "{body}"
        );
        assert!(error["message"].as_str().unwrap().contains(why), "{error}");
    }
    for (method, params, code, why) in [
        ("zork", json!({}), -32601, "no method zork"),
        ("tools/call", json!({}), -32602, "expected `name`"),
        (
            "tools/call",
            json!({"name": "find", "arguments": ["a"]}),
            -32602,
            "`arguments`, an object",
        ),
        (
            "tools/call",
            json!({"name": "drop", "arguments": {}}),
            -32602,
            "no tool `drop`: there are find",
        ),
    ] {
        let answer = ask(&daemon, method, params);
        assert_eq!(answer["error"]["code"], code, "{answer:#}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
    let ping = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    let with = |name, value| [HEADERS[0], HEADERS[1], (name, value)];
    // There are no sessions: one of an earlier daemon is no hindrance.
    let answer = post_mcp(&daemon, &with("mcp-session-id", "gone"), ping);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = post_mcp(&daemon, &with("origin", "https://evil.example"), ping);
    assert_eq!(answer.status, 403, "{}", answer.text());
    let answer = post_mcp(&daemon, &with("mcp-protocol-version", "1900-01-01"), ping);
    assert_eq!(answer.status, 400, "{}", answer.text());
    let long = format!("{{\"jsonrpc\":\"{}\"}}", "x".repeat(300_000));
    let answer = post_mcp(&daemon, &HEADERS, &long);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(daemon.get("/mcp").unwrap_err().starts_with("405"));
}

#[test]
fn wrong_arguments_are_told_to_the_agent() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder);
    for (tool, arguments, why) in [
        (
            "find",
            json!({"from": "noon"}),
            "`from` is wrong: found `noon`",
        ),
        (
            "find",
            json!({"filter": "severty > 3"}),
            "did you mean `severity`",
        ),
        (
            "find",
            json!({"query": "a"}),
            "the parameter `query` is not known",
        ),
        ("find", json!({"limit": 201}), "a number from 1 to 200"),
        ("find", json!({"q": ["a"]}), "`q` is wrong: found a list"),
        ("find", json!({"cursor": "x"}), "`cursor` is wrong"),
        ("tasks", json!({"failed": "maybe"}), "`failed` is wrong"),
        ("tree", json!({}), "`id` is wrong: found nothing"),
        ("tree", json!({"id": "x"}), "`id` is wrong"),
        ("tree", json!({"id": TRACE}), "no record of task"),
        (
            "tree",
            json!({"id": TRACE, "cursor": "x"}),
            "`cursor` is wrong: found `x`",
        ),
        ("stats", json!({"by": "sevice"}), "did you mean `service`"),
        (
            "problems",
            json!({"from": "now", "to": "1h"}),
            "`from` is wrong",
        ),
    ] {
        let (text, is_error) = call(&daemon, tool, arguments.clone());
        assert!(is_error && text.contains(why), "{tool} {arguments}: {text}");
    }
}

/// The client of <https://pypi.org/project/mcp/>, told what to call line by line.
struct Agent {
    process: Process,
    calls: usize,
}

impl Agent {
    fn start(daemon: &Daemon, mode: &str) -> (Agent, Value) {
        let python = std::env::var("DISTLOG_TEST_PYTHON")
            .expect("DISTLOG_TEST_PYTHON names a Python with the package mcp");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python/agent.py");
        let mut process = Process::start(
            Command::new(python)
                .args([script, &format!("{}/mcp", daemon.http()), mode])
                .stdin(Stdio::piped()),
        );
        let hello = process.expect_stdout("the tools", |line| {
            serde_json::from_str::<Value>(line)
                .ok()
                .filter(|hello| hello.get("hello").is_some())
        });
        (Agent { process, calls: 0 }, hello)
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.process.say(&json!([tool, arguments]).to_string());
        let number = self.calls;
        self.calls += 1;
        self.process.expect_stdout("the answer", |line| {
            let answer: Value = serde_json::from_str(line).ok()?;
            (answer["call"] == number).then_some(answer)
        })
    }

    /// The text of an answer that is no error.
    fn text(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments);
        assert_eq!(answer["error"], false, "{answer:#}");
        answer["text"].as_str().unwrap().to_owned()
    }
}

#[test]
#[ignore = "needs the Python package mcp: see .ci/run"]
fn an_agent_finds_out_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = daemon(&folder);
    store_an_order(&daemon);
    // The protocol with sessions, which begins with `initialize`, and the one without.
    for mode in ["legacy", "auto"] {
        let (mut agent, hello) = Agent::start(&daemon, mode);
        assert_eq!(hello["hello"]["name"], "distlogd", "{hello:#}");
        let instructions = hello["hello"]["instructions"].as_str().unwrap();
        assert!(instructions.contains("`problems`"), "{instructions}");
        let tools = hello["tools"].as_object().unwrap();
        let mut names: Vec<&str> = tools.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["find", "problems", "stats", "tasks", "tree"]);
        for (name, tool) in tools {
            assert_eq!(tool["annotations"]["readOnlyHint"], true, "{name}");
            let schema = &tool["inputSchema"];
            jsonschema::validator_for(schema).unwrap();
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }

        let problems = agent.call("problems", json!({"service": "shop"}));
        let item = &problems["structured"]["items"][0];
        assert_eq!(
            (&item["kind"], &item["count"]),
            (&"CardError".into(), &1.into())
        );
        assert!(
            problems["text"]
                .as_str()
                .unwrap()
                .starts_with("1× CardError")
        );
        let id = item["ids"][0].as_str().unwrap();
        let tree = agent.text("tree", json!({"id": id}));
        assert!(tree.contains("✗ charge card · shop"), "{tree}");
        assert!(tree.contains("ERROR CardError: card declined"), "{tree}");

        let tasks = agent.call("tasks", json!({"failed": true, "name": "ORDER"}));
        assert_eq!(tasks["structured"]["next"], Value::Null, "{tasks:#}");
        let id = tasks["structured"]["items"][0]["id"].as_str().unwrap();
        assert!(id.starts_with(TRACE), "{tasks:#}");
        assert!(
            tasks["text"]
                .as_str()
                .unwrap()
                .contains(&format!("id={id}"))
        );
        let none = agent.text("tasks", json!({"lost": true}));
        assert_eq!(none, "no such tasks\n");

        let first = agent.text("find", json!({"q": "late", "limit": 2}));
        assert!(
            first.contains(&format!("order {} is late", LOGS - 1)),
            "{first}"
        );
        assert!(first.contains(&format!("task={TRACE}")), "{first}");
        let next = cursor(&first).unwrap();
        let arguments = json!({"q": "late", "limit": 2, "cursor": next});
        let second = agent.text("find", arguments);
        assert!(
            second.contains(&format!("order {} is late", LOGS - 3)),
            "{second}"
        );

        let condition = "kind == \"end\" && outcome == \"failed\"";
        let arguments = json!({"by": "task_name", "filter": condition});
        let stats = agent.text("stats", arguments);
        let row: Value = serde_json::from_str(stats.lines().next().unwrap()).unwrap();
        assert_eq!(
            (&row["task_name"], &row["count"]),
            (&"charge card".into(), &1.into())
        );
        assert!(row["p99_ns"].as_u64().unwrap() > 900_000, "{row}");

        let wrong = agent.call("find", json!({"from": "noon"}));
        assert_eq!(wrong["error"], true, "{wrong:#}");
        assert!(
            wrong["text"].as_str().unwrap().contains("found `noon`"),
            "{wrong:#}"
        );
        let none = agent.call("drop", json!({}));
        assert!(
            none["refused"].as_str().unwrap().contains("no tool `drop`"),
            "{none:#}"
        );
    }
    let stderr = daemon.process().stderr();
    assert!(
        !stderr.iter().any(|line| line.contains("rmcp")),
        "{stderr:?}"
    );
    daemon.stop();
}
