//! Levels of running programs: for a service, a process or one request, for a time.

use std::process::{Command, Output, Stdio};

use distlog_proto::TaskId;
use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
const SERVICE: &str = env!("CARGO_BIN_EXE_e2e-service");

/// A program that logs what it is told, at DEBUG and INFO. Without `levels` it has no filter.
struct Client {
    process: Process,
    rounds: u32,
}

impl Client {
    fn start(daemon: &Daemon, service: &str, levels: Option<&str>) -> Client {
        let mut command = Command::new(CLIENT);
        command
            .arg(format!("session={}", daemon.session()))
            .args(["batch", "levels-each"])
            .env("SERVICE", service)
            .stdin(Stdio::piped());
        if let Some(levels) = levels {
            command.env("LEVELS", levels);
        }
        let process = Process::start(&mut command);
        Client { process, rounds: 0 }
    }

    /// The highest level that it records.
    fn level(&mut self) -> String {
        self.rounds += 1;
        let line = format!("{}-{}", self.process.id(), self.rounds);
        self.process.say(&line);
        let start = format!("{line} ");
        let level = |line: &str| line.strip_prefix(&start).map(str::to_owned);
        self.process.expect_stdout("an answer", level)
    }

    /// What of its next line arrives.
    fn logs(&mut self, daemon: &Daemon, service: &str) -> Vec<&'static str> {
        self.level();
        let line = format!("{}-{}", self.process.id(), self.rounds);
        eventually("its records", || {
            let all = messages(daemon, service);
            let has = |level: &str| all.contains(&format!("{level} {line}"));
            // The other one comes before it.
            let known = ["debug", "info"].into_iter().filter(|level| has(level));
            if has("info") {
                Ok(known.collect())
            } else {
                Err(all)
            }
        })
    }
}

fn messages(daemon: &Daemon, service: &str) -> Vec<String> {
    let path = format!("/api/v1/records?service={service}&limit=1000");
    let found = daemon.json(&path).unwrap();
    let items = found["items"].as_array().unwrap().iter();
    items
        .map(|record| record["message"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn level(daemon: &Daemon, arguments: &[&str]) -> Output {
    Command::new(DISTLOGD)
        .args(["level", "--url", daemon.http()])
        .args(arguments)
        .output()
        .unwrap()
}

/// What the command says if it succeeds.
fn said(daemon: &Daemon, arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = level(daemon, arguments);
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert_eq!(status.code(), Some(0), "{arguments:?}: {said}");
    said.trim_end().to_owned()
}

fn shown(daemon: &Daemon) -> Value {
    daemon.json("/api/v1/levels").unwrap()
}

/// So many programs are connected, and have said whether they have a filter.
fn connected(daemon: &Daemon, with_filter: usize, without: usize) {
    eventually("programs that are connected", || {
        let shown = shown(daemon);
        let of = |has_filter: bool| {
            let all = shown["processes"].as_array().unwrap().iter();
            all.filter(|one| one["has_filter"] == has_filter).count()
        };
        match (of(true), of(false)) == (with_filter, without) {
            true => Ok(()),
            false => Err(shown),
        }
    });
}

#[test]
fn a_service_is_raised_and_falls_back_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let mut orders = Client::start(&daemon, "orders", Some("info"));
    let mut billing = Client::start(&daemon, "billing", Some("info"));
    let mut old = Client::start(&daemon, "orders", None);
    connected(&daemon, 2, 1);
    assert_eq!(orders.logs(&daemon, "orders"), ["info"]);
    assert_eq!(
        old.logs(&daemon, "orders"),
        ["debug", "info"],
        "it has no filter"
    );

    let told = said(&daemon, &["orders", "orders=debug", "--for", "12s"]);
    assert!(told.starts_with("orders: orders=debug for "), "{told}");
    assert!(
        told.ends_with("1 of 2 processes apply it; 1 has no filter for levels")
            || told.ends_with("1 of 2 processes applies it; 1 has no filter for levels"),
        "{told}"
    );
    assert_eq!(orders.logs(&daemon, "orders"), ["debug", "info"]);
    assert_eq!(billing.logs(&daemon, "billing"), ["info"]);
    eventually("it is over", || match orders.level().as_str() {
        "info" => Ok(()),
        level => Err(level.to_owned()),
    });
    assert_eq!(orders.logs(&daemon, "orders"), ["info"]);
    assert_eq!(shown(&daemon)["overrides"], serde_json::json!([]));

    // Without an end that somebody waits for it is taken back.
    said(&daemon, &["orders", "debug"]);
    assert_eq!(orders.logs(&daemon, "orders"), ["debug", "info"]);
    said(&daemon, &["orders", "--off"]);
    eventually("it is taken back", || match orders.level().as_str() {
        "info" => Ok(()),
        level => Err(level.to_owned()),
    });
    let nothing = level(&daemon, &["orders", "--off"]);
    assert_eq!(nothing.status.code(), Some(4), "{nothing:?}");
}

#[test]
fn of_two_processes_of_a_service_one_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let mut one = Client::start(&daemon, "orders", Some("info"));
    let mut other = Client::start(&daemon, "orders", Some("info"));
    connected(&daemon, 2, 0);
    let pid = one.process.id().to_string();
    let told = said(&daemon, &["orders", "trace", "--process", &pid]);
    assert!(told.ends_with("1 of 1 process applies it"), "{told}");
    assert_eq!(one.logs(&daemon, "orders"), ["debug", "info"]);
    assert_eq!(other.logs(&daemon, "orders"), ["info"]);
    let list = said(&daemon, &[]);
    assert!(list.contains("  trace  "), "{list}");
    said(&daemon, &["--process", &pid, "--off"]);
    let stranger = level(&daemon, &["--process", "1", "debug"]);
    let why = String::from_utf8_lossy(&stranger.stderr);
    assert_eq!(stranger.status.code(), Some(4), "{why}");
    assert!(why.contains("no process `1` is connected"), "{why}");
}

#[test]
fn what_is_no_level_is_refused_with_its_column() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    for (arguments, expected) in [
        (
            &["orders", "info,orders=debgu"][..],
            "`LEVELS`: column 13: `debgu` is no level: expected off, error, warn, info, debug or trace",
        ),
        (
            &[
                "--task",
                "e252a11f-d33d-483d-ba08-bc8f642b2f10",
                "orders=debug",
            ],
            "`LEVELS`: `orders=debug` is no level: expected off, error, warn, info, debug or trace",
        ),
        (
            &["orders", "debug", "--for", "1000d"],
            "`--for` is wrong: found `1000d`",
        ),
        (&["--task", "e252", "debug"], "`--task` is wrong"),
        (&["orders", "debug", "trace"], "unexpected argument"),
    ] {
        let output = level(&daemon, arguments);
        let why = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{why}");
        assert!(why.contains(expected), "{arguments:?}: {why}");
    }
    assert_eq!(shown(&daemon)["overrides"], serde_json::json!([]));
}

#[test]
fn a_program_applies_what_is_set_when_it_comes_and_when_its_daemon_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let told = said(&daemon, &["orders", "debug"]);
    assert!(told.ends_with("one that comes applies it"), "{told}");
    let mut orders = Client::start(&daemon, "orders", Some("info"));
    let applied = |daemon: &Daemon| {
        eventually("it applies it", || {
            let shown = shown(daemon);
            match shown["overrides"][0]["applied"] == 1 {
                true => Ok(()),
                false => Err(shown),
            }
        });
    };
    applied(&daemon);
    assert_eq!(orders.logs(&daemon, "orders"), ["debug", "info"]);
    daemon.kill();
    assert_eq!(orders.level(), "debug", "its time is not over");
    daemon.restart();
    applied(&daemon);
    assert_eq!(orders.logs(&daemon, "orders"), ["debug", "info"]);

    // The daemon goes for good: the program knows when the time is over.
    said(&daemon, &["orders", "debug", "--for", "12s"]);
    assert_eq!(orders.level(), "debug");
    daemon.kill();
    eventually("it is over", || match orders.level().as_str() {
        "info" => Ok(()),
        level => Err(level.to_owned()),
    });
}

#[test]
fn the_configuration_has_levels_and_a_reload_changes_them() {
    let folder = tempfile::tempdir().unwrap();
    let config = "levels: { orders: 'orders=debug', billing: trace }";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let mut orders = Client::start(&daemon, "orders", Some("info"));
    eventually("it applies them", || match orders.level().as_str() {
        "debug" => Ok(()),
        level => Err(level.to_owned()),
    });
    let list = said(&daemon, &["orders"]);
    assert!(
        list.contains("with the configuration") && !list.contains("billing"),
        "{list}"
    );
    daemon.reconfigure("");
    let reload = Command::new(DISTLOGD)
        .args(["reload", "--url", daemon.http()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&reload.stdout);
    assert_eq!(told.trim(), "changed levels");
    eventually("they are as it was started", || {
        match orders.level().as_str() {
            "info" => Ok(()),
            level => Err(level.to_owned()),
        }
    });
}

/// Service A, which asks B; its address.
fn chain(daemon: &Daemon) -> (Process, Process, String) {
    let start = |arguments: &[&str]| {
        let mut command = Command::new(SERVICE);
        let mut service = Process::start(command.arg(daemon.session()).args(arguments));
        let address = service.expect_stdout("its address", |line| Some(line.to_owned()));
        (service, address)
    };
    let (b, address) = start(&["b"]);
    let (a, address) = start(&["a", &address]);
    connected(daemon, 2, 0);
    (a, b, address)
}

/// Asks a service as the task's caller does, with this level for it.
fn ask(address: &str, task: &TaskId, parameter: &str) {
    let reserved = task.child(std::num::NonZeroU64::MIN);
    let headers = distlog_proto::trace_context::Outgoing::new(&reserved, 1, "");
    let answer = ureq::get(address)
        .header("traceparent", headers.traceparent)
        .header("tracestate", headers.tracestate.unwrap() + parameter)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    assert_eq!(answer, "a, b");
}

/// Waits until a trace is complete, and these logged at DEBUG in it.
fn closer(daemon: &Daemon, task: &TaskId, expected: &[&str]) {
    let is_of = |record: &&Value| {
        let trace = record["distlog"]["trace_id"].as_str();
        trace.and_then(|trace| trace.parse().ok()) == Some(task.trace_id())
    };
    eventually("all records of the trace", || {
        let found = daemon.json("/api/v1/records?limit=1000").unwrap();
        let items = found["items"].as_array().unwrap().iter();
        let records: Vec<&Value> = items.filter(is_of).collect();
        let ends = records.iter();
        let ends = ends.filter(|record| record["distlog"]["kind"] == "end");
        let messages = records
            .iter()
            .filter_map(|record| record["message"].as_str());
        let mut closer: Vec<&str> = messages
            .filter(|message| message.ends_with("looks closer"))
            .collect();
        closer.sort_unstable();
        // A task of each of the two services and one between them; HTTP libraries log more of one that is raised.
        match ends.count() >= 3 && closer == expected {
            true => Ok(()),
            false => Err(format!("{records:#?}")),
        }
    });
}

#[test]
fn one_request_is_raised_by_its_headers_through_two_services() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (_a, _b, address) = chain(&daemon);
    let tasks: Vec<TaskId> = (0..3).map(|_| TaskId::random()).collect();
    ask(&address, &tasks[0], "");
    ask(&address, &tasks[1], ";l:debug");
    ask(&address, &tasks[2], "");
    closer(&daemon, &tasks[0], &[]);
    closer(&daemon, &tasks[1], &["a looks closer", "b looks closer"]);
    closer(&daemon, &tasks[2], &[]);
}

#[test]
fn one_request_is_raised_by_the_daemon_in_every_service() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (_a, _b, address) = chain(&daemon);
    let tasks: Vec<TaskId> = (0..2).map(|_| TaskId::random()).collect();
    let told = said(&daemon, &["--task", &tasks[0].to_string(), "debug"]);
    assert!(
        told.starts_with("task ") && told.ends_with("2 of 2 processes apply it"),
        "{told}"
    );
    ask(&address, &tasks[0], "");
    ask(&address, &tasks[1], "");
    closer(&daemon, &tasks[0], &["a looks closer", "b looks closer"]);
    closer(&daemon, &tasks[1], &[]);
}

#[test]
fn a_rule_raises_the_service_of_a_record_for_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
processors: { closer: { levels: { service: debug, for: 12s } } }
rules: [{ when: 'message.endsWith(\"-1\")', to: [closer] }]";
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let mut orders = Client::start(&daemon, "orders", Some("info"));
    let mut billing = Client::start(&daemon, "billing", Some("info"));
    connected(&daemon, 2, 0);
    // The first line that it logs is what the rule is about.
    assert_eq!(orders.level(), "info");
    eventually("it is raised", || match orders.level().as_str() {
        "debug" => Ok(()),
        level => Err((level.to_owned(), shown(&daemon))),
    });
    let list = said(&daemon, &["orders"]);
    assert!(list.contains("orders (by closer)  debug"), "{list}");
    eventually("it is over", || match orders.level().as_str() {
        "info" => Ok(()),
        level => Err(level.to_owned()),
    });
    assert_eq!(billing.level(), "info");
}

#[test]
fn a_rule_raises_the_rest_of_a_request_in_every_service() {
    let folder = tempfile::tempdir().unwrap();
    let tasks: Vec<TaskId> = (0..2).map(|_| TaskId::random()).collect();
    let config = format!(
        "
processors: {{ closer: {{ levels: {{ task: debug }} }} }}
rules: [{{ when: 'service == \"b\" && trace_id == \"{}\"', to: [closer] }}]",
        tasks[0].trace_id().to_string().replace('-', "")
    );
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    let (_a, _b, address) = chain(&daemon);
    ask(&address, &tasks[0], "");
    closer(&daemon, &tasks[0], &[]);
    eventually("both apply it", || {
        let shown = shown(&daemon);
        let of = &shown["overrides"][0];
        match of["applied"] == 2 && of["by"] == "closer" {
            true => Ok(()),
            false => Err(shown),
        }
    });
    // It goes on.
    ask(&address, &tasks[0], "");
    ask(&address, &tasks[1], "");
    closer(&daemon, &tasks[0], &["a looks closer", "b looks closer"]);
    closer(&daemon, &tasks[1], &[]);
}
