//! Conditions and what they match, from the outside.

use std::alloc::{GlobalAlloc, Layout, System as SystemAllocator};
use std::cell::Cell;
use std::collections::HashSet;

use distlog_proto::wire::BatchWriter;
use distlog_proto::{
    BatchRef, Callsite, Environment, Kind, Map, Outcome, Record, RecordRef, Severity, Source, Task,
    TaskId, Value,
};
use distlog_rules::{Condition, Known, Router, Rule, known};
use proptest::prelude::*;

/// Counts the allocations of each thread.
struct Counting;

thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });

// SAFETY: everything is handed on to the system's allocator; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { SystemAllocator.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { SystemAllocator.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn record() -> Record {
    let mut task = Task::from(
        &"e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3"
            .parse::<TaskId>()
            .unwrap(),
    );
    task.flags = 1;
    task.context.insert("user", "leo");
    let mut fields = Map::new();
    fields.insert("amount", 120.5);
    fields.insert("count", 3i64);
    fields.insert("http.method", "GET");
    fields.insert("user", [("id", 7i64)].into_iter().collect::<Map>());
    fields.insert("tags", vec![Value::from("a"), Value::from("b")]);
    fields.insert("state", Value::Text("Open".into()));
    Record {
        source: Source {
            service: "orders".into(),
            host: "web1".into(),
            process_name: "orderd".into(),
            environment: Environment::Production,
            resource: [("k8s.pod.name", "orders-1")].into_iter().collect(),
            ..Source::default()
        },
        callsite: Callsite {
            target: "orders::db".into(),
            file: "src/db.rs".into(),
            line: 42,
            module: "orders::db".into(),
            function: "save".into(),
            ..Callsite::default()
        },
        kind: Kind::End,
        severity: Severity::ERROR,
        message: "cannot save order 17".into(),
        thread_name: "worker-1".into(),
        task: Some(task),
        outcome: Outcome::Failed,
        duration: 1_500_000_000,
        fields,
        ..Record::default()
    }
}

fn with<R>(record: &Record, with: impl FnOnce(&RecordRef<'_>) -> R) -> R {
    let mut writer = BatchWriter::new();
    writer.push(record);
    let bytes = writer.finish();
    let batch = BatchRef::parse(&bytes).unwrap();
    with(&batch.records().next().unwrap().unwrap())
}

fn matches(text: &str) -> bool {
    let condition = Condition::compile(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    with(&record(), |record| condition.matches(record))
}

#[test]
fn every_name_of_the_design_is_seen() {
    for text in [
        "kind == 'end'",
        "severity == ERROR && severity >= WARN && severity < FATAL && severity == 17",
        "service == 'orders' && host == 'web1' && process == 'orderd' && system == 'production'",
        "target.startsWith('orders::') && file.endsWith('.rs') && line == 42 && module == target && function == 'save'",
        "message.contains('order 17') && message.matches('^cannot [a-z]+') && size(message) == 20",
        "thread == 'worker-1' && sampled && !root",
        "task == 'e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3' && task.endsWith('/3')",
        "trace_id == 'e252a11fd33d483dba08bc8f642b2f10' && span_id == '14cc9aa201652fe0'",
        "outcome == 'failed' && duration > duration('1s') && duration == duration('1.5s')",
        "fields.amount > 100 && fields.amount > 100.0 && fields.count == 3.0 && 3u == fields.count",
        "fields.http.method == 'GET' && fields['http.method'] in ['GET', 'HEAD'] && has(fields.http.method)",
        "fields.user.id == 7 && has(fields.user.id) && !has(fields.user.name) && !has(fields.nothing.at.all)",
        "'a' in fields.tags && size(fields.tags) == 2 && 'amount' in fields && fields.state == 'Open'",
        "context.user == 'leo' && resource['k8s.pod.name'] == 'orders-1' && resource.k8s.pod.name.startsWith('orders')",
        "fields.count * 2 + 1 == 7 && fields.amount / 2.0 < 61.0 && -fields.count < 0",
        "sampled ? severity > INFO : false",
        // What the interpreter serves.
        "fields.tags.exists(t, t == 'b') && fields.tags.all(t, size(t) == 1) && {'x': 1}.x == 1",
        "message.lowerAscii().contains('cannot') && string(fields.count) + '!' == '3!'",
        "fields.tags.map(t, t + service) == ['aorders', 'borders'] && [fields.count, 4].exists(n, n == 4)",
    ] {
        assert!(matches(text), "{text}");
    }
}

#[test]
fn what_is_missing_makes_it_not_match_and_is_absorbed_as_in_cel() {
    for text in [
        "fields.missing == 1",
        "fields.missing != 1",
        "!(fields.missing == 1)",
        "fields.missing",
        "context.x.y > 3",
        "fields.amount > 'text'",
        "fields.missing > 1 && severity == ERROR",
        "fields.missing.exists(x, x)",
    ] {
        assert!(!matches(text), "{text}");
    }
    for text in [
        "fields.missing == 1 || severity == ERROR",
        "severity == ERROR || fields.missing == 1",
        "!(fields.missing == 1 && severity == INFO)",
    ] {
        assert!(matches(text), "{text}");
    }
    // Only ends have a duration.
    let event = Record {
        kind: Kind::Event,
        ..record()
    };
    for text in ["duration < duration('1h')", "duration >= duration('0s')"] {
        assert!(!with(&event, |record| Condition::compile(text)
            .unwrap()
            .matches(record)));
    }
}

#[test]
fn faults_are_told_with_place_and_advice() {
    for (text, place, words) in [
        (
            "severty > 3",
            (1, 1),
            "unknown name `severty`: did you mean `severity`?",
        ),
        ("true &&\n  amount > 3", (2, 3), "fields.NAME"),
        ("'ü' == service && huhu", (1, 19), "unknown name `huhu`"),
        (
            "severity == 'error'",
            (1, 10),
            "a number is never comparable with a string; write ERROR without quotes",
        ),
        ("duration > 5", (1, 10), "duration('1.5s')"),
        (
            "severity",
            (1, 1),
            "a condition is true or false, but this is a number",
        ),
        (
            "service && true",
            (1, 1),
            "true or false, but this is a string",
        ),
        (
            "kind == 'ends'",
            (1, 9),
            "expected one of 'begin', 'event', 'bind', 'end'",
        ),
        (
            "outcome in ['ok', 'bad']",
            (1, 19),
            "`outcome` is never 'bad'",
        ),
        ("message.contain('x')", (1, 16), "did you mean `contains`?"),
        ("message.matches('(')", (1, 17), "no regular expression"),
        ("duration > duration('soon')", (1, 21), "no duration"),
        (
            "line.startsWith('x')",
            (1, 1),
            "looks into a string, but this is a number",
        ),
        ("Foo{a: 1} == 1", (1, 4), "no messages here"),
        ("", (1, 1), "empty"),
        ("'ü' == service &&& true", (1, 18), ""),
    ] {
        let fault = Condition::compile(text).expect_err(text);
        assert!(fault.message.contains(words), "{text}: {fault}");
        assert_eq!((fault.line, fault.column), place, "{text}: {fault}");
    }
    for text in [
        "severity >",
        "&& true",
        "a b",
        "(true",
        "'open",
        "fields.",
        "[1, 2",
        "true;",
        "1 = 2",
    ] {
        let fault = Condition::compile(text).expect_err(text);
        assert!(
            !fault.message.is_empty() && !fault.message.contains('\n'),
            "{text}: {fault}"
        );
    }
    assert!(Condition::compile(&"(".repeat(10_000)).is_err());
    assert!(Condition::compile(&"!".repeat(100_000)).is_err());
}

#[test]
fn a_root_is_a_task_without_another_one_above() {
    let root = Condition::compile("kind == 'end' && root").unwrap();
    assert!(!root.is_interpreted());
    let mut record = record();
    assert!(!with(&record, |record| root.matches(record)));
    record.task.as_mut().unwrap().parent_span_id = None;
    assert!(with(&record, |record| root.matches(record)));
    record.task = None;
    assert!(!with(&record, |record| root.matches(record)));
}

#[test]
fn what_is_known_can_be_written_and_is_documented() {
    let documented = include_str!("../src/lib.rs")
        .lines()
        .filter(|line| line.starts_with("//! | "))
        .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .collect::<HashSet<&str>>();
    for Known {
        name,
        kind,
        about,
        values,
    } in known()
    {
        if kind == "function" {
            assert!(about.contains(&format!("{name}(")), "{name}: {about}");
            continue;
        }
        assert!(documented.contains(name), "{name}");
        assert!(!about.is_empty(), "{name}");
        Condition::compile(&format!("{name} == {name}")).unwrap();
        for value in values {
            Condition::compile(&format!("{name} == '{value}'")).unwrap();
        }
    }
    assert!(known().any(|known| known.values.contains(&"failed")));
}

#[test]
fn conditions_of_every_day_are_not_interpreted_and_allocate_nothing() {
    let condition = Condition::compile(
        "severity >= WARN && service == 'orders' && fields.amount > 100.0 && message.contains('order') \
         && task.startsWith('e252') && trace_id != '' && span_id in ['x', '14cc9aa201652fe0'] \
         && !has(fields.nothing) && message.matches('order [0-9]+') && duration > duration('1s') \
         && fields.http.method.size() == 3 && 'a' in fields.tags && (fields.missing || kind == 'end')",
    )
    .unwrap();
    assert!(!condition.is_interpreted());
    with(&record(), |record| {
        assert!(condition.matches(record)); // The first time the regular expression makes room for itself.
        let before = COUNT.with(Cell::get);
        assert!((0..100).all(|_| condition.matches(record)));
        assert_eq!(COUNT.with(Cell::get) - before, 0);
    });
    for text in ["fields.tags.exists(t, t == 'b')", "fields.count + 1 == 4"] {
        let condition = Condition::compile(text).unwrap();
        assert!(condition.is_interpreted(), "{text}");
        with(&record(), |record| {
            assert!(condition.matches(record), "{text}")
        });
    }
}

#[test]
fn a_router_is_any_of_the_rules_and_the_filter() {
    let rule = |when: Option<&str>, to: &[&str]| Rule {
        when: when.map(|when| Condition::compile(when).unwrap()),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        ..Rule::default()
    };
    let rules = [
        rule(Some("severity >= ERROR"), &["a", "b"]),
        rule(Some("service == 'shop'"), &["a"]),
        rule(None, &["all"]),
    ];
    let filter = Condition::compile("host == 'web1'").unwrap();
    let other = Record {
        severity: Severity::INFO,
        ..record()
    };
    let takes = |router: &Router, of: &Record| with(of, |record| router.takes(record));
    let a = Router::new(&rules, "a", None);
    assert!(takes(&a, &record()) && !takes(&a, &other) && !a.is_closed());
    let shop = Record {
        source: Source {
            service: "shop".into(),
            ..Source::default()
        },
        ..other.clone()
    };
    assert!(takes(&a, &shop) && !takes(&Router::new(&rules, "a", Some(&filter)), &shop));
    assert!(takes(&Router::new(&rules, "all", Some(&filter)), &other));
    assert!(
        !takes(&Router::new(&rules, "nobody", None), &record())
            && Router::new(&rules, "nobody", None).is_closed()
    );
}

#[test]
fn what_cannot_be_parsed_is_told_without_the_parser_s_words() {
    let elses = "sampled ? true : ".repeat(300) + "true";
    for (text, place, message) in [
        (elses.as_str(), (1, 1), "is nested too deeply"),
        (
            "severity >",
            (1, 11),
            "expected an expression, found the end",
        ),
        (
            "severity > > 3",
            (1, 12),
            "expected an expression, found `>`",
        ),
        ("(severity > 3", (1, 14), "expected `)`, found the end"),
        (
            "severity > 3)",
            (1, 13),
            "expected an operator or the end, found `)`",
        ),
        (
            "severity 3",
            (1, 10),
            "expected an operator or the end, found `3`",
        ),
        (
            "true and false",
            (1, 6),
            "expected an operator or the end, found `and`; and is written &&",
        ),
        ("message == 'abc", (1, 12), "the string has no end"),
        (
            "message == 'a\\qb'",
            (1, 12),
            "the string has an escape that CEL does not know; a backslash is written twice, or the string as r'…'",
        ),
        ("fields.user.", (1, 13), "expected a name, found the end"),
        (
            "has(1)",
            (1, 5),
            "`has` asks for a field, like has(fields.user)",
        ),
        ("has()", (1, 4), "`has` has other arguments"),
        ("[1, 2", (1, 6), "expected `]` or `,`, found the end"),
        ("{'a' 1}", (1, 6), "expected `:`, found `1`"),
        (
            "99999999999999999999 > 1",
            (1, 1),
            "the number does not fit into 64 bits",
        ),
        (
            "for == 1",
            (1, 1),
            "`for` is a word that CEL keeps for itself",
        ),
        (
            "sampled ? true",
            (1, 15),
            "expected an operator or `:`, found the end",
        ),
        (
            "severity = 3",
            (1, 10),
            "`=` is no part of an expression; equal is written ==",
        ),
        (
            "'ü' == message @",
            (1, 16),
            "`@` is no part of an expression",
        ),
        (
            "severity > 3 &&\n  )",
            (2, 3),
            "expected an expression, found `)`",
        ),
        (
            "\u{202e}",
            (1, 1),
            "`\\u{202e}` is no part of an expression",
        ),
    ] {
        let fault = Condition::compile(text).expect_err(text);
        assert_eq!(fault.message, message, "{text}");
        assert_eq!((fault.line, fault.column), place, "{text}");
    }
}

proptest! {
    /// Whatever is written: one line, nothing of the grammar, a place in the text or right behind it.
    #[test]
    fn no_fault_has_the_parser_s_words(words in proptest::collection::vec(
        prop_oneof![
            Just("severity"), Just("function"), Just("'x'"), Just("'"), Just("\""), Just("("), Just(")"), Just("["), Just("]"),
            Just("{"), Just("}"), Just(","), Just(":"), Just("?"), Just("."), Just(".?"), Just("&&"), Just("=="), Just("="), Just("in"),
            Just("1"), Just("1.5"), Just("b'\\u1234'"), Just("'\\q'"), Just("!"), Just("-"), Just("has("), Just(".all("), Just("for"),
            Just("ü"), Just("\n"), Just("//"), Just("`"), Just("\u{202e}"), Just("null"), Just("x{a: 1}"),
        ], 0..12)) {
        let text = words.join(" ");
        if let Err(fault) = Condition::compile(&text) {
            for word in ["<EOF>", "IDENTIFIER", "NUM_", "expecting", "viable", "Context", "UNKNOWN", "__func__", "Syntax error", "Incomplete", "\n", "\u{202e}"] {
                prop_assert!(!fault.message.contains(word), "{text:?}: {fault}");
            }
            let lines = text.split('\n').count();
            prop_assert!((1..=lines).contains(&fault.line), "{text:?}: {fault}");
            let length = text.split('\n').nth(fault.line - 1).unwrap_or_default().chars().count();
            prop_assert!((1..=length + 1).contains(&fault.column), "{text:?}: {fault}");
        }
    }
}
