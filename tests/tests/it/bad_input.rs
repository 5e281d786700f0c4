//! Whatever is wrong is said once, clearly, and does no harm to what is right.

use std::path::Path;
use std::process::{Command, Output};

use distlog_testkit::{Daemon, Process, eventually};

const CLIENT: &str = env!("CARGO_BIN_EXE_e2e-client");
const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");

fn send(daemon: &Daemon, messages: &[&[&[u8]]]) {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::PUSH).unwrap();
    socket.set_linger(10_000).unwrap();
    socket.connect(daemon.push()).unwrap();
    for message in messages {
        socket.send_multipart(message.iter(), 0).unwrap();
    }
}

#[test]
fn rubbish_at_the_push_door_is_counted_and_what_is_good_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
processors:
  everything: { file: { path: all.jsonl } }
rules:
  - to: [everything]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let good = br#"{"name": "py", "msg": "good", "message": "good", "levelno": 20, "created": 1.5, "context": null}"#;
    let odd = br#"{"name": 7, "msg": {"a": NaN}, "levelno": "x", "created": [], "context": {"key": "1@None/1"}, "big": 123456789012345678901234567890}"#;
    send(
        &daemon,
        &[
            &[b"XYZ", b"{}"],
            &[b"\xff\xfe\x00", b"{}"],
            &[b"TLJ"],
            &[b"TLJ", b"{}", b"more"],
            &[b"TLJ", b"{ not json"],
            &[b"TLJ", &deep],
            &[b"TLJ", b"\"no object\""],
            &[b"TLP", b"\x80\x03rubbish"],
            // cos.system('echo harm > harm'), the classic
            &[b"TLP", b"cos\nsystem\n(S'echo harm > harm'\ntR."],
            &[b"TLB", b"\xff\xff\xff\xff"],
            &[b"TLJ", odd],
            &[b"TLJ", good],
        ],
    );
    let records = daemon.records("all.jsonl", 2);
    assert_eq!(records.last().unwrap()["message"], "good");
    assert!(
        records.iter().any(|record| record
            .to_string()
            .contains("123456789012345678901234567890")),
        "{records:#?}"
    );
    assert!(!folder.path().join("harm").exists());
    for (what, least) in [
        ("unknown topic", 2.0),
        ("wrong number of frames", 2.0),
        ("bad JSON", 2.0),
        ("bad pickle", 1.0),
        ("bad batch", 1.0),
    ] {
        let counted = daemon.metric(&format!(
            "distlogd_receiver_rejected_inputs_total{{receiver=\"push\",reason=\"{what}\"}}"
        ));
        assert!(counted >= least, "{what}: {counted}");
    }
    daemon
        .process()
        .expect_stderr("a report with the peer", |line| {
            (line.contains("unknown topic from 127.0.0.1") && line.contains("`XYZ` is no topic"))
                .then_some(())
        });
}

fn run(folder: &Path, config: &str) -> Output {
    std::fs::write(folder.join("wrong.yaml"), config).unwrap();
    Command::new(DISTLOGD)
        .args(["--config", "wrong.yaml"])
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

const QUIET: &str = "listen: { push: 'tcp://127.0.0.1:0', session: 'off', otlp_grpc: 'off', otlp_http: 'off', http: '127.0.0.1:0' }\n";

#[test]
fn what_keeps_the_daemon_from_starting_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let http = daemon.http().trim_start_matches("http://");
    let cases = [
        (QUIET.to_owned(), "distlog-data"),
        (
            format!(
                "{}store: {{ path: other }}\n",
                QUIET.replace("tcp://127.0.0.1:0", daemon.push())
            ),
            "another program listens there already",
        ),
        (
            format!(
                "{}store: {{ path: other }}\n",
                QUIET.replace("'127.0.0.1:0'", &format!("'{http}'"))
            ),
            "cannot listen for HTTP on",
        ),
        (
            format!("{QUIET}store: {{ path: /proc/no-such-folder/store }}\n"),
            "/proc/no-such-folder",
        ),
    ];
    for (config, expected) in cases {
        let output = run(folder.path(), &config);
        let said = String::from_utf8_lossy(&output.stderr);
        let faults: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("distlogd: "))
            .collect();
        assert_eq!((output.status.code(), faults.len()), (Some(1), 1), "{said}");
        assert!(faults[0].contains(expected), "{said}");
    }
    drop(daemon);
}

#[test]
fn a_wrong_configuration_is_reported_whole() {
    let folder = tempfile::tempdir().unwrap();
    let config = "\
listn: {}
store: { sync: 5 parsecs }
processors:
  a: { file: { pth: x } }
rules:
  - when: severty > 3
    to: [a, b]
";
    let output = run(folder.path(), config);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for expected in ["listn", "5 parsecs", "pth", "severty", "`b`", "1:1", "4:"] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    let check = Command::new(DISTLOGD)
        .args(["check", "wrong.yaml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&check.stderr),
        said,
        "`check` says the same"
    );
}

#[test]
fn an_unreachable_destination_is_one_line_and_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let config = "
grace: 1s
processors:
  everything: { file: { path: all.jsonl } }
  nowhere: { otlp: { endpoint: 'http://127.0.0.1:9' } }
  readonly: { file: { path: /proc/no-such-folder/all.jsonl } }
rules:
  - to: [everything, nowhere, readonly]";
    let mut daemon = Daemon::start(DISTLOGD, &[], folder.path(), config);
    let mut client =
        Process::start(Command::new(CLIENT).args([daemon.push(), "batch", "every-field"]));
    assert!(client.wait().success());
    daemon.records("all.jsonl", 10);
    for name in ["nowhere", "readonly"] {
        eventually("two attempts", || {
            let retries = daemon.metric(&format!(
                "distlogd_processor_retries_total{{processor=\"{name}\"}}"
            ));
            if retries >= 2.0 { Ok(()) } else { Err(retries) }
        });
    }
    let stderr = daemon.process().stderr();
    let said = |word: &str| stderr.iter().filter(|line| line.contains(word)).count();
    assert_eq!(
        said("127.0.0.1:9"),
        1,
        "once, not at each attempt: {stderr:#?}"
    );
    assert_eq!(said("/proc/no-such-folder"), 1, "{stderr:#?}");
}

#[test]
fn the_command_line_says_what_is_wrong() {
    let ask = |arguments: &[&str]| {
        let output = Command::new(DISTLOGD).args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = ask(&[
        "tree",
        "e252a11f-d33d-483d-ba08-bc8f642b2f10",
        "--url",
        "http://127.0.0.1:9",
    ]);
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("distlogd: cannot reach distlogd at http://127.0.0.1:9"),
        "{said}"
    );
    assert_eq!(ask(&["tre"]).0, Some(2));
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(DISTLOGD, &[], folder.path(), "");
    let (code, said) = ask(&["tree", "nonsense", "--url", daemon.http()]);
    assert_eq!(
        (code, said.as_str()),
        (
            Some(2),
            "distlogd: `nonsense` is no trace id: expected a UUID like e252a11f-d33d-483d-ba08-bc8f642b2f10 \
             (`distlogd tasks` and `distlogd find --full` show ids)\n"
        )
    );
    let (code, said) = ask(&[
        "tree",
        "e252a11f-d33d-483d-ba08-bc8f642b2f10",
        "--url",
        daemon.http(),
    ]);
    assert_eq!(
        (code, said.as_str()),
        (
            Some(4),
            "distlogd: no record of task e252a11f-d33d-483d-ba08-bc8f642b2f10 is stored here\n"
        )
    );
    let missing = Command::new(DISTLOGD)
        .args(["--config", "no-such-file.yaml"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such-file.yaml"));
}
