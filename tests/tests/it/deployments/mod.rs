//! The configurations of `deploy/`, as they are there but for ports and folders: each is checked, and those of machines
//! are tried with real servers.

mod files;
mod hub;
mod kubernetes;
mod nats;
mod secrets;

use std::path::Path;
use std::process::Command;

use distlog_testkit::{Daemon, Process};

use files::{adapted, sections};
use secrets::Secrets;

const DISTLOGD: &str = env!("CARGO_BIN_EXE_e2e-distlogd");
const SERVICE: &str = env!("CARGO_BIN_EXE_e2e-service");

/// Starts a daemon with a configuration of `deploy/` in a folder of its own. `environment` are settings like `A=b`.
fn start(
    folder: &Path,
    name: &str,
    secrets: &Secrets,
    configuration: &str,
    environment: &[String],
) -> Daemon {
    let own = folder.join(name);
    std::fs::create_dir_all(&own).unwrap();
    let mut arguments = vec![secrets.environment()];
    arguments.extend_from_slice(environment);
    arguments.push(DISTLOGD.to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match sections(configuration) {
        (Some(listen), rest) => Daemon::listening("env", &arguments, &own, &listen, &rest),
        (None, rest) => Daemon::start("env", &arguments, &own, &rest),
    }
}

/// A service that logs to a daemon, and its address. It asks `next` whenever it is asked.
fn service(daemon: &Daemon, name: &str, next: Option<&str>) -> (Process, String) {
    let mut command = Command::new(SERVICE);
    let mut service = Process::start(command.args([daemon.session(), name]).args(next));
    let address = service.expect_stdout("its address", |line| Some(line.to_owned()));
    (service, address)
}

/// The tree of a request that crossed two services is drawn whole, and in order.
fn whole(tree: &str) {
    let order = ["front was asked", "front asks", "back was asked"];
    let place = |text: &&str| tree.find(*text).unwrap_or_else(|| panic!("{text}: {tree}"));
    assert!(order.iter().map(place).is_sorted(), "{tree}");
}

fn ask(address: &str, expected: &str) {
    let mut answer = ureq::get(address).call().unwrap();
    assert_eq!(answer.body_mut().read_to_string().unwrap(), expected);
}
