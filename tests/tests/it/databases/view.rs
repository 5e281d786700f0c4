//! `distlogd view`: what a daemon answers, the database that it writes to answers, too.

use std::path::Path;
use std::process::{Command, Output};

use distlog_testkit::{ClickHouse, Daemon, Postgres, Process, eventually};
use serde_json::Value;

use super::{CLIENT, DISTLOGD};

/// A server that shows a database.
struct View {
    process: Process,
    http: String,
}

impl View {
    fn start(from: &str) -> View {
        View::with(from, &["--listen", "localhost:0"])
    }

    fn with(from: &str, arguments: &[&str]) -> View {
        let mut command = Command::new(DISTLOGD);
        command
            .arg("view")
            .args(arguments)
            .env("DISTLOGD_FROM", from);
        let mut process = Process::start(&mut command);
        process.expect_stderr("a running view", |line| (line == "ready").then_some(()));
        let said = process.stderr();
        let address = |line: &String| Some(line.trim().strip_prefix("http ")?.trim().to_owned());
        let http = said.iter().find_map(address).unwrap();
        View { process, http }
    }

    fn stop(mut self) {
        self.process.signal("TERM");
        assert!(self.process.wait().success());
    }
}

/// Status and body.
fn ask(method: &str, url: &str) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = agent.build().into();
    let request = match method {
        "DELETE" => agent.delete(url),
        _ => agent.get(url),
    };
    let mut response = request.call().unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), body)
}

fn json(url: &str) -> Value {
    let (status, body) = ask("GET", url);
    assert_eq!(status, 200, "{url}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The items of all pages of a list.
fn all(http: &str, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = json(&format!("{http}{path}{cursor}"));
        assert_ne!(page["complete"], Value::Bool(false), "{path}: {page}");
        items.extend(page["items"].as_array().unwrap().clone());
        match &page["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return items,
        }
    }
}

fn client(address: &str, encoding: &str, story: &[&str], service: &str) {
    let mut client = Process::start(
        Command::new(CLIENT)
            .args([address, encoding])
            .args(story)
            .env("SERVICE", service),
    );
    assert!(client.wait().success(), "{:?}", client.stderr());
}

/// Records of all kinds, of several services, in every encoding.
fn traffic(daemon: &Daemon) {
    let [push, session] = daemon.receivers();
    client(&session, "batch", &["every-field"], "shop");
    client(&session, "batch", &["levels"], "shop");
    client(&session, "batch", &["chain"], "payment");
    client(&session, "batch", &["every-field"], "mail");
    client(&session, "batch", &["count", "300"], "mail");
    client(&push, "json", &["every-field"], "over-json");
    client(&push, "pickle", &["every-field"], "over-pickle");
    eventually("what was pushed", || {
        let found = all(
            daemon.http(),
            "/api/v1/records?limit=1000&service=over-pickle",
        )
        .len();
        if found >= 10 { Ok(()) } else { Err(found) }
    });
    settled(daemon);
}

/// Waits until the database has all that is stored.
fn settled(daemon: &Daemon) {
    eventually("all in the database", || {
        let status = daemon.json("/api/v1/status")?;
        match &status["processors"][0]["lag_records"] {
            Value::Number(lag) if lag.as_u64() == Some(0) => Ok(()),
            _ => Err(format!("{status:#}")),
        }
    });
}

fn config(processor: &str) -> String {
    format!(
        "
lost_after: 1h
processors:
  db: {{ {processor}, batch: {{ idle: 20ms }}, retry: {{ first: 50ms, most: 200ms }} }}
rules:
  - to: [db]"
    )
}

const LISTS: [&str; 18] = [
    "/api/v1/records?limit=7",
    "/api/v1/records?limit=1000",
    "/api/v1/records?limit=3&severity=WARN",
    "/api/v1/records?limit=50&service=mail",
    "/api/v1/records?limit=5&q=number",
    "/api/v1/records?limit=5&q=%22do%20everything%22&service=shop",
    "/api/v1/records?limit=5&q=zw%C3%B6lf",
    "/api/v1/records?limit=5&q=recor*&filter=fields.n%20%3E%20280",
    "/api/v1/records?limit=5&filter=kind%3D%3D%27end%27",
    "/api/v1/records?limit=20&from=1h&to=now",
    "/api/v1/tasks?limit=3",
    "/api/v1/tasks?failed=true",
    "/api/v1/tasks?ok=true",
    "/api/v1/tasks?name=everything&service=mail",
    "/api/v1/tasks?q=zw%C3%B6lf&limit=2",
    "/api/v1/problems?limit=2",
    "/api/v1/problems?service=shop",
    "/api/v1/tasks?min_duration=1h",
];

const COUNTS: [&str; 4] = [
    "/api/v1/stats?by=service,severity",
    "/api/v1/stats?by=task_name,outcome",
    "/api/v1/stats?q=record&by=service",
    "/api/v1/stats?by=kind&severity=ERROR",
];

/// Items in any order, since those of the same time have none; as names of fields have none.
fn sorted(items: Vec<Value>) -> Vec<String> {
    let line = |mut item: Value| {
        let names = item
            .pointer_mut("/distlog/text")
            .and_then(Value::as_array_mut);
        if let Some(names) = names {
            names.sort_unstable_by_key(Value::to_string);
        }
        item.to_string()
    };
    let mut lines: Vec<String> = items.into_iter().map(line).collect();
    lines.sort_unstable();
    lines
}

/// The ids of all tasks that began a trace.
fn ids(http: &str) -> Vec<String> {
    let tasks = all(http, "/api/v1/tasks?limit=100");
    let id = |task: &Value| task["id"].as_str().unwrap().to_owned();
    tasks.iter().map(id).collect()
}

fn assert_same(what: &str, there: Vec<String>, here: Vec<String>) {
    for (there, here) in there.iter().zip(&here) {
        assert_eq!(there, here, "{what}");
    }
    assert_eq!(there.len(), here.len(), "{what}");
}

/// The words of each line in any order: a database may keep names in another one.
fn in_any_order(text: &str) -> Vec<Vec<&str>> {
    fn words(line: &str) -> Vec<&str> {
        let words = line.split(|c: char| !c.is_alphanumeric());
        let mut words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.sort_unstable();
        words
    }
    text.lines().map(words).collect()
}

/// Asks both the same, and compares what they say.
fn same_answers(daemon: &Daemon, view: &View) {
    for path in LISTS {
        let (here, there) = (all(daemon.http(), path), all(&view.http, path));
        assert_same(path, sorted(there), sorted(here));
    }
    assert!(all(&view.http, LISTS[1]).len() > 340);
    assert!(!all(&view.http, LISTS[15]).is_empty());
    for path in COUNTS {
        let (here, there) = (all(daemon.http(), path), all(&view.http, path));
        assert_eq!(sorted(there), sorted(here), "{path}");
    }
    let ids = ids(daemon.http());
    assert!(ids.len() >= 5, "{ids:?}");
    for id in &ids {
        let path = format!("/api/v1/tasks/{id}?format=text&full=true");
        let here = daemon.get(&path).unwrap();
        let (status, there) = ask("GET", &format!("{}{path}", view.http));
        assert_eq!(status, 200, "{path}: {there}");
        assert_eq!(in_any_order(&there), in_any_order(&here), "{path}");
        let path = format!("/api/v1/tasks/{id}?format=records");
        let lines = |text: &str| {
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            sorted(lines.collect())
        };
        let (here, there) = (
            daemon.get(&path).unwrap(),
            ask("GET", &format!("{}{path}", view.http)).1,
        );
        assert_eq!(lines(&there), lines(&here), "{path}");
        let trace = &id[..36].replace('-', "");
        for path in [
            format!("/api/traces/{trace}"),
            format!("/api/v3/traces/{trace}"),
        ] {
            let (here, there) = (
                daemon.json(&path).unwrap(),
                json(&format!("{}{path}", view.http)),
            );
            let (here, there) = (here.to_string(), there.to_string());
            assert_eq!(in_any_order(&there), in_any_order(&here), "{path}");
        }
    }
    for path in ["/api/services", "/api/v3/services", "/api/v1/openapi.json"] {
        let (here, there) = (
            daemon.json(path).unwrap(),
            json(&format!("{}{path}", view.http)),
        );
        assert_eq!(there, here, "{path}");
    }
    let path = format!("/api/v1/diff?a={}&b={}", ids[0], ids[1]);
    let (here, there) = (
        daemon.json(&path).unwrap(),
        json(&format!("{}{path}", view.http)),
    );
    assert_eq!(there, here, "{path}");
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("logs.db").display())
}

#[test]
fn a_view_of_sqlite_answers_as_the_daemon_that_fills_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        DISTLOGD,
        &[],
        folder.path(),
        &config("sqlite: { path: logs.db }"),
    );
    traffic(&daemon);
    let view = View::start(&sqlite(folder.path()));
    same_answers(&daemon, &view);
    // What comes is there at once.
    client(&daemon.receivers()[1], "batch", &["chain"], "later");
    settled(&daemon);
    same_answers(&daemon, &view);
    view.stop();
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn a_view_of_postgres_answers_as_the_daemon_that_fills_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start(&[]);
    let url = server.url();
    let config = config(&format!("postgres: {{ url: '{url}' }}"));
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    traffic(&daemon);
    let view = View::start(&url);
    same_answers(&daemon, &view);
}

#[test]
#[ignore = "needs a Python with chdb: see .ci/run"]
fn a_view_of_clickhouse_answers_as_the_daemon_that_fills_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = ClickHouse::start(folder.path(), "");
    let address = server.address().to_owned();
    let config = config(&format!(
        "clickhouse: {{ url: 'http://{address}', database: logs }}"
    ));
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), &config);
    traffic(&daemon);
    let view = View::start(&format!("clickhouse://{address}/logs"));
    same_answers(&daemon, &view);
}

#[test]
fn a_trace_over_two_daemons_is_whole_in_the_view_of_their_database() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("logs.db").display().to_string();
    let config = config(&format!("sqlite: {{ path: '{there}' }}"));
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [a, b] = folders
        .each_ref()
        .map(|folder| Daemon::start(DISTLOGD, &[], folder.path(), &config));
    let mut begins = Process::start(
        Command::new(CLIENT)
            .args([&a.receivers()[1], "batch", "keep-on", "0"])
            .env("SERVICE", "first")
            .stdin(std::process::Stdio::piped()),
    );
    let id = begins.expect_stdout("the task's id", |line| Some(line.to_owned()));
    begins.say("3");
    begins.say("flush");
    client(&b.receivers()[1], "batch", &["import", &id], "second");
    drop(begins);
    for daemon in [&a, &b] {
        settled(daemon);
    }
    let view = View::start(&format!("sqlite:{there}"));
    eventually("the whole tree", || {
        let (status, tree) = ask(
            "GET",
            &format!("{}/api/v1/tasks/{id}?format=text", view.http),
        );
        let wanted = [
            "first",
            "second",
            "never done",
            "record 2",
            "do a part",
            "part done",
        ];
        match wanted.iter().find(|word| !tree.contains(**word)) {
            None if status == 200 => Ok(()),
            missing => Err(format!("{missing:?} is missing in {tree}")),
        }
    });
    let tree = a.get(&format!("/api/v1/tasks/{id}?format=text")).unwrap();
    assert!(!tree.contains("do a part"), "{tree}");
}

fn command(arguments: &[&str], from: (&str, &str)) -> Output {
    let mut command = Command::new(DISTLOGD);
    command.args(arguments).env(from.0, from.1);
    command.output().unwrap()
}

#[test]
fn commands_read_the_database_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        DISTLOGD,
        &[],
        folder.path(),
        &config("sqlite: { path: logs.db }"),
    );
    traffic(&daemon);
    let from = sqlite(folder.path());
    let ids = ids(daemon.http());
    for arguments in [
        &["tree", &ids[0]][..],
        &["find", "zwölf", "--full"],
        &["find", "-n", "1000", "--json"],
        &["find", "nowhere"],
        &["tasks", "--failed"],
        &["stats", "--by", "service"],
        &["problems", "--json"],
        &["diff", &ids[0], &ids[1]],
        &["tree", "e252a11f-d33d-483d-ba08-bc8f642b2f10"],
    ] {
        let here = command(arguments, ("DISTLOGD_URL", daemon.http()));
        let there = command(arguments, ("DISTLOGD_FROM", &from));
        let sorted = |output: &Output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        assert_eq!(
            there.status.code(),
            here.status.code(),
            "{arguments:?} {there:?}"
        );
        assert_eq!(sorted(&there), sorted(&here), "{arguments:?}");
    }
    let file = folder.path().join("url");
    std::fs::write(&file, format!("{from}\n")).unwrap();
    let file = file.display().to_string();
    let output = command(&["tasks", "--from-file", &file], ("NO_COLOR", "1"));
    assert!(
        output.status.success() && !output.stdout.is_empty(),
        "{output:?}"
    );
}

#[test]
fn a_view_says_what_only_a_daemon_can() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        DISTLOGD,
        &[],
        folder.path(),
        &config("sqlite: { path: logs.db }"),
    );
    client(&daemon.receivers()[1], "batch", &["every-field"], "shop");
    settled(&daemon);
    let from = sqlite(folder.path());
    let view = View::start(&from);
    let http = &view.http;
    let (status, why) = ask("GET", &format!("{http}/api/v1/tail"));
    assert!(
        status == 501 && why.contains("cannot follow records"),
        "{status} {why}"
    );
    let delete = format!("{http}/api/v1/records?filter=true&to=now");
    let (status, why) = ask("DELETE", &delete);
    assert!(
        status == 501 && why.contains("only reads"),
        "{status} {why}"
    );
    let status = json(&format!("{http}/api/v1/status"));
    let viewed = &status["view"];
    assert!(
        viewed["database"].as_str().unwrap().contains("logs.db"),
        "{status:#}"
    );
    assert!(
        viewed["oldest_ns"].as_u64() <= viewed["newest_ns"].as_u64(),
        "{status:#}"
    );
    assert!(viewed["oldest_ns"].is_u64(), "{status:#}");
    let said = command(&["status"], ("DISTLOGD_FROM", &from));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("a view of") && said.contains("logs.db"),
        "{said}"
    );
    let output = command(&["tail"], ("DISTLOGD_FROM", &from));
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && why.contains("cannot follow"),
        "{why}"
    );
}

#[test]
fn a_database_that_cannot_be_read_is_named_without_its_password() {
    for (from, expected) in [
        ("postgres://me:hunter2@127.0.0.1:1/logs", "127.0.0.1:1"),
        ("clickhouse://me:hunter2@127.0.0.1:1/logs", "127.0.0.1:1"),
        ("mysql://me:hunter2@127.0.0.1:1/logs", "sqlite:logs.db"),
        ("sqlite:/nowhere/logs.db", "/nowhere/logs.db"),
    ] {
        for arguments in [&["view", "--listen", "localhost:0"][..], &["tasks"]] {
            let output = command(arguments, ("DISTLOGD_FROM", from));
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{from}: {said}");
            assert!(said.contains(expected), "{from}: {said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
    let help = command(
        &["view", "--help"],
        ("DISTLOGD_FROM", "postgres://me:hunter2@h/db"),
    );
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("DISTLOGD_FROM") && !help.contains("hunter2"),
        "{help}"
    );
}

#[test]
fn a_token_for_some_services_sees_no_others_in_a_view() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        DISTLOGD,
        &[],
        folder.path(),
        &config("sqlite: { path: logs.db }"),
    );
    for service in ["shop", "mail"] {
        client(&daemon.receivers()[1], "batch", &["every-field"], service);
    }
    settled(&daemon);
    let tokens = folder.path().join("tokens.yaml").display().to_string();
    let made = command(
        &[
            "token",
            "new",
            "some",
            "--may",
            "read",
            "--services",
            "mail",
            "--file",
            &tokens,
        ],
        ("NO_COLOR", "1"),
    );
    let token = String::from_utf8(made.stdout.clone()).unwrap();
    assert!(made.status.success(), "{made:?}");
    let file = folder.path().join("view.yaml");
    let http = format!("listen: {{ http: {{ bind: 'localhost:0', tokens: '{tokens}' }} }}\n");
    std::fs::write(&file, http).unwrap();
    let view = View::with(
        &sqlite(folder.path()),
        &["--config", &file.display().to_string()],
    );
    assert_eq!(ask("GET", &format!("{}/api/v1/tasks", view.http)).0, 401);
    let url = format!("{}/api/v1/stats?by=service", view.http);
    let mut answer = ureq::get(&url)
        .header("authorization", format!("Bearer {}", token.trim()))
        .call()
        .unwrap();
    let counts: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    let services: Vec<&Value> = counts["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["service"])
        .collect();
    assert_eq!(services, ["mail"]);
}
