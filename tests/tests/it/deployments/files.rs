//! The files of `deploy/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::DISTLOGD;
use super::secrets::Secrets;

/// Every configuration of distlogd there.
const CONFIGURATIONS: &[&str] = &[
    "one-machine/distlogd.yaml",
    "hub/agent.yaml",
    "hub/hub.yaml",
    "nats/agent.yaml",
    "nats/hub-clickhouse.yaml",
    "nats/hub-postgres.yaml",
    "nats/view.yaml",
    "kubernetes/single/distlogd.yaml",
    "kubernetes/base/config-agent.yaml",
    "kubernetes/base/config-view.yaml",
    "kubernetes/overlays/clickhouse/config-hub.yaml",
    "kubernetes/overlays/postgres/config-hub.yaml",
];

/// The folder.
pub fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// A file with other texts in the place of some, each of which must be there.
pub fn adapted(file: &str, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(deploy().join(file)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "deploy/{file} has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// What stands under `listen:`, if that is there, and everything else.
pub fn sections(configuration: &str) -> (Option<String>, String) {
    let Some((before, after)) = configuration.split_once("\nlisten:") else {
        return (None, configuration.to_owned());
    };
    let is_next = |line: &str| line.starts_with(|c: char| !c.is_whitespace() && c != '#');
    let mut lines = after.split_inclusive('\n');
    let mut listen = lines.next().unwrap_or_default().to_owned();
    let mut rest = format!("{before}\n");
    for line in lines {
        // The first line after it that is not indented begins the next section.
        let within = rest.len() == before.len() + 1 && !is_next(line);
        if within { &mut listen } else { &mut rest }.push_str(line);
    }
    (Some(listen), rest)
}

fn names(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_configuration_is_right() {
    let mut found = Vec::new();
    names(&deploy(), &mut found);
    let mut known: Vec<PathBuf> = CONFIGURATIONS
        .iter()
        .map(|file| deploy().join(file))
        .collect();
    // The manifests of Kubernetes are checked elsewhere.
    found.retain(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        path.extension().is_some_and(|kind| kind == "yaml") && !text.contains("\nkind: ")
    });
    found.sort();
    known.sort();
    assert_eq!(found, known);

    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::new(&folder.path().join("etc"));
    for file in CONFIGURATIONS {
        let text = std::fs::read_to_string(deploy().join(file)).unwrap();
        let text = text.replace("/etc/distlog", secrets.folder().to_str().unwrap());
        let path = folder.path().join("distlogd.yaml");
        std::fs::write(&path, text).unwrap();
        let environment = secrets.environment();
        let output = Command::new("env")
            .args([
                environment.as_str(),
                "DATABASE_URL=postgres://u:p@localhost/logs",
            ])
            .args([
                "CLICKHOUSE_URL=http://localhost:8123",
                "CLICKHOUSE_PASSWORD=p",
            ])
            .args([DISTLOGD, "check"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{file}: {said}");
        // What has no TLS within a cluster says so.
        let warned = said.contains("warning") && !file.starts_with("kubernetes");
        assert!(!warned, "{file}: {said}");
    }
}

#[test]
fn a_configuration_is_divided_at_its_receivers() {
    let text = "# a\n\nlisten:\n  http: off\n  # more\n  push: off\n\nstore:\n  path: x\n";
    let (listen, rest) = sections(text);
    assert_eq!(listen.unwrap(), "\n  http: off\n  # more\n  push: off\n\n");
    assert_eq!(rest, "# a\n\nstore:\n  path: x\n");
    assert_eq!(sections("store: {}\n"), (None, "store: {}\n".to_owned()));
}
