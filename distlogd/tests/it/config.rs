//! Variables of the environment and paths of shells in configurations, as `distlogd check` tells them.

use std::path::Path;
use std::process::Command;

use distlogd::daemon::Builder;

use crate::DISTLOGD;

/// Exit status, standard output and standard error of `distlogd check` with these variables and no others.
fn check(folder: &Path, text: &str, variables: &[(&str, &str)]) -> (i32, String, String) {
    std::fs::write(folder.join("d.yaml"), text).unwrap();
    let output = Command::new(DISTLOGD)
        .args(["check", "d.yaml"])
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

const WHOLE: &str = r#"
listen: { http: '${BIND:-localhost}:${PORT}', otlp_grpc: { bind: '0.0.0.0:4317', plaintext: '${PLAIN}' }, otlp_http: "${OTLP_HTTP}" }
store: { path: '${DIR}/store', keep: { size: '${SIZE}', age: 1d12h } }
processors:
  all: { file: { path: '${DIR}/$${x}.jsonl', rotate: { size: 1MiB, keep: '${KEEP}' } } }
  jaeger:
    otlp:
      endpoint: ${OTEL_ENDPOINT:-http://127.0.0.1:14317}
      headers: { authorization: 'Bearer ${TOKEN}', x-number: '${NUMBER}' }
      open_tasks: ${OPEN}
rules:
  - to: [all, jaeger]
    when: service == "${SERVICE}"
lost_after: ${LOST:-1m30s}
drain: ["${DIR}/spool"]
"#;

#[test]
fn variables_stand_for_values_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("PORT", "5999"),
        ("PLAIN", "true"),
        ("OTLP_HTTP", "off"),
        ("DIR", "/var/lib/distlog"),
        ("SIZE", "2GiB"),
        ("KEEP", "7"),
        ("TOKEN", "geheim # : {x}"),
        ("NUMBER", "0010"),
        ("OPEN", "5"),
        ("SERVICE", "shop"),
        ("LOST", ""),
    ];
    let (status, said, faults) = check(folder.path(), WHOLE, &variables);
    assert_eq!((status, faults.as_str()), (0, ""), "{faults}");
    for line in [
        "http       localhost:5999",
        "otlp_grpc  0.0.0.0:4317",
        "otlp_http  off",
        "/var/lib/distlog/store",
        "2GiB",
        "36h",
        "service == \"shop\"",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
}

#[test]
fn what_is_missing_is_told_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let text = "store: { path: \"ü ${DIR}/${SUB}\" }\nprocessors:\n  a:\n    otlp:\n      endpoint: http://x:1\n      headers: { authorization: 'Bearer ${TOKEN}' }\nrules:\n  - to: a\n    when: >-\n      severity >= WARN\n      && service == '${SERVICE}'\ngrace: ${GRACE\n";
    let (status, _, faults) = check(folder.path(), text, &[("SUB", "x")]);
    assert_eq!(status, 2, "{faults}");
    for fault in [
        "d.yaml:1:19: the environment has no `DIR`: set it, or write ${DIR:-default}\n",
        "d.yaml:6:41: the environment has no `TOKEN`",
        "d.yaml:11:22: the environment has no `SERVICE`",
        "d.yaml:12:8: `${` begins no variable",
    ] {
        assert!(faults.contains(fault), "{fault} is not in\n{faults}");
    }
    // Nothing is said of what is there, or could not be read for it.
    assert_eq!(faults.matches("d.yaml:").count(), 4, "{faults}");
}

#[test]
fn what_a_variable_holds_is_a_value_and_no_yaml() {
    let folder = tempfile::tempdir().unwrap();
    let text = "store: { path: '${X}' }\ngrace: ${Y:-5}\n";
    let (status, _, faults) = check(folder.path(), text, &[("X", "a }\nlisten: { http: off")]);
    assert_eq!(status, 2);
    assert!(
        faults.contains("d.yaml:2:8: found string \"5\", expected a duration like"),
        "{faults}"
    );
    assert_eq!(faults.matches("d.yaml:").count(), 1, "{faults}");
}

#[test]
fn a_path_of_a_shell_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let text = "listen: { push: 'ipc://~/push' }\nstore: { path: ~/distlog }\nprocessors:\n  a: { file: { path: ~logs/a.jsonl } }\n  b: { exec: { command: [~/bin/x, '~', ~5] } }\nrules: [ { to: [a, b], when: \"message == '~/x'\" } ]\ndrain: [~/spool]\n";
    let (status, _, said) = check(folder.path(), text, &[]);
    assert_eq!(status, 0, "{said}");
    for warning in [
        "d.yaml:1:17: warning: `~` is not expanded, it is the name of a folder here: write ${HOME}/push\n",
        "d.yaml:2:16: warning: `~` is not expanded, it is the name of a folder here: write ${HOME}/distlog\n",
        "d.yaml:4:22: warning: `~` is not expanded, it is the name of a folder here: write the whole path\n",
        "d.yaml:5:26: warning: ",
        "d.yaml:7:9: warning: ",
    ] {
        assert!(said.contains(warning), "{warning} is not in\n{said}");
    }
    assert!(
        !said.contains("d.yaml:6:") && !said.contains("5:40"),
        "{said}"
    );
    let loaded = Builder::new().parse_config(text, "d.yaml").unwrap();
    assert_eq!(loaded.warnings.len(), said.lines().count());
}

#[test]
fn each_fault_begins_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "listen: { http: '0.0.0.0:1' }\ngrace: soon\nstore: { path: '${NONE_OF_THAT_NAME}' }\n";
    let (code, _, said) = check(folder.path(), text, &[]);
    assert_eq!(code, 2, "{said}");
    let places: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("d.yaml:")?.split(": ").next())
        .collect();
    assert_eq!(places, ["1:17", "2:8", "3:17"], "{said}");
}
