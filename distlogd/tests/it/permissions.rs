//! What the daemon creates is for its user alone, and `--check-permissions` finds what is not.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use distlog_testkit::{Daemon, eventually};

use crate::DISTLOGD;
use crate::kit::push_socket;

/// Everything in a folder, with its mode; without what goes meanwhile, or is not there yet.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return found,
        Err(error) => panic!("{}: {error}", folder.display()),
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let file = match fs::symlink_metadata(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        if file.is_dir() {
            found.extend(modes(&path));
        }
        found.push((path, file.mode() & 0o777));
    }
    found
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn check(folder: &Path) -> Output {
    Command::new(DISTLOGD)
        .current_dir(folder)
        .args(["--config", "distlogd.yaml", "--check-permissions"])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_a_daemon_creates_is_for_its_user_alone_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    // The kit makes the folder and the configuration.
    let config = "
store: { path: data/store, keep: { size: 1GiB } }
processors:
  all: { file: { path: logs/deep/all.jsonl, rotate: { size: 1KiB, keep: 9, compress: zstd } } }
  text: { file: { path: logs/all.log, format: text, rotate: { size: 1KiB, keep: 9, compress: gzip } } }
  live: { pub: { bind: 'tcp://127.0.0.1:0', encoding: json } }
  mine: { exec: { command: [cat] } }
  lines: { console: {} }
  jaeger: { otlp: { endpoint: 'http://127.0.0.1:1' } }
rules: [ { to: [all, text, live, mine, lines, jaeger] } ]
drain: []
";
    let umask = ["-c", "umask 0; exec \"$0\" \"$@\"", DISTLOGD];
    let mut daemon = Daemon::start("sh", &umask, folder.path(), config);
    let socket = push_socket(daemon.push());
    eventually("files that are rotated and compressed", || {
        let message = format!(r#"{{"message":"{}"}}"#, "hello ".repeat(100));
        (0..4).for_each(|_| socket.send_multipart(["TLJ", &message], 0).unwrap());
        let files = modes(&folder.path().join("logs"));
        let ends_in = |ending: &str| {
            files
                .iter()
                .any(|(path, _)| path.extension().is_some_and(|found| found == ending))
        };
        if ends_in("zst") && ends_in("gz") {
            Ok(())
        } else {
            Err(files)
        }
    });
    daemon.kill();
    daemon.restart();
    daemon.stop();
    let config = folder.path().join("distlogd.yaml");
    let files = modes(folder.path());
    assert!(files.len() > 10, "{files:#?}");
    for (path, mode) in files.iter().filter(|(path, _)| *path != config) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(*mode, wanted, "{} has {mode:o}", path.display());
    }
    let output = check(folder.path());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn each_path_is_named_with_its_mode_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = "
store: { path: data/store }
drain: [ spools ]
processors:
  all: { file: { path: logs/all.jsonl, mode: '0640' } }
  jaeger:
    otlp:
      endpoint: 'https://127.0.0.1:1'
      headers: { Authorization: Bearer x }
      tls: { cert: tls/cert.pem, key: 'tls/a key.pem', ca: tls/ca.pem }
rules: [ { to: [all, jaeger] } ]
";
    fs::write(folder.join("distlogd.yaml"), config).unwrap();
    for directory in ["data", "data/store", "spools", "logs", "tls"] {
        fs::create_dir(folder.join(directory)).unwrap();
        chmod(&folder.join(directory), 0o700);
    }
    let files = [
        ("data/store/1.seg", 0o600),
        ("spools/a.spool", 0o600),
        ("logs/all.jsonl", 0o640),
        ("tls/cert.pem", 0o644),
        ("tls/a key.pem", 0o600),
        ("tls/ca.pem", 0o644),
        ("distlogd.yaml", 0o600),
    ];
    for (file, mode) in files {
        let path = folder.join(file);
        if file != "distlogd.yaml" {
            fs::write(&path, "x").unwrap();
        }
        chmod(&path, mode);
    }
    let output = check(folder);
    assert!(output.status.success(), "{output:?}");

    // Each for itself.
    let wrong = [
        (
            "data/store",
            0o755,
            "mode 0755, others can read it (the store): chmod 700",
        ),
        (
            "data/store/1.seg",
            0o666,
            "mode 0666, others can read and change it (the store): chmod 600",
        ),
        (
            "spools",
            0o720,
            "others can change it (a directory of spools): chmod 700",
        ),
        (
            "spools/a.spool",
            0o604,
            "others can read it (a directory of spools): chmod 600",
        ),
        (
            "logs/all.jsonl",
            0o644,
            "others can read it (a file of records): chmod 640",
        ),
        (
            "tls/a key.pem",
            0o644,
            "others can read it (keys or tokens): chmod ",
        ),
        (
            "tls/ca.pem",
            0o664,
            "others can change it (says who is trusted): chmod 644",
        ),
        (
            "distlogd.yaml",
            0o644,
            "others can read it (the configuration, which holds secrets): chmod ",
        ),
        (
            "data",
            0o707,
            "mode 0707, everybody can replace what is below: chmod o-w",
        ),
    ];
    for (file, mode, expected) in wrong {
        let path = folder.join(file);
        let before = fs::metadata(&path).unwrap().mode() & 0o777;
        chmod(&path, mode);
        let output = check(folder);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{file}: {said}");
        assert_eq!(said.lines().count(), 1, "{file}: {said}");
        assert!(
            said.contains(expected) && said.contains(path.to_str().unwrap()),
            "{file}: {said}"
        );
        chmod(&path, before);
    }

    // All at once; what it says can be done as it is.
    for (file, mode, _) in wrong {
        chmod(&folder.join(file), mode);
    }
    let output = check(folder);
    let said = said(&output);
    assert_eq!(said.lines().count(), wrong.len(), "{said}");
    for line in said.lines() {
        let command = &line[line.rfind(": chmod").unwrap() + 2..];
        assert!(
            Command::new("sh")
                .args(["-c", command])
                .status()
                .unwrap()
                .success()
        );
    }
    let output = check(folder);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_configuration_whose_secrets_come_from_the_environment_may_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |header: &str| {
        let config = format!(
            "store: {{ path: store }}\nprocessors: {{ a: {{ otlp: {{ endpoint: 'http://h:1', headers: {{ {header} }} }} }} }}\nrules: [ {{ to: a }} ]\n"
        );
        let path = folder.path().join("distlogd.yaml");
        fs::write(&path, config).unwrap();
        chmod(&path, 0o644);
        check(folder.path()).status.code()
    };
    assert_eq!(write("x-api-key: '${NONE:-secret}'"), Some(0));
    assert_eq!(write("x-tenant: shop"), Some(0));
    assert_eq!(write("x-api-key: secret"), Some(1));
}

#[test]
fn what_belongs_to_another_user_is_found() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root can give a file to another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = "drain: [spools, { path: others, owners: [54321] }]\n";
    fs::write(folder.path().join("distlogd.yaml"), config).unwrap();
    for directory in ["spools", "others"] {
        let directory = folder.path().join(directory);
        fs::create_dir(&directory).unwrap();
        chmod(&directory, 0o700);
        fs::write(directory.join("a.spool"), "x").unwrap();
        chmod(&directory.join("a.spool"), 0o600);
        chown(directory.join("a.spool"), Some(54_321), None).unwrap();
    }
    let output = check(folder.path());
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "spools/a.spool: belongs to the user 54321 (a directory of spools): chown 0 ";
    assert!(
        said.contains(expected) && said.lines().count() == 1,
        "{said}"
    );

    // Who owns a directory on the way can put another in its place.
    fs::write(
        folder.path().join("distlogd.yaml"),
        "store: { path: theirs/store }\n",
    )
    .unwrap();
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    chown(&theirs, Some(54_321), None).unwrap();
    let said = self::said(&check(folder.path()));
    assert!(
        said.contains("the user 54321, whose it is, can replace what is below"),
        "{said}"
    );
}
