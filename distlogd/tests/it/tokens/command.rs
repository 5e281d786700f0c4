//! `distlogd token`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use super::*;

#[test]
fn a_token_is_shown_once_and_the_file_has_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let token = new(folder.path(), "ci", &["--may", "ingest"]);
    let limited = [
        "--may",
        "read",
        "--services",
        "shop,web",
        "--expires",
        "90d",
    ];
    let other = new(folder.path(), "me", &limited);
    assert_ne!(token, other);
    let path = folder.path().join("tokens.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&token) && !text.contains(&other), "{text}");
    assert_eq!(text.matches("hash: 'sha256:").count(), 2);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let list = run(folder.path(), &["list"]);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("ci") && list.contains("shop, web") && list.contains("never"));
    assert!(!list.contains("sha256"), "{list}");
    assert!(
        std::fs::read_to_string(&path).unwrap() == text,
        "listing changes nothing"
    );
}

#[test]
fn tokens_that_are_made_at_once_are_all_in_the_file() {
    const PROCESSES: usize = 12;
    let folder = tempfile::tempdir().unwrap();
    let started = (0..PROCESSES).map(|number| {
        let mut command = Command::new(DISTLOGD);
        let name = format!("t{number}");
        command.args(["token", "new", name.as_str(), "--may", "read"]);
        command.current_dir(folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    // All of them run before one is waited for.
    let started: Vec<_> = started.collect();
    for process in started {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
    let text = std::fs::read_to_string(folder.path().join("tokens.yaml")).unwrap();
    for number in 0..PROCESSES {
        assert!(text.contains(&format!("name: 't{number}'")), "{text}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_added_is_refused_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), "ci", &["--may", "ingest"]);
    let path = folder.path().join("tokens.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (arguments, code, why) in [
        (
            &["new", "ci", "--may", "read"][..],
            2,
            "the token `ci` stands twice",
        ),
        (&["new", "a b", "--may", "read"], 2, "expected up to 64"),
        (&["new", "a"], 2, "--may"),
        (&["new", "a", "--may", "write"], 2, "ingest, read, admin"),
        (
            &["new", "a", "--may", "read", "--expires", "soon"],
            2,
            "90d",
        ),
        (
            &["new", "a", "--may", "ingest", "--services", "shop"],
            2,
            "add `read` to `may`",
        ),
        (
            &["new", "a", "--may", "read", "--file", "no/tokens.yaml"],
            1,
            "no/tokens.yaml",
        ),
    ] {
        let output = run(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?} prints no token");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_configuration_names_a_file_that_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let check = |plaintext: &str| {
        let listen = format!(
            "listen: {{ http: {{ bind: '0.0.0.0:5080'{plaintext}, tokens: tokens.yaml }} }}"
        );
        std::fs::write(folder.path().join("distlogd.yaml"), listen).unwrap();
        let mut command = Command::new(DISTLOGD);
        let command = command.args(["check", "distlogd.yaml"]);
        let output = command.current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = check(", plaintext: true");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("cannot read the tokens in tokens.yaml"),
        "{said}"
    );
    std::fs::write(
        folder.path().join("tokens.yaml"),
        "- { name: a, may: [read] }\n",
    )
    .unwrap();
    let (code, said) = check(", plaintext: true");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("tokens.yaml:1:3: `hash` is missing"),
        "{said}"
    );
    std::fs::remove_file(folder.path().join("tokens.yaml")).unwrap();
    new(folder.path(), "a", &["--may", "read"]);
    let (code, said) = check(", plaintext: true");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("warning: tokens travel in plain text"),
        "{said}"
    );
}

#[test]
fn the_command_line_has_its_token_from_a_file_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let token = new(folder.path(), "me", &["--may", "read"]);
    let daemon = distlog_testkit::Daemon::listening(DISTLOGD, &[], folder.path(), LISTEN, "");
    let ask = |url: &str, arguments: &[&str], variable: Option<&str>| {
        let mut command = Command::new(DISTLOGD);
        command.args(["status", "--url", url]).args(arguments);
        command
            .current_dir(folder.path())
            .env_remove("DISTLOGD_TOKEN");
        command.envs(variable.map(|token| ("DISTLOGD_TOKEN", token)));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let url = daemon.http();
    let (code, said) = ask(url, &[], None);
    assert!(
        code == Some(2) && said.contains("`--token-file FILE` or the variable"),
        "{said}"
    );
    let (code, said) = ask(url, &[], Some("distlog_wrong"));
    assert!(
        code == Some(1) && said.contains("the token is not known here"),
        "{said}"
    );
    std::fs::write(folder.path().join("token"), format!("{token}\n")).unwrap();
    assert_eq!(ask(url, &["--token-file", "token"], None).0, Some(0));
    assert_eq!(ask(url, &[], Some(&token)).0, Some(0));
    // A file that is named counts.
    assert_eq!(
        ask(url, &["--token-file", "token"], Some("distlog_wrong")).0,
        Some(0)
    );
    let (code, said) = ask(url, &["--token-file", "no"], Some(&token));
    assert!(
        code == Some(2) && said.contains("cannot read the token in no"),
        "{said}"
    );
    let (code, said) = ask("http://192.0.2.1:5080", &[], Some(&token));
    assert!(
        code == Some(2) && said.contains("others could read the token"),
        "{said}"
    );
    assert!(!said.contains(&token), "{said}");
}
