//! Tokens, with real processes: at each port who may do what, and what those see that may read some services only.

mod browser;
mod command;
mod ports;
mod services;

use std::path::Path;
use std::process::{Command, Output};

use crate::DISTLOGD;

/// All receivers by TCP want tokens of the file `tokens.yaml`.
const LISTEN: &str = "{ push: off, session: off, otlp_grpc: { bind: 'localhost:0', tokens: tokens.yaml }, \
                      otlp_http: { bind: 'localhost:0', tokens: tokens.yaml }, \
                      http: { bind: 'localhost:0', tokens: tokens.yaml } }";

/// Runs `distlogd token` in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(DISTLOGD);
    let command = command.arg("token").args(arguments);
    command.current_dir(folder).output().unwrap()
}

/// Makes a token.
fn new(folder: &Path, name: &str, more: &[&str]) -> String {
    let output = run(folder, &[&["new", name], more].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("distlog_") && text.lines().count() == 1,
        "{text}"
    );
    text.trim().to_owned()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
