//! How severe a record is, however its program says it: known by its text where there is no number, its own number kept
//! where the severity does not tell it.

use distlog_proto::Severity;
use distlog_testkit::otlp::{Collector, body};
use distlog_testkit::{Daemon, eventually};
use serde_json::{Value, json};

use crate::DISTLOGD;
use crate::kit::otlp::{NOW, post_json};
use crate::kit::push_socket;

const TRACE: &str = "5b8efff798038103d269b633813fc603";

fn daemon(folder: &tempfile::TempDir, collector: &Collector) -> Daemon {
    let config = format!(
        "
processors:
  all: {{ file: {{ path: all.jsonl }} }}
  text: {{ file: {{ path: all.log, format: text }} }}
  errors: {{ file: {{ path: errors.jsonl }} }}
  fatal: {{ file: {{ path: fatal.jsonl }} }}
  away: {{ otlp: {{ endpoint: '{}', events: logs }} }}
rules:
  - {{ to: [all, text, away] }}
  - {{ when: severity >= ERROR, to: [errors] }}
  - {{ when: severity == 24, to: [fatal] }}",
        collector.endpoint()
    );
    Daemon::start(DISTLOGD, &[], folder.path(), &config)
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect()
}

/// What tree and text file show of a message: the word after the time.
fn shown<'t>(lines: &'t [String], message: &str) -> &'t str {
    let line = lines.iter().find(|line| line.ends_with(message));
    let line = line.unwrap_or_else(|| panic!("{message} is not in {lines:#?}"));
    let mut words = line.split_whitespace();
    words.find(|word| word.contains(':'));
    words.next().unwrap()
}

#[test]
fn a_text_or_an_unknown_number_by_otlp() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder, &collector);
    // Number and text as they come, the name that people see, and whether `severity >= ERROR`.
    let cases: &[(i32, &str, &str, bool)] = &[
        (0, "error", "ERROR", true),
        (0, "Critical", "FATAL", true),
        (0, "emerg", "FATAL", true),
        (0, "Warning", "WARN", false),
        (0, "information", "INFO", false),
        (0, "NOTICE", "INFO", false),
        (0, "Verbose", "TRACE", false),
        (0, "mine", "UNSET", false),
        (0, "", "UNSET", false),
        (9, "error", "INFO", false),
        (17, "", "ERROR", true),
        (99, "", "99", true),
        (-3, "", "-3", false),
    ];
    let message = |(number, text): (i32, &str)| format!("{number}/{text}.");
    let logs: Vec<Value> = cases
        .iter()
        .map(|(number, text, _, _)| {
            json!({
                "traceId": TRACE, "spanId": "00f067aa0ba902b7", "timeUnixNano": NOW.to_string(), "severityNumber": number,
                "severityText": text, "body": {"stringValue": message((*number, text))},
            })
        })
        .collect();
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]});
    post_json(&daemon, "/v1/logs", &request.to_string());

    let lines = daemon.records("all.jsonl", cases.len());
    let text = eventually("the text", || {
        let lines = daemon.lines("all.log");
        if lines.len() == cases.len() {
            Ok(lines)
        } else {
            Err(lines)
        }
    });
    let tree = daemon
        .get(&format!("/api/v1/tasks/{TRACE}?format=text"))
        .unwrap();
    let tree: Vec<String> = tree.lines().map(str::to_owned).collect();
    for ((number, severity_text, name, _), line) in cases.iter().zip(&lines) {
        let message = message((*number, severity_text));
        assert_eq!(shown(&text, &message), *name, "{message} in the text file");
        assert_eq!(shown(&tree, &message), *name, "{message} in the tree");
        // The text as it came.
        let levelname = line["levelname"].as_str().unwrap();
        let kept = line["distlog"]["severity_text"]
            .as_str()
            .unwrap_or(levelname);
        if !severity_text.is_empty() {
            assert_eq!(kept, *severity_text, "{line}");
        }
        if *number > 24 || *number < 0 {
            assert_eq!(line["distlog"]["level"], *number, "{line}");
        }
    }
    let errors: Vec<String> = cases
        .iter()
        .filter(|(_, _, _, error)| *error)
        .map(|(number, text, _, _)| message((*number, text)))
        .collect();
    assert_eq!(
        messages(&daemon.records("errors.jsonl", errors.len())),
        errors
    );
    assert_eq!(messages(&daemon.records("fatal.jsonl", 1)), ["99/."]);

    // It leaves as it came.
    let logs = eventually("what leaves", || {
        let logs = collector.logs();
        if logs.len() == cases.len() {
            Ok(logs)
        } else {
            Err(logs.len())
        }
    });
    for log in logs {
        let said = message((log.severity_number, &log.severity_text));
        assert_eq!(said, body(&log));
    }
}

#[test]
fn level_numbers_of_python_stay_what_they_are() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let daemon = daemon(&folder, &collector);
    let socket = push_socket(daemon.push());
    // As `logging` names and numbers them; what rules see; what people see.
    let cases: &[(i64, &str, u8, &str)] = &[
        (60, "Level 60", 24, "60"),
        (1000, "Level 1000", 24, "1000"),
        (59, "Level 59", 24, "FATAL"),
        (50, "CRITICAL", 21, "FATAL"),
        (25, "SUCCESS", 11, "INFO"),
        (21, "Level 21", 9, "INFO"),
        (5, "Level 5", 1, "TRACE"),
        (1, "Level 1", 1, "TRACE"),
        (0, "NOTSET", 0, "UNSET"),
        (-5, "Level -5", 0, "-5"),
        (
            i64::MIN,
            "Level -9223372036854775808",
            0,
            "-9223372036854775808",
        ),
    ];
    for (levelno, levelname, _, _) in cases {
        let record = json!({"name": "root", "msg": "m %d", "levelno": levelno, "levelname": levelname,
            "message": format!("m {levelno}"), "created": 1_700_000_000.5, "process": 7});
        socket
            .send_multipart(["TLJ", record.to_string().as_str()], 0)
            .unwrap();
    }
    // A level that is only a name.
    for levelname in ["warning", "Critical"] {
        let record = json!({"name": "root", "levelname": levelname, "message": levelname, "msg": levelname, "process": 7});
        socket
            .send_multipart(["TLJ", record.to_string().as_str()], 0)
            .unwrap();
    }
    let lines = daemon.records("all.jsonl", cases.len() + 2);
    let text = eventually("the text", || {
        let lines = daemon.lines("all.log");
        if lines.len() == cases.len() + 2 {
            Ok(lines)
        } else {
            Err(lines)
        }
    });
    for ((levelno, levelname, severity, name), line) in cases.iter().zip(&lines) {
        assert_eq!(line["levelno"], *levelno, "{line}");
        assert_eq!(line["levelname"], *levelname, "{line}");
        assert_eq!(shown(&text, &format!("m {levelno}")), *name);
        let severity_of = Severity::from_levelno(*levelno);
        assert_eq!(severity_of.number(), *severity);
    }
    for (line, levelno, levelname) in [
        (&lines[cases.len()], 30, "WARNING"),
        (&lines[cases.len() + 1], 50, "CRITICAL"),
    ] {
        assert_eq!(
            (&line["levelno"], &line["levelname"]),
            (&json!(levelno), &json!(levelname))
        );
        assert_eq!(line["distlog"]["severity_text"], line["message"], "{line}");
    }
    assert_eq!(
        messages(&daemon.records("fatal.jsonl", 3)),
        ["m 60", "m 1000", "m 59"]
    );
    assert_eq!(
        messages(&daemon.records("errors.jsonl", 5)),
        ["m 60", "m 1000", "m 59", "m 50", "Critical"]
    );
}
