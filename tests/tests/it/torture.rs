//! Short runs of the torture; its doc says what it does.

use std::process::{Command, Output};

/// Runs it in an empty folder, which it leaves empty; gives its last line.
fn torture(rounds: &str, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_torture"))
        .args(["--rounds", rounds, "--seed", "1", "--dir"])
        .arg(folder.path())
        .args(more)
        .output()
        .unwrap();
    let (said, line) = (
        String::from_utf8_lossy(&stderr),
        String::from_utf8_lossy(&stdout),
    );
    assert!(status.success(), "{line}{said}");
    assert!(
        figure(&line, "logged") > 1000 && figure(&line, "stored") > 1000,
        "{line}"
    );
    assert_eq!(
        (figure(&line, "lost"), figure(&line, "duplicated")),
        (0, 0),
        "{line}"
    );
    assert!(line.contains("redelivered {file 0, sink "), "{line}");
    assert!(
        line.ends_with(&format!(", rounds {rounds}, seed 1\n")),
        "{line}"
    );
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "a good run leaves nothing behind");
    line.into_owned()
}

fn figure(line: &str, name: &str) -> u64 {
    let (_, rest) = line.split_once(&format!("{name} ")).unwrap();
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

#[test]
fn nothing_is_lost_and_nothing_is_there_twice() {
    torture("6", &[]);
}

#[test]
#[ignore = "needs PostgreSQL: see .ci/run"]
fn databases_have_what_is_stored_once_whoever_is_killed() {
    let line = torture("6", &["--databases"]);
    let rows = ["sqlite", "postgres"].map(|name| figure(&line, name));
    // Beside what was logged there are what tasks and the layer say of themselves.
    assert!(
        rows[0] == rows[1] && rows[0] >= figure(&line, "stored"),
        "{line}"
    );
}

#[test]
#[ignore = "needs nats-server and PostgreSQL: see .ci/run"]
fn databases_behind_a_stream_have_each_record_once_whoever_is_killed() {
    let line = torture("5", &["--stream"]);
    assert!(
        figure(&line, "postgres") >= figure(&line, "stored"),
        "{line}"
    );
}

#[test]
fn without_servers_the_stream_s_torture_says_what_it_needs() {
    let missing = Command::new(env!("CARGO_BIN_EXE_torture"))
        .arg("--stream")
        .env_remove("DISTLOG_TEST_NATS_SERVER")
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(
        said.contains("needs the program nats-server") && said.contains("DISTLOG_TEST_NATS_SERVER"),
        "{said}"
    );
}
