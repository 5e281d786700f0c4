//! One request, three processes, two languages: one tree.

use std::process::Command;

use distlog_testkit::{Daemon, Process, eventually};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

fn first_line(process: &mut Process) -> String {
    process.expect_stdout("the task's id", |line| Some(line.to_owned()))
}

/// The subtasks of a task in the JSON form of a tree.
fn subtasks(task: &Value) -> Vec<&Value> {
    task["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item.get("task"))
        .collect()
}

/// The messages of a task's own records.
fn messages(task: &Value) -> Vec<&str> {
    let items = task["items"].as_array().unwrap().iter();
    items
        .filter_map(|item| item.get("record")?.get("message")?.as_str())
        .collect()
}

fn named<'a>(tasks: &[&'a Value], name: &str) -> &'a Value {
    tasks
        .iter()
        .find(|task| task["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not among {tasks:#?}"))
}

#[test]
fn a_task_is_carried_on_by_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    for receiver in daemon.receivers() {
        carried_on(&daemon, &receiver);
    }
}

fn carried_on(daemon: &Daemon, receiver: &str) {
    let mut client = Process::start(
        Command::new(CLIENT)
            .args([receiver, "batch", "chain"])
            .env("SERVICE", "first"),
    );
    let id = first_line(&mut client);
    assert!(client.wait().success(), "{:?}", client.stderr());

    let tree = daemon.tree(&id, |tree| {
        !tree.to_string().contains("running") && tree.to_string().contains("part done")
    });
    let [root] = &tree["tasks"].as_array().unwrap()[..] else {
        panic!("{tree:#}")
    };
    assert_eq!(
        (&root["name"], &root["service"], &root["outcome"]),
        (&"serve the request".into(), &"first".into(), &"ok".into())
    );
    assert_eq!(messages(root), ["asking the next", "answered"]);
    let parts = subtasks(root);
    let [part] = parts[..] else {
        panic!("{tree:#}")
    };
    assert_eq!(
        (&part["name"], &part["service"]),
        (&"do a part".into(), &"second".into())
    );
    assert_eq!(part["kind"], "consumer");
    assert_eq!(messages(part), ["part done"]);
    assert!(
        part["id"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{id}/1.")),
        "a reserved id is taken with a salt: {part}"
    );

    let text = daemon
        .get(&format!("/api/v1/tasks/{id}?format=text"))
        .unwrap();
    assert!(text.contains("✔ serve the request · first"), "{text}");
    assert!(text.contains("├─ ✔ do a part · second"), "{text}");
    assert!(daemon.json("/api/v1/tasks").unwrap()["items"][0]["id"] == id.as_str());
}

#[test]
#[ignore = "needs the Python package: see .ci/run"]
fn three_processes_in_two_languages_make_one_tree() {
    let python = std::env::var("DISTLOG_TEST_PYTHON")
        .expect("DISTLOG_TEST_PYTHON names a Python with distlog, pyzmq and six");
    for encoding in ["json", "pickle"] {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
        // The encoding is the last argument of the script.
        let wrapper = folder.path().join("peer.sh");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/peer.py");
        std::fs::write(
            &wrapper,
            format!("exec {python} {script} \"$1\" \"$2\" {encoding}\n"),
        )
        .unwrap();
        let peer = format!("sh {}", wrapper.display());
        let mut client = Process::start(
            Command::new(CLIENT)
                .args([daemon.push(), "batch", "chain", &peer])
                .env("SERVICE", "first"),
        );
        let id = first_line(&mut client);
        assert!(client.wait().success(), "{:?}", client.stderr());

        let tree = daemon.tree(&id, |tree| {
            tree.to_string().contains("taken over") && tree.to_string().contains("worked in Python")
        });
        let [root] = &tree["tasks"].as_array().unwrap()[..] else {
            panic!("{tree:#}")
        };
        let parts = subtasks(root);
        let python_task = named(&parts, "work in Python");
        assert_eq!(
            python_task["id"],
            format!("{id}/2"),
            "Python takes the reserved id as it is"
        );
        assert!(
            messages(python_task).contains(&"hello from Python, 3 times"),
            "{python_task:#}"
        );
        let below = subtasks(python_task);
        assert_eq!(
            messages(named(&below, "a part in Python")),
            ["line one\nline two"]
        );
        let failed = named(&below, "divide");
        assert_eq!(failed["outcome"], "failed");
        assert!(
            failed["end"].to_string().contains("ZeroDivisionError"),
            "{failed:#}"
        );
        let back = named(&below, "take over from Python");
        assert_eq!(
            (&back["service"], messages(back)),
            (&"first".into(), vec!["taken over"])
        );
    }
}

#[test]
fn the_task_of_a_killed_process_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "lost_after: 1s");
    for receiver in daemon.receivers() {
        lost(&daemon, &receiver);
    }
}

fn lost(daemon: &Daemon, receiver: &str) {
    let mut client = Process::start(
        Command::new(CLIENT)
            .args([receiver, "batch", "hang"])
            .stdin(std::process::Stdio::piped()),
    );
    let id = first_line(&mut client);
    let trace = id.as_str();
    let tree = daemon.tree(trace, |tree| tree.to_string().contains("about to hang"));
    assert_eq!(tree["tasks"][0]["outcome"], "running");
    client.signal("KILL");
    client.wait();
    let tree = daemon.tree(trace, |tree| tree["tasks"][0]["outcome"] == "lost");
    let inner = subtasks(&tree["tasks"][0]);
    assert_eq!(
        named(&inner, "a part that hangs")["outcome"],
        "ok",
        "what ended has ended"
    );
    eventually("the summary", || {
        let summary = daemon.json("/api/v1/tasks")?;
        if summary["items"][0]["outcome"] == "lost" {
            Ok(())
        } else {
            Err(summary.to_string())
        }
    });
}

#[test]
fn a_quiet_process_that_lives_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    // The client says that it lives every 5 s.
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "lost_after: 8s");
    let mut client = Process::start(
        Command::new(CLIENT)
            .args([daemon.push(), "batch", "hang"])
            .stdin(std::process::Stdio::piped()),
    );
    let id = first_line(&mut client);
    daemon.tree(&id, |tree| tree.to_string().contains("about to hang"));
    let signs =
        || daemon.metric("distlogd_receiver_messages_total{receiver=\"push\",encoding=\"B\"}");
    let before = signs();
    eventually("two signs of life", || {
        if signs() >= before + 2.0 {
            Ok(())
        } else {
            Err(signs())
        }
    });
    let tree = daemon.json(&format!("/api/v1/tasks/{id}")).unwrap();
    assert_eq!(tree["tasks"][0]["outcome"], "running", "{tree:#}");
}

#[test]
#[ignore = "needs the Python package: see .ci/run"]
fn a_python_program_that_ends_as_the_readme_says_waits_for_the_daemon() {
    let python = std::env::var("DISTLOG_TEST_PYTHON")
        .expect("DISTLOG_TEST_PYTHON names a Python with distlog, pyzmq and six");
    let folder = tempfile::tempdir().unwrap();
    // Its address is known before it is there.
    let address = format!("ipc://{}/push", folder.path().display());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/late.py");
    let mut program = Process::start(Command::new(&python).args([script, &address]));
    assert_eq!(first_line(&mut program), "logged");
    let config = format!(
        "listen: {{ push: '{address}', session: off, otlp_grpc: off, otlp_http: off, http: off }}
processors: {{ all: {{ file: {{ path: all.jsonl }} }} }}
rules: [{{ to: [all] }}]"
    );
    std::fs::write(folder.path().join("distlogd.yaml"), config).unwrap();
    let mut daemon = Process::start(
        Command::new(DISTLOGD)
            .args(["--config", "distlogd.yaml"])
            .current_dir(folder.path()),
    );
    daemon.expect_stderr("a running daemon", |line| (line == "ready").then_some(()));
    assert!(program.wait().success(), "{:?}", program.stderr());
    distlog_testkit::eventually("the record", || {
        let text = std::fs::read_to_string(folder.path().join("all.jsonl")).unwrap_or_default();
        match text.contains("before the daemon was there") {
            true => Ok(()),
            false => Err(text),
        }
    });
}
