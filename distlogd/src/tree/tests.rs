//! The tree, from records to text.

use crate::tree::paint::{Colour, Look};
use distlog_proto::wire::BatchWriter;
use distlog_proto::*;
use std::rc::Rc;

use crate::tree::{
    Builder, DEPTH, Part, Place, StoredBatch, Tree, draw, put_line, write_json, write_outline,
};

const T: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
/// 12:00:00 UTC of some day, in ns.
const NOON: u64 = 1_700_049_600_000_000_000;

fn look(colour: Colour) -> Look {
    Look {
        now: NOON,
        ..Look::new(colour, false)
    }
}

struct Story(Vec<Record>);

impl Story {
    fn record(&mut self, service: &str, path: &str, ms: u64) -> &mut Record {
        let id: TaskId = format!("{T}{path}").parse().unwrap();
        let mut record = Record {
            task: Some(Task::from(&id)),
            time: NOON + ms * 1_000_000,
            offset: self.0.len() as u64,
            severity: Severity::INFO,
            ..Record::default()
        };
        record.source.service = service.into();
        // Each record in its own batch, as if they came from anywhere in any order.
        self.0.push(record);
        self.0.last_mut().unwrap()
    }

    fn begin(&mut self, service: &str, path: &str, ms: u64, message: &str) -> &mut Record {
        let record = self.record(service, path, ms);
        record.kind = Kind::Begin;
        record.message = message.into();
        record
    }

    fn event(&mut self, service: &str, path: &str, ms: u64, message: &str) -> &mut Record {
        let record = self.record(service, path, ms);
        record.message = message.into();
        record
    }

    fn end(
        &mut self,
        service: &str,
        path: &str,
        ms: u64,
        outcome: Outcome,
        took_us: u64,
    ) -> &mut Record {
        let record = self.record(service, path, ms);
        record.kind = Kind::End;
        record.outcome = outcome;
        record.duration = took_us * 1000;
        record
    }

    fn with<R>(&self, see: impl FnOnce(Vec<RecordRef<'_>>) -> R) -> R {
        let batches: Vec<Vec<u8>> = self
            .0
            .iter()
            .map(|record| {
                let mut writer = BatchWriter::new();
                writer.push(record);
                writer.finish()
            })
            .collect();
        let parsed: Vec<BatchRef<'_>> = batches
            .iter()
            .map(|bytes| BatchRef::parse(bytes).unwrap())
            .collect();
        see(parsed
            .iter()
            .flat_map(BatchRef::records)
            .map(Result::unwrap)
            .collect())
    }

    /// The tree of a task, and the batches that its records are in.
    fn tree(&self, id: &str) -> (Tree, Vec<Rc<StoredBatch>>) {
        let mut builder = Builder::new(&id.parse().unwrap());
        let mut source = Vec::new();
        for (batch, record) in (0..).zip(&self.0) {
            let mut writer = BatchWriter::new();
            writer.push(record);
            let bytes = writer.finish();
            for (at, record) in (0..).zip(BatchRef::parse(&bytes).unwrap().records()) {
                builder.add(Place { batch, at }, NOON, &record.unwrap());
            }
            source.push(Rc::new(StoredBatch::new(u64::from(batch) + 1, bytes)));
        }
        (builder.finish(), source)
    }

    /// A part of the drawing, and where the next one begins.
    fn part(&self, id: &str, part: Part, colour: Colour) -> (String, Option<u64>) {
        let (tree, mut source) = self.tree(id);
        let mut out = Vec::new();
        let pass = &mut |piece: Vec<u8>| {
            out.extend(piece);
            true
        };
        let asked = tree.asked();
        let next = draw(&tree, &asked, part, look(colour), &mut source, pass).unwrap();
        (String::from_utf8(out).unwrap(), next)
    }

    /// A part as JSON.
    fn json(&self, part: Part) -> (serde_json::Value, Option<u64>) {
        let (tree, mut source) = self.tree(T);
        let mut out = Vec::new();
        let pass = &mut |piece: Vec<u8>| {
            out.extend(piece);
            true
        };
        let next = write_json(&tree, &tree.asked(), part, &mut source, pass).unwrap();
        out.push(b'}');
        (serde_json::from_slice(&out).unwrap(), next)
    }

    /// The lines of its outline, and where the next part begins.
    fn outline(&self, part: Part) -> (Vec<serde_json::Value>, Option<u64>) {
        let (tree, mut source) = self.tree(T);
        let mut out = Vec::new();
        let pass = &mut |piece: Vec<u8>| {
            out.extend(piece);
            true
        };
        let (asked, begin) = (tree.asked(), tree.first_begin(&tree.asked()));
        let next = write_outline(&tree, &asked, begin, part, &mut source, pass).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines = text.lines().map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        (lines.collect(), next)
    }

    fn drawing(&self, id: &str, colour: Colour) -> String {
        self.part(id, ALL, colour).0
    }

    fn drawn(&self) -> String {
        self.drawing(T, Colour::Off)
    }
}

const ALL: Part = Part {
    depth: DEPTH,
    skip: 0,
    limit: u64::MAX,
};

#[test]
fn a_part_is_found_by_its_id_with_or_without_the_salt() {
    for path in ["/2", "/2.00000001"] {
        let part = order().drawing(&format!("{T}{path}"), Colour::Off);
        assert!(
            part.contains("\n✗ charge card · payment") && !part.contains("reserve stock"),
            "{part}"
        );
    }
    let mut story = Story(Vec::new());
    story.begin("a", "/1.00000001", 0, "first try");
    story.begin("a", "/1.00000002", 1, "second try");
    let both = story.drawing(&format!("{T}/1"), Colour::Off);
    assert!(
        both.contains("first try") && both.contains("second try"),
        "{both}"
    );
    assert_eq!(
        story.drawing(&format!("{T}/7"), Colour::Off),
        format!("{T}\n")
    );
}

fn order() -> Story {
    let mut story = Story(Vec::new());
    let begin = story.begin("gateway", "", 0, "handle order 17");
    begin.task.as_mut().unwrap().context.insert("user", "leo");
    story
        .event("gateway", "", 1, "order received")
        .fields
        .insert("items", 3);
    story
        .begin("orders", "/1.9f2c01ab", 2, "reserve stock")
        .span_kind = SpanKind::Server;
    story
        .event("orders", "/1.9f2c01ab", 3, "line one\nline two")
        .severity = Severity::WARN;
    story.end("orders", "/1.9f2c01ab", 4, Outcome::Ok, 3_100);
    story.begin("payment", "/2.00000001", 5, "charge card");
    let error = story.event("payment", "/2.00000001", 6, "payment failed");
    error.severity = Severity::ERROR;
    error.error = Some(ErrorInfo {
        message: "card declined".into(),
        chain: vec!["code 51".into()],
        ..ErrorInfo::default()
    });
    story
        .end("payment", "/2.00000001", 7, Outcome::Failed, 5_200)
        .error = Some(ErrorInfo {
        message: "card declined".into(),
        ..ErrorInfo::default()
    });
    story
        .end("gateway", "", 8, Outcome::Failed, 12_345)
        .status_message = "no money".into();
    story
}

const DRAWN: &str = "\
e252a11f-d33d-483d-ba08-bc8f642b2f10
✗ handle order 17 · gateway  12.3ms  no money  user=leo
├─ 12:00:00.001 INFO  order received  items=3
├─ ✔ reserve stock · orders (server)  3.10ms
│  └─ 12:00:00.003 WARN  line one
│     ┆ line two
└─ ✗ charge card · payment  5.20ms  card declined
   └─ 12:00:00.006 ERROR payment failed  card declined
      ┆ caused by: code 51
";

#[test]
fn a_tree_is_drawn_with_every_record_in_its_place() {
    assert_eq!(order().drawn(), DRAWN);
}

#[test]
fn the_order_of_arrival_does_not_matter_and_nothing_comes_twice() {
    let mut story = order();
    story.0.reverse();
    let twice = story.0.clone();
    story.0.extend(twice);
    assert_eq!(story.drawn(), DRAWN);
}

#[test]
fn colours_are_the_only_difference_on_a_terminal() {
    let coloured = order().drawing(T, Colour::On);
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(plain + rest, DRAWN);
}

#[test]
fn what_is_not_over_or_not_known_is_shown_as_such() {
    let mut story = Story(Vec::new());
    story.begin("a", "", 0, "run").kind = Kind::Begin;
    story.begin("a", "/5", 1, "");
    story.begin("a", "/1", 1, "vanish");
    story.end("distlogd", "/1", 9, Outcome::Lost, 0);
    story.begin("a", "/4", 1, "lose the race");
    story.end("a", "/4", 9, Outcome::Cancelled, 5_000);
    story.event("b", "/2/7", 3, "its begin and its parent are not here");
    story.begin("c", "/3.00000001", 4, "first taker");
    story.begin("c", "/3.00000002", 5, "second taker");
    story.begin("d", "/~00f067aa0ba902b7/5", 6, "called by a stranger");
    let expected = "\
e252a11f-d33d-483d-ba08-bc8f642b2f10
▶ run · a  running
├─ ▶ (no name)  running
├─ † vanish  its process sent nothing more
├─ ⊘ lose the race  5.00ms  cancelled
├─ ? e252a11f-d33d-483d-ba08-bc8f642b2f10/~SPAN (its begin is not here)
│  └─ ▶ e252a11f-d33d-483d-ba08-bc8f642b2f10/2/7 (its begin is not here) · b  running
│     └─ 12:00:00.003 INFO  its begin and its parent are not here
├─ ▶ first taker · c #00000001  running
└─ ▶ second taker · c #00000002  running
? e252a11f-d33d-483d-ba08-bc8f642b2f10/~00f067aa0ba902b7 (its begin is not here)
└─ ▶ called by a stranger · d  running
";
    let missing = format!("{T}/2")
        .parse::<TaskId>()
        .unwrap()
        .span_id()
        .to_string();
    // Nothing says where the unknown parent of a grandchild hangs: it stands beside.
    let drawn = story.drawn();
    assert!(
        drawn.contains(&format!("? {T}/~{missing} (its begin is not here)\n")),
        "{drawn}"
    );
    for line in expected
        .lines()
        .filter(|line| !line.contains("SPAN") && !line.contains("/2/7") && !line.contains("parent"))
    {
        assert!(drawn.contains(line), "{line} is not in\n{drawn}");
    }
}

#[test]
fn a_real_end_replaces_that_of_a_lost_task_whichever_came_first() {
    for lost_first in [true, false] {
        let mut story = Story(Vec::new());
        story.begin("a", "", 0, "run");
        let ends = if lost_first {
            [Outcome::Lost, Outcome::Ok]
        } else {
            [Outcome::Ok, Outcome::Lost]
        };
        for outcome in ends {
            story.end("a", "", 5, outcome, 5_000);
        }
        assert_eq!(story.drawn(), format!("{T}\n✔ run · a  5.00ms\n"));
    }
}

#[test]
fn a_real_end_replaces_the_one_said_of_a_silent_python_task() {
    for late in [false, true] {
        let mut story = Story(Vec::new());
        story.begin("py", "", 0, "compute");
        for real in [late, !late] {
            let outcome = if real {
                Outcome::Failed
            } else {
                Outcome::Unset
            };
            story.end("py", "", 90_000, outcome, 1000);
        }
        let drawn = story.drawn();
        assert!(drawn.contains("✗ compute"), "{drawn}");
    }
}

#[test]
fn a_circle_of_parents_and_a_very_deep_tree_are_drawn_all_the_same() {
    let mut story = Story(Vec::new());
    let (a, b) = (SpanId::new(1).unwrap(), SpanId::new(2).unwrap());
    for (own, parent, name) in [(a, b, "a"), (b, a, "b")] {
        let task = story.begin("s", "/9", 0, name).task.as_mut().unwrap();
        (task.span_id, task.parent_span_id) = (own, Some(parent));
    }
    let drawn = story.drawn();
    assert!(drawn.contains("▶ a") && drawn.contains("▶ b"), "{drawn}");

    let mut story = Story(Vec::new());
    for n in 2..5000u64 {
        let task = story.begin("s", "/9", n, "deeper").task.as_mut().unwrap();
        (task.span_id, task.parent_span_id) = (SpanId::new(n).unwrap(), SpanId::new(n - 1));
    }
    // As deep as is asked for; what is cut is counted, with the command that shows it.
    for depth in [2, 100, 1000] {
        let drawn = story.part(T, Part { depth, ..ALL }, Colour::Off).0;
        // The first one stands below a span that nobody knows.
        assert_eq!(drawn.matches("▶ deeper").count(), depth - 1);
        let last = format!("└─ … {} tasks below: distlogd tree {T}/9\n", 4999 - depth);
        assert!(drawn.ends_with(&last), "{}", &drawn[drawn.len() - 200..]);
    }
}

#[test]
fn an_outline_has_a_line_for_each_task_and_record() {
    let span_id = |path: &str| {
        let id: TaskId = format!("{T}{path}").parse().unwrap();
        id.span_id().to_string()
    };
    let (lines, next) = order().outline(ALL);
    let expected = serde_json::json!([
        {
            "depth": 0, "span_id": span_id(""), "name": "handle order 17", "service": "gateway", "fields": "user=leo",
            "outcome": "failed", "at_ns": 0, "duration_ns": 12_345_000, "records": 3, "tasks": 2, "error": "no money",
            "severity": 17,
        },
        { "depth": 1, "record": "order received", "severity": 9, "at_ns": 1_000_000, "fields": "items=3", "number": 2 },
        {
            "depth": 1, "span_id": span_id("/1.9f2c01ab"), "path": "1.9f2c01ab", "name": "reserve stock",
            "service": "orders", "kind": "server", "outcome": "ok", "at_ns": 2_000_000, "duration_ns": 3_100_000,
            "records": 1, "severity": 13,
        },
        { "depth": 2, "record": "line one", "severity": 13, "at_ns": 3_000_000, "number": 4, "cut": true },
        {
            "depth": 1, "span_id": span_id("/2.00000001"), "path": "2.00000001", "name": "charge card",
            "service": "payment", "outcome": "failed", "at_ns": 5_000_000, "duration_ns": 5_200_000, "records": 1,
            "error": "card declined", "severity": 17,
        },
        {
            "depth": 2, "record": "payment failed", "severity": 17, "at_ns": 6_000_000, "error": "card declined",
            "number": 7, "cut": true,
        },
    ]);
    assert_eq!((serde_json::json!(lines), next), (expected, None));
}

#[test]
fn an_outline_says_what_it_leaves_out() {
    let mut story = Story(Vec::new());
    story.event("a", "", 3, "before all that is told");
    story.begin("a", "/1", 4, "first");
    story.begin("a", "/1/1", 2, "second");
    let evil = story.event("b", "/1", 5, "a\u{202e}b\x1b");
    evil.thread_name = "main".into();
    evil.fields.insert("long", "x".repeat(600));
    let (lines, _) = story.outline(Part { depth: 2, ..ALL });
    // No begin tells what the top is; it is as old as the oldest.
    assert_eq!(lines[0]["name"], format!("{T} (its begin is not here)"));
    assert_eq!(
        (&lines[0]["at_ns"], &lines[2]["at_ns"]),
        (&1_000_000.into(), &2_000_000.into())
    );
    assert_eq!(
        (&lines[2]["tasks"], &lines[2]["cut"]),
        (&1.into(), &1.into())
    );
    assert_eq!(lines[3]["record"], "a\\u{202e}b\\u{1b}");
    assert_eq!(
        (&lines[3]["service"], &lines[3]["thread"]),
        (&"b".into(), &"main".into())
    );
    let fields = lines[3]["fields"].as_str().unwrap();
    assert!(
        fields.starts_with("long=xxx") && fields.ends_with(" bytes)"),
        "{fields}"
    );
    assert_eq!(lines.len(), 4);
    // A part begins with the tasks that are open where the one before ended.
    let (first, next) = story.outline(Part { limit: 3, ..ALL });
    let (second, end) = story.outline(Part {
        skip: next.unwrap(),
        ..ALL
    });
    assert_eq!((first.len(), second.len(), end), (3, 4, None));
    assert!(
        second[..2].iter().all(|task| task["continued"] == true),
        "{second:#?}"
    );
}

#[test]
fn what_is_cut_is_counted_in_json_too() {
    let mut story = Story(Vec::new());
    story.begin("a", "", 0, "top");
    story.begin("a", "/1", 1, "first");
    story.begin("a", "/1/1", 2, "second");
    story.event("a", "/1", 3, "of the first");
    let whole = story.json(Part { depth: 3, ..ALL }).0;
    let first = &whole["tasks"][0]["items"][0]["task"];
    assert_eq!(first["items"][0]["task"]["name"], "second");
    assert_eq!(first.get("cut"), None);
    let cut = story.json(Part { depth: 2, ..ALL }).0;
    let first = &cut["tasks"][0]["items"][0]["task"];
    assert_eq!(first["cut"], 1);
    assert_eq!(first["items"].as_array().unwrap().len(), 1);
    assert_eq!(first["items"][0]["record"]["message"], "of the first");
}

/// What stands in a tree of JSON, in order.
fn names(task: &serde_json::Value, out: &mut Vec<String>) {
    if task.get("continued").is_none() {
        out.push(task["id"].as_str().unwrap().to_owned());
    }
    for item in task["items"].as_array().unwrap() {
        match item.get("task") {
            Some(task) => names(task, out),
            None => out.push(item["record"]["message"].as_str().unwrap().to_owned()),
        }
    }
}

#[test]
fn a_tree_comes_whole_in_parts_of_any_size() {
    let mut story = Story(Vec::new());
    for n in 1..=4 {
        story.begin("a", &format!("/{n}"), n, "child");
        for m in 1..=3 {
            story.begin("a", &format!("/{n}/{m}"), n + m, "grandchild");
            story.event("a", &format!("/{n}/{m}"), n + m, &format!("event {n} {m}"));
        }
    }
    story.begin("a", "", 0, "top");
    let mut whole = Vec::new();
    names(&story.json(ALL).0["tasks"][0], &mut whole);
    assert_eq!(whole.len(), 1 + 4 + 12 + 12);
    for limit in [1, 2, 3, 7, 100] {
        let (mut parts, mut skip, mut lines) = (Vec::new(), Some(0), 0);
        while let Some(from) = skip {
            let part = Part {
                skip: from,
                limit,
                ..ALL
            };
            let (json, next) = story.json(part);
            names(&json["tasks"][0], &mut parts);
            let (text, drawn_next) = story.part(T, part, Colour::Off);
            let shown = |line: &&str| !line.contains("(continued from the part before)");
            lines += text.lines().skip(1).filter(shown).count();
            assert_eq!(next, drawn_next);
            skip = next;
        }
        assert_eq!(parts, whole, "{limit}");
        assert_eq!(lines, whole.len(), "{limit}");
    }
}

#[test]
fn a_trace_a_hundred_thousand_deep_is_no_trouble() {
    let mut story = Story(Vec::new());
    for n in 2..100_000u64 {
        let task = story.begin("s", "/9", n, "deeper").task.as_mut().unwrap();
        (task.span_id, task.parent_span_id) = (SpanId::new(n).unwrap(), SpanId::new(n - 1));
    }
    let drawn = story.part(T, Part { depth: 1000, ..ALL }, Colour::Off).0;
    assert!(drawn.ends_with(&format!("└─ … 98999 tasks below: distlogd tree {T}/9\n")));
}

#[test]
fn what_a_stranger_logs_does_not_move_the_cursor() {
    let mut story = Story(Vec::new());
    story.begin("evil\x1b[2J", "", 0, "title\x1b]0;owned\x07\nsecond line");
    story
        .event("evil\x1b[2J", "", 1, "a\x08\x1b[31mb")
        .fields
        .insert("k\x1b", "v\x1b");
    assert!(
        !story.drawn().contains(['\x1b', '\x07', '\x08']),
        "{:?}",
        story.drawn()
    );
    let mut line = String::new();
    story.with(|records| {
        records
            .iter()
            .for_each(|record| put_line(&mut line, look(Colour::Off), record))
    });
    assert!(!line.contains(['\x1b', '\x07', '\x08']), "{line:?}");
}

#[test]
fn a_live_view_has_a_line_for_each_record() {
    let mut text = String::new();
    order().with(|records| {
        records
            .iter()
            .for_each(|record| put_line(&mut text, look(Colour::Off), record))
    });
    let expected = "\
12:00:00.000 INFO  gateway   e252a11f ▶ handle order 17  user=leo
12:00:00.001 INFO  gateway   e252a11f │ order received  items=3
12:00:00.002 INFO  orders    e252a11f │ ▶ reserve stock
12:00:00.003 WARN  orders    e252a11f │ │ line one
             ┆ line two
12:00:00.004 INFO  orders    e252a11f │ ✔   3.10ms
";
    assert!(text.starts_with(expected), "{text}");
}
