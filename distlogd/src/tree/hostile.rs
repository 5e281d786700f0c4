//! For tests: records whose texts hold anything at all.

use distlog_proto::wire::BatchWriter;
use distlog_proto::*;
use proptest::prelude::*;

use crate::escape::is_escaped;

/// Where the fakes try to begin a line of their own.
const FAKES: [&str; 6] = [
    "\n12:00:00.000 ERROR payment   deadbeef │ transfer approved",
    "\r\n2026-11-23 04:45:36.123456Z ERROR orders - paid",
    "\n└─ ✔ charge card · payment  5.20ms",
    "\u{2028}12:00:00.000 ERROR x\u{85}y\u{2029}",
    "\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{e0041}",
    "\x1b[2J\x1b]0;owned\x07\x08\x7f\u{9b}31m\t",
];

/// Texts of which most try something.
pub(crate) fn texts() -> impl Strategy<Value = Vec<String>> {
    let text = prop_oneof![
        any::<String>(),
        (any::<String>(), prop::sample::select(&FAKES[..]), ".{0,9}")
            .prop_map(|(a, fake, b)| a + fake + &b),
    ];
    prop::collection::vec(text, 1..30)
}

/// A task with records of all kinds, each text of which is one of `texts`.
pub(crate) fn records(texts: &[String]) -> Vec<Record> {
    let mut next = texts.iter().cycle();
    let mut text = move || next.next().cloned().unwrap_or_default();
    let id: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10".parse().unwrap();
    let kinds = [Kind::Begin, Kind::Event, Kind::Event, Kind::Bind, Kind::End];
    let mut records = Vec::new();
    for (offset, kind) in (0..).zip(kinds) {
        let mut task = Task::from(&id);
        task.path = if offset % 2 == 0 {
            String::new()
        } else {
            text()
        };
        for name in [text(), text()] {
            task.context.insert(name, text());
        }
        let mut record = Record {
            kind,
            task: Some(task).filter(|_| offset != 2),
            time: 1_700_049_600_000_000_000 + offset,
            offset,
            outcome: if kind == Kind::End {
                Outcome::Failed
            } else {
                Outcome::Unset
            },
            severity_text: text(),
            message: text(),
            thread_name: text(),
            name: text(),
            stack: text(),
            status_message: text(),
            error: Some(ErrorInfo {
                kind: text(),
                message: text(),
                chain: vec![text(), text()],
                traceback: text(),
            }),
            links: vec![Link {
                path: text(),
                trace_state: text(),
                ..Link::from(&id)
            }],
            callsite: Callsite {
                target: text(),
                file: text(),
                module: text(),
                function: text(),
                template: text(),
                ..Callsite::default()
            },
            source: Source {
                service: text(),
                host: text(),
                process_name: text(),
                ..Source::default()
            },
            ..Record::default()
        };
        record.fields.insert(text(), text());
        record.fields.insert(text(), Value::Text(text()));
        record
            .fields
            .insert(text(), Value::List(vec![text().into()]));
        let mut map = Map::default();
        map.insert(text(), text());
        record.fields.insert(text(), Value::Map(map));
        records.push(record);
    }
    records
}

/// Each in its own batch.
pub(crate) fn batches(records: &[Record]) -> Vec<Vec<u8>> {
    let written = records.iter().map(|record| {
        let mut writer = BatchWriter::new();
        writer.push(record);
        writer.finish()
    });
    written.collect()
}

/// Checks that a text for people consists of lines that begin as ours do, and hides nothing.
pub(crate) fn check(
    text: &str,
    ours: impl Fn(&str) -> bool,
    lines: usize,
) -> Result<(), TestCaseError> {
    let bad = |c: char| c != '\n' && is_escaped(c);
    prop_assert!(!text.contains(bad), "{:?}", text);
    prop_assert!(text.is_empty() || text.ends_with('\n'), "{:?}", text);
    let begun = text.lines().filter(|line| ours(line)).count();
    prop_assert_eq!(begun, lines, "{}", text);
    Ok(())
}
