//! `distlogd test`, as who writes rules runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::DISTLOGD;

fn test(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(DISTLOGD);
    let program = program.arg("test").args(arguments).current_dir(folder);
    program.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Files of a folder with that extension, in the order of their names.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

#[test]
fn the_rules_of_the_cookbook_pass_their_tests_and_no_condition_is_untested() {
    let folder = docs().join("rule-tests");
    let tests = files(&folder, "yaml");
    let names: Vec<&str> = tests.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(names.len(), 10, "{names:?}");
    let output = test(&folder, &[&["--coverage"], &names[..]].concat());
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(passed >= 15, "{said}");
    assert!(
        said.contains(&format!("\n{passed} passed, 0 failed\n")),
        "{said}"
    );
    // What the page shows is what was tested.
    let page = std::fs::read_to_string(docs().join("rule-cookbook.md")).unwrap();
    for config in files(&folder.join("configs"), "yaml") {
        let text = std::fs::read_to_string(&config).unwrap();
        assert!(
            page.contains(&format!("```yaml\n{text}```")),
            "{} is not in the page",
            config.display()
        );
        let name = config.file_name().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("(rule-tests/{name})")), "{name}");
    }
}

const CONFIG: &str = "\
processors:
  all: { file: { path: all.jsonl } }
  errors: { file: { path: errors.jsonl } }
rules:
  - to: [all]
  - when: severity >= ERROR && service == \"shop\"
    to: [errors]
";

const TESTS: &str = "\
tests:
  - name: refused payments go to the errors
    tree:
      POST /orders:
        service: billing
        outcome: failed
        events:
          - error: payment refused
    expect:
      - record: payment refused
        to: [all, errors]
";

#[test]
fn a_failing_test_says_which_condition_decided_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("distlogd.yaml"), CONFIG).unwrap();
    std::fs::write(folder.path().join("rules.yaml"), TESTS).unwrap();
    let output = test(folder.path(), &["rules.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stdout(&output);
    // The page shows this.
    let page = std::fs::read_to_string(docs().join("rule-tests.md")).unwrap();
    assert!(page.contains(&format!("```text\n{said}```")), "{said}");
    assert!(said.contains("false    service == \"shop\""), "{said}");

    let output = test(folder.path(), &["--json", "rules.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["passed"], &report["failed"]),
        (&0.into(), &1.into())
    );
    let why = &report["tests"][0]["failures"][0]["why"][0]["decided"][0];
    assert_eq!(
        (&why["what"], &why["line"]),
        (&"rule 2".into(), &6.into()),
        "{report:#}"
    );
    assert_eq!(why["parts"][1]["value"], false, "{report:#}");
    assert_eq!(report["coverage"][0]["matched"], 1, "{report:#}");
}

#[test]
fn exit_codes_tell_a_failure_from_a_fault_and_coverage_can_fail() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("distlogd.yaml", CONFIG);
    let right = TESTS.replace("[all, errors]", "all");
    write("rules.yaml", &right);
    assert_eq!(test(folder.path(), &["rules.yaml"]).status.code(), Some(0));
    // Rule 2 never matches.
    let output = test(folder.path(), &["--coverage", "rules.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(
        stdout(&output).contains("never  distlogd.yaml:6:11  rule 2: "),
        "{}",
        stdout(&output)
    );
    // Another configuration than the usual one, named here or there.
    write("other.yaml", &CONFIG.replace("\"shop\"", "\"billing\""));
    assert_eq!(
        test(folder.path(), &["-c", "other.yaml", "rules.yaml"])
            .status
            .code(),
        Some(1)
    );
    write("named.yaml", &format!("config: other.yaml\n{TESTS}"));
    let output = test(folder.path(), &["--coverage", "named.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));

    // Faults of all files are said at once.
    write("faulty.yaml", "tests:\n  - nam: x\n    tree: {}\n");
    write("broken.yaml", &CONFIG.replace("severity", "severty"));
    write("on-broken.yaml", &format!("config: broken.yaml\n{right}"));
    let output = test(
        folder.path(),
        &["faulty.yaml", "on-broken.yaml", "none.yaml"],
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("faulty.yaml:2:5: unknown key `nam`: did you mean `name`?"),
        "{said}"
    );
    assert!(
        said.contains("broken.yaml:6:11: unknown name `severty`"),
        "{said}"
    );
    assert!(said.contains("cannot read none.yaml"), "{said}");
    assert_eq!(test(folder.path(), &[]).status.code(), Some(2));
}
