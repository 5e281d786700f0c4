//! Our operations and the interpreter come to the same, for random conditions and records.

use cel::parser::Parser;
use distlog_proto::wire::{BatchWriter, Parts, field::record as field};
use distlog_proto::{
    BatchRef, Callsite, Kind, Map, Outcome, Record, Severity, Source, Task, TaskId, Value,
};
use proptest::prelude::*;

use super::Condition;
use super::compile::taken;
use super::interpret::Interpreted;
use super::memo::Memo;
use super::{Router, Rule};

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        (-3i64..20).prop_map(|n| n.to_string()),
        (0u64..20).prop_map(|n| format!("{n}u")),
        prop_oneof![
            Just("1.5"),
            Just("-0.0"),
            Just("9.0"),
            Just("1e300"),
            Just("3.0")
        ]
        .prop_map(str::to_owned),
        prop_oneof![
            Just("9223372036854775807"),
            Just("-9223372036854775808"),
            Just("18446744073709551615u")
        ]
        .prop_map(str::to_owned),
        prop_oneof![
            Just("severity"),
            Just("line"),
            Just("WARN"),
            Just("ERROR"),
            Just("size(message)"),
            Just("fields.tags.size()")
        ]
        .prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("'orders'"),
        Just("''"),
        Just("'o'"),
        Just("\"ü\""),
        Just("service"),
        Just("message"),
        Just("target"),
        Just("task"),
        Just("trace_id"),
        Just("span_id"),
        Just("host"),
        Just("string(severity)"),
        Just("message.lowerAscii()"),
    ]
    .prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("fields.a"),
        Just("fields.b"),
        Just("fields.http.method"),
        Just("fields[\"http.method\"]"),
        Just("fields.http"),
        Just("fields.missing"),
        Just("context.user"),
        Just("context.a.b"),
        Just("resource.zone"),
        Just("null"),
        Just("b'x'"),
        Just("fields.tags"),
        Just("fields.bytes"),
        Just("fields.huge"),
        Just("fields.nan"),
    ]
    .prop_map(str::to_owned)
}

/// Not all of them pass the check of types; those that do not are skipped.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![number(), text(), path(), path()];
    leaf.prop_recursive(2, 8, 2, |inner| {
        prop_oneof![
            4 => inner.clone(),
            1 => (inner.clone(), inner.clone(), prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%")])
                .prop_map(|(a, b, op)| format!("({a} {op} {b})")),
            1 => inner.clone().prop_map(|a| format!("-({a})")),
            1 => (inner.clone(), inner).prop_map(|(a, b)| format!("(sampled ? {a} : {b})")),
        ]
    })
}

fn condition() -> impl Strategy<Value = String> {
    let order = prop_oneof![
        Just("<"),
        Just("<="),
        Just(">"),
        Just(">="),
        Just("=="),
        Just("!=")
    ];
    let leaf = prop_oneof![
        6 => (value(), value(), order).prop_map(|(a, b, op)| format!("({a} {op} {b})")),
        1 => Just("sampled".to_owned()),
        1 => Just("root".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("duration > duration('1s')".to_owned()),
        1 => (value(), value(), value()).prop_map(|(a, b, c)| format!("({a} in [{b}, {c}])")),
        1 => (value(), path()).prop_map(|(a, b)| format!("({a} in {b})")),
        1 => value().prop_map(|a| format!("({a} in fields)")),
        1 => path().prop_filter("a path", |a| a.contains('.') && !a.contains('[')).prop_map(|a| format!("has({a})")),
        1 => (value(), value()).prop_map(|(a, b)| format!("{a}.startsWith({b})")),
        1 => (value(), value()).prop_map(|(a, b)| format!("{a}.contains({b})")),
        1 => (value(), value()).prop_map(|(a, b)| format!("{a}.endsWith({b})")),
        1 => value().prop_map(|a| format!("{a}.matches('^o[a-z]*')")),
        1 => value().prop_map(|a| format!("size({a}) > 2")),
        1 => value().prop_map(|a| format!("fields.tags.exists(t, t == {a})")),
        1 => value().prop_map(|a| format!("fields.all(service, service != {a})")),
        1 => path(),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

fn field() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-3i64..20).prop_map(Value::I64),
        prop_oneof![Just(i64::MAX), Just(i64::MIN)].prop_map(Value::I64),
        prop_oneof![Just(1.5), Just(9.0), Just(f64::NAN), Just(-0.0)].prop_map(Value::F64),
        prop_oneof![Just("orders"), Just("GET"), Just(""), Just("ü")]
            .prop_map(|s| Value::Str(s.to_owned())),
        Just(Value::Text("orders".to_owned())),
    ]
}

prop_compose! {
    fn record()(
        a in proptest::option::of(field()), b in proptest::option::of(field()), method in proptest::option::of(field()),
        nested in any::<bool>(), user in proptest::option::of(field()), in_task in any::<bool>(),
        top in any::<bool>(), flags in 0u32..4,
        severity in 0u32..24, service in prop_oneof![Just(""), Just("orders"), Just("shop")],
        message in prop_oneof![Just(""), Just("order 7 ü"), Just("orders")], end in any::<bool>(), line in 0u32..20,
    ) -> Record {
        let mut fields = Map::new();
        a.into_iter().for_each(|v| fields.insert("a", v));
        b.into_iter().for_each(|v| fields.insert("b", v));
        if let Some(method) = method {
            if nested {
                fields.insert("http", [("method", method)].into_iter().collect::<Map>());
            } else {
                fields.insert("http.method", method);
            }
            fields.insert("tags", vec![Value::from("o"), Value::from(9i64), Value::from(1.5)]);
            fields.insert("bytes", Value::Bytes(b"x".to_vec()));
            fields.insert("huge", u64::MAX);
            fields.insert("nan", f64::NAN);
        }
        let mut task = Task::from(&"e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse::<TaskId>().unwrap());
        task.flags = flags;
        if top {
            task.parent_span_id = None;
        }
        user.into_iter().for_each(|v| task.context.insert("user", v));
        Record {
            source: Source { service: service.into(), resource: [("zone", "orders")].into_iter().collect(), ..Source::default() },
            callsite: Callsite { line, target: "orders::db".into(), ..Callsite::default() },
            severity: Severity::new(severity),
            message: message.into(),
            fields,
            task: in_task.then_some(task),
            kind: if end { Kind::End } else { Kind::Event },
            outcome: if end { Outcome::Failed } else { Outcome::Unset },
            duration: 1_500_000_000,
            ..Record::default()
        }
    }
}

/// A record without the parts that nobody reads.
fn without_others(record: &Record, parts: &Parts) -> Record {
    let mut less = Record {
        source: record.source.clone(),
        callsite: record.callsite.clone(),
        ..Record::default()
    };
    if parts.has(field::SEVERITY) {
        less.severity = record.severity;
    }
    if parts.has(field::MESSAGE) {
        less.message.clone_from(&record.message);
    }
    if parts.has(field::TASK) {
        less.task.clone_from(&record.task);
    }
    if parts.has(field::KIND) {
        less.kind = record.kind;
    }
    if parts.has(field::OUTCOME) {
        less.outcome = record.outcome;
    }
    if parts.has(field::DURATION) {
        less.duration = record.duration;
    }
    let fields = record
        .fields
        .iter()
        .filter(|(name, _)| parts.has_field(name));
    less.fields = fields
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect();
    less
}

/// Both sides of the bounds that a condition has.
#[test]
fn the_least_severity_is_that_of_all_that_must_be() {
    for (text, least) in [
        ("severity >= ERROR", Severity::ERROR),
        ("severity > 12 && service == 'a'", Severity::WARN),
        ("ERROR <= severity", Severity::ERROR),
        ("12u < severity", Severity::WARN),
        ("severity == FATAL || severity == ERROR", Severity::ERROR),
        ("severity >= ERROR || service == 'a'", Severity::UNSET),
        ("!(severity >= ERROR)", Severity::UNSET),
        ("severity <= ERROR", Severity::UNSET),
        ("severity >= 99", Severity::new(24)),
        ("severity > -1", Severity::UNSET),
    ] {
        assert_eq!(
            Condition::compile(text).unwrap().least_severity(),
            least,
            "{text}"
        );
    }
}

#[test]
fn a_condition_may_ask_for_a_severity_and_nothing_else() {
    for (text, asked) in [
        ("severity >= ERROR", Some(Severity::ERROR)),
        ("WARN <= severity", Some(Severity::WARN)),
        ("severity >= 24u", Some(Severity::new(24))),
        ("severity > WARN", None),
        ("severity <= ERROR", None),
        ("severity >= 25", None),
        ("severity >= -1", None),
        ("severity >= ERROR && service == 'a'", None),
        ("fields.severity >= 17", None),
    ] {
        let condition = Condition::compile(text).unwrap();
        assert_eq!(condition.asked_severity(), asked, "{text}");
    }
}

#[test]
fn the_kind_is_that_of_all_that_must_be() {
    for (text, kind) in [
        ("kind == 'end'", Some(Kind::End)),
        ("'begin' == kind && severity > 3", Some(Kind::Begin)),
        (
            "service == 'a' && (outcome == 'ok' && kind == 'end')",
            Some(Kind::End),
        ),
        ("kind == 'end' || kind == 'end'", None),
        ("kind != 'end'", None),
        ("!(kind == 'end')", None),
        ("service == 'end'", None),
    ] {
        assert_eq!(Condition::compile(text).unwrap().kind(), kind, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn operations_and_interpreter_agree(text in condition(), records in proptest::collection::vec(record(), 1..4)) {
        let compiled = Condition::compile(&text);
        prop_assume!(compiled.is_ok());
        let compiled = compiled.unwrap();
        let interpreted = Interpreted::new(&Parser::new().parse(&text).unwrap(), &taken);
        for record in records {
            let mut batch = BatchWriter::new();
            batch.push(&record);
            let bytes = batch.finish();
            let batch = BatchRef::parse(&bytes).unwrap();
            let record = batch.records().next().unwrap().unwrap();
            prop_assert_eq!(compiled.matches(&record), interpreted.test(&record, &Memo::NONE) == Ok(true), "{} for {:?}", text, record);
        }
    }

    #[test]
    fn parts_that_are_not_read_change_nothing(
        text in condition(), records in proptest::collection::vec(record(), 1..4),
    ) {
        let compiled = Condition::compile(&text);
        prop_assume!(compiled.is_ok());
        let compiled = compiled.unwrap();
        for record in records {
            let less = without_others(&record, compiled.parts());
            let mut batch = BatchWriter::new();
            batch.push(&record);
            batch.push(&less);
            let bytes = batch.finish();
            let batch = BatchRef::parse(&bytes).unwrap();
            let both: Vec<_> = batch.records().map(Result::unwrap).collect();
            let matches = compiled.matches(&both[0]);
            prop_assert_eq!(compiled.matches(&both[1]), matches, "{} for {:?}", text, record);
            prop_assert!(!matches || both[0].severity >= compiled.least_severity(), "{} for {:?}", text, record);
            prop_assert!(!matches || compiled.kind().is_none_or(|kind| both[0].kind == kind), "{} for {:?}", text, record);
        }
    }

    #[test]
    fn what_a_router_remembers_changes_nothing(
        texts in prop::collection::vec(condition(), 1..12), filter in proptest::option::of(condition()),
        records in prop::collection::vec(record(), 1..4),
    ) {
        let rules: Vec<Rule> = texts
            .iter()
            .filter_map(|text| Condition::compile(text).ok())
            .map(|when| Rule { when: Some(when), to: vec!["here".to_owned()], ..Rule::default() })
            .collect();
        let filter = filter.and_then(|text| Condition::compile(&text).ok());
        let router = Router::new(&rules, "here", filter.as_ref());
        for record in records {
            let mut batch = BatchWriter::new();
            batch.push(&record);
            let bytes = batch.finish();
            let batch = BatchRef::parse(&bytes).unwrap();
            let record = batch.records().next().unwrap().unwrap();
            let wanted = rules.iter().flat_map(|rule| &rule.when).any(|when| when.matches(&record));
            let passed = filter.as_ref().is_none_or(|filter| filter.matches(&record));
            prop_assert_eq!(router.takes(&record), wanted && passed, "{:?} {:?} for {:?}", rules, filter, record);
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in "[a-z0-9 .()\\[\\]{}'\"<>=!&|?:+*/%,\\\\ü\n-]{0,40}") {
        let _ = Condition::compile(&text);
    }
}
