//! What the README shows is what there is. Its Rust snippets are doc tests of the examples.

use std::process::Command;

use crate::timeless::timeless;
use distlog_testkit::{Daemon, Process, eventually};

const README: &str = include_str!("../../../README.md");
/// The tour is also the daemon and its commands.
const TOUR: &str = env!("CARGO_BIN_EXE_tour");

/// The fenced blocks in that language.
fn blocks(language: &str) -> Vec<&'static str> {
    let open = format!("```{language}\n");
    let parts = README.split(open.as_str()).skip(1);
    parts
        .map(|part| part.split_once("```").expect("a block ends").0)
        .collect()
}

#[test]
fn it_begins_with_the_two_commands_that_everything_runs() {
    let first = "cargo run --release -p distlog-examples --bin tour\ncargo test --workspace\n";
    assert_eq!(blocks("sh")[0], first);
    let ci = include_str!("../../../.ci/run");
    assert!(
        first.lines().all(|command| ci
            .lines()
            .any(|line| line.trim_start().starts_with(command))),
        "{ci}"
    );
}

#[test]
fn the_tree_of_the_tour_is_the_real_one() {
    let shown = timeless(blocks("text")[0]);
    let (id, tree) = shown.split_once('\n').unwrap();
    assert!(id.parse::<distlog_proto::TraceId>().is_ok(), "{id}");
    assert_eq!(tree, include_str!("../tour_tree.txt").trim_end());
}

#[test]
fn the_configurations_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let all = blocks("yaml");
    assert_eq!(all.len(), 2);
    for yaml in all {
        let file = folder.path().join("readme.yaml");
        std::fs::write(&file, yaml).unwrap();
        let output = Command::new(TOUR)
            .args(["distlogd", "check"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{said}\n{yaml}");
    }
}

#[test]
fn the_dependencies_are_those_of_this_version() {
    let toml = blocks("toml")[0];
    let version = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0;
    assert!(
        toml.contains(&format!(
            "distlog-layer = {{ version = \"{version}\", features = [\"tower\"] }}"
        )),
        "{toml}"
    );
}

#[test]
fn the_daemon_runs_with_the_recipe_for_jaeger() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = blocks("yaml")
        .into_iter()
        .find(|yaml| yaml.starts_with("# jaeger.yaml"))
        .unwrap();
    let mut daemon = Daemon::start(TOUR, &["distlogd"], folder.path(), recipe);
    assert!(daemon.stop().success(), "{:?}", daemon.process().stderr());
}

#[test]
fn the_defaults_are_those_of_the_daemon() {
    let whole = blocks("yaml")[1];
    // Without intake, processors and rules nothing but defaults is left.
    let (listen_and_store, rest) = whole.split_once("intake:").unwrap();
    let (_, last) = rest.split_once("lost_after:").unwrap();
    let text = format!("{listen_and_store}lost_after:{last}");
    let config = distlogd::daemon::Builder::new()
        .parse_config(&text, "README.md")
        .unwrap();
    assert_eq!(
        config.to_string(),
        distlogd::daemon::Config::default().to_string()
    );
    let default = distlogd::daemon::Config::default();
    assert_eq!(
        (config.lost_after, config.grace, &config.store),
        (default.lost_after, default.grace, &default.store)
    );
}

#[test]
fn the_commands_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(TOUR, &["distlogd"], folder.path(), "");
    let banner: Vec<&str> = blocks("text")[1]
        .lines()
        .skip(1)
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    let said = daemon.process().stderr();
    let real: Vec<&str> = said
        .iter()
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert_eq!(banner, real);

    let output = Command::new(env!("CARGO_BIN_EXE_job_queue"))
        .args(["--distlogd", daemon.session()])
        .output()
        .unwrap();
    let id = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .replace("task ", "");
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(TOUR);
        command
            .arg("distlogd")
            .args(arguments)
            .env("DISTLOGD_URL", daemon.http());
        command
    };
    let documented = |command: &str| README.contains(&format!("| `distlogd {command}"));
    assert!(
        documented("tasks` |")
            && documented("tree ID` |")
            && documented("tail` |")
            && documented("check FILE` |")
    );

    eventually("the list of tasks", || {
        let said = String::from_utf8(ask(&["tasks"]).output().unwrap().stdout).unwrap();
        if said.contains(&id) && said.contains("convert all pictures · asker") {
            Ok(())
        } else {
            Err(said)
        }
    });
    eventually("the tree", || {
        let said = String::from_utf8(ask(&["tree", &id]).output().unwrap().stdout).unwrap();
        if said.contains("✗ convert empty.png · worker") {
            Ok(())
        } else {
            Err(said)
        }
    });
    let mut tail = Process::start(&mut ask(&[
        "tail",
        "--filter",
        "severity >= INFO",
        "--json",
    ]));
    eventually("a line of the tail", || {
        Command::new(env!("CARGO_BIN_EXE_job_queue"))
            .args(["--distlogd", daemon.session()])
            .output()
            .unwrap();
        if tail.stdout().is_empty() {
            Err(())
        } else {
            Ok(())
        }
    });
    tail.signal("TERM");
    tail.wait();
}
