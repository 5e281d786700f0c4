//! The Debian package: it is installed into a folder of its own, its unit is judged, its program runs as the unit
//! starts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use distlog_testkit::Daemon;
use serde_json::Value;

/// What `systemd-analyze security` may say at most, of 100: "OK" begins at 50, most services of Debian have over 90.
const EXPOSURE: &str = "20";

fn package() -> PathBuf {
    let package = std::env::var_os("DISTLOG_TEST_DEB");
    package.expect("DISTLOG_TEST_DEB names the package").into()
}

/// Runs a program; gives what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// `dpkg` on a folder instead of the machine.
fn dpkg(root: &Path, arguments: &[&str]) {
    let root = format!("--root={}", root.display());
    // The folder has nothing else, so its dependencies are asked for elsewhere.
    let options = [
        &*root,
        "--force-depends",
        "--force-script-chrootless",
        "--force-not-root",
    ];
    run("dpkg", &[&options[..], arguments].concat());
}

#[test]
#[ignore = "needs DISTLOG_TEST_DEB, a package made by packaging/build"]
fn the_package_is_installed_runs_and_is_removed() {
    let package = package();
    let package = package.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for part in ["info", "updates"] {
        fs::create_dir_all(root.join("var/lib/dpkg").join(part)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    dpkg(&root, &["--install", package]);
    for file in [
        "usr/bin/distlogd",
        "usr/share/man/man1/distlogd.1.gz",
        "usr/share/man/man1/distlogd-tree.1.gz",
        "usr/share/bash-completion/completions/distlogd",
        "usr/share/fish/vendor_completions.d/distlogd.fish",
        "usr/share/zsh/vendor-completions/_distlogd",
        "usr/share/doc/distlogd/LICENSE-MIT",
        "usr/share/doc/distlogd/LICENSE-APACHE",
    ] {
        assert!(root.join(file).is_file(), "{file} is not in the package");
    }
    // What it depends on can be had on this machine's Debian.
    run("apt-get", &["install", "--simulate", "--quiet", package]);

    // Beside it, of what it is made.
    let made_of = Path::new(package).with_extension("cdx.json");
    let made_of: Value = serde_json::from_slice(&fs::read(made_of).unwrap()).unwrap();
    assert_eq!(made_of["bomFormat"], "CycloneDX");
    assert_eq!(made_of["metadata"]["component"]["name"], "distlogd");
    let components = made_of["components"].as_array().unwrap();
    let has = |name: &str| components.iter().any(|component| component["name"] == name);
    assert!(has("zmq") && has("distlog-store") && !has("proptest") && !has("distlog-layer"));
    for component in components {
        // What is not of this repository.
        if component["externalReferences"].is_array() {
            assert_eq!(
                component["hashes"][0]["content"].as_str().unwrap().len(),
                64
            );
        }
        assert!(
            component["licenses"][0]["expression"].is_string(),
            "{component}"
        );
    }

    // The unit: nothing in it that systemd does not know, and little that it leaves open.
    let unit = root.join("usr/lib/systemd/system/distlogd.service");
    let text = fs::read_to_string(&unit).unwrap();
    assert!(
        text.contains("\nType=notify\n") && text.contains("\nWatchdogSec="),
        "{text}"
    );
    let judged = folder.path().join("distlogd.service");
    let program = root.join("usr/bin/distlogd");
    fs::write(
        &judged,
        text.replace("/usr/bin/distlogd", program.to_str().unwrap()),
    )
    .unwrap();
    let judged = judged.to_str().unwrap();
    // It only warns of what it does not know.
    assert_eq!(run("systemd-analyze", &["verify", "--man=no", judged]), "");
    let threshold = format!("--threshold={EXPOSURE}");
    run(
        "systemd-analyze",
        &[
            "security",
            "--offline=true",
            "--no-pager",
            &threshold,
            judged,
        ],
    );

    // Program and configuration, as they were installed. The daemon's own test says what systemd is told.
    let config = root.join("etc/distlog/distlogd.yaml");
    run(
        program.to_str().unwrap(),
        &["check", config.to_str().unwrap()],
    );
    let mut daemon = Daemon::start(program.to_str().unwrap(), &[], folder.path(), "");
    assert!(daemon.get("/metrics").is_ok());
    assert!(daemon.stop().success());
    let page = Command::new("man")
        .arg("--local-file")
        .arg(root.join("usr/share/man/man1/distlogd.1.gz"))
        .env("MANWIDTH", "80")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(
        page.contains("--config") && page.contains("Exit codes"),
        "{page}"
    );

    // A configuration that was changed stays until it is purged.
    dpkg(&root, &["--remove", "distlogd"]);
    assert!(!program.exists() && config.exists());
    dpkg(&root, &["--purge", "distlogd"]);
    assert!(!config.exists());
}
