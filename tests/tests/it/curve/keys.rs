//! The files of keys: who makes and reads them.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{Keyed, new_keys, run};
use crate::sessions::expect_all;

#[test]
fn keys_are_for_their_owner_and_are_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    new_keys(folder, "shop");
    let mode = |file: &str| {
        let metadata = std::fs::metadata(folder.join(file)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    let modes = [mode("keys"), mode("keys/shop.key"), mode("keys/shop.pub")];
    assert_eq!(modes, [0o700, 0o600, 0o644]);
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let (secret, public) = (read("keys/shop.key"), read("keys/shop.pub"));
    assert!(secret.contains("secret-key") && !public.contains("secret-key"));

    for left in ["keys/shop.pub", "keys/shop.key"] {
        let output = run(folder, &["keys", "new", "shop"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("exists"),
            "{said}"
        );
        assert_eq!(
            (read("keys/shop.key"), public.len()),
            (secret.clone(), read("keys/shop.pub").len())
        );
        // With either of them there.
        if left == "keys/shop.pub" {
            std::fs::remove_file(folder.join(left)).unwrap();
            let output = run(folder, &["keys", "new", "shop"]);
            assert!(!output.status.success() && !folder.join(left).exists());
            std::fs::write(folder.join(left), &public).unwrap();
        }
    }
    for name in ["../shop", "", ".shop", "a b"] {
        assert_eq!(
            run(folder, &["keys", "new", name]).status.code(),
            Some(2),
            "{name}"
        );
    }
}

#[test]
fn a_daemon_without_its_keys_says_how_to_make_them() {
    let folder = tempfile::tempdir().unwrap();
    let listen = "listen: { session: { bind: 'tcp://localhost:0', curve: { key: keys/distlogd.key, clients: keys/clients } } }";
    std::fs::write(folder.path().join("distlogd.yaml"), listen).unwrap();
    let refused = || {
        let output = run(folder.path(), &["--config", "distlogd.yaml"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused();
    assert!(
        said.contains("cannot read the keys in keys/distlogd.key"),
        "{said}"
    );
    new_keys(folder.path(), "distlogd");
    let said = refused();
    assert!(said.contains("make the folder"), "{said}");
}

#[test]
#[ignore = "needs pyzmq: see .ci/run"]
fn a_python_program_has_keys_that_distlogd_made_or_its_own() {
    let python = std::env::var("DISTLOG_TEST_PYTHON")
        .expect("DISTLOG_TEST_PYTHON names a Python with distlog, pyzmq and six");
    let keyed = Keyed::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/keys.py");
    let log = |keys: &str, n: &str| {
        let [server, keys] = ["distlogd.pub", keys].map(|file| keyed.path(file));
        let mut command = Command::new(&python);
        let command = command
            .args([script, keyed.daemon.push(), n])
            .args([server, keys]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    log("shop.key", "0");
    // It makes them if they are not there: `own.key` is public.
    let output = Command::new(&python)
        .args([script, "make"])
        .arg(keyed.path("clients"))
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    log("clients/own.key_secret", "1");
    expect_all(&keyed.daemon, 2);
}
