//! What is redacted is in no record, no batch and no spool.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fmt;

use crate::common::*;
use distlog_layer::{Builder, Flush, TaskId, builder, task, to, val};
use distlog_proto::{Kind, Map, Record, Value};
use proptest::prelude::*;
use tracing::subscriber::with_default;
use tracing::{error, info, info_span};
use tracing_subscriber::prelude::*;

const CARD: &str = "4111111111111111";

fn names(builder: Builder) -> Builder {
    builder.redact(["password", "Authorization"])
}

fn patterns(builder: Builder) -> Builder {
    builder
        .redact_patterns([r"\b\d{13,16}\b", r"key=\w+"])
        .unwrap()
}

/// The records of a layer; the message of the last one need not be readable.
fn records_with(build: impl FnOnce(Builder) -> Builder, work: impl FnOnce()) -> Vec<Record> {
    let daemon = Daemon::tcp();
    let (layer, guard) = build(builder())
        .connect_push(daemon.address.clone())
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        work();
        info!(is_last = true);
    });
    assert_eq!(guard.close(LONG), Flush::Flushed);
    daemon.until(|record| record.fields.get("is_last").is_some())
}

fn redacted() -> Value {
    Value::from("[redacted]")
}

/// An error with a cause.
#[derive(Debug)]
struct Failure(String, Option<Box<Failure>>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

fn failure(text: &str) -> Failure {
    Failure(
        format!("refused: {text}"),
        Some(Box::new(Failure(format!("the bank says {text}"), None))),
    )
}

#[test]
fn fields_are_redacted_by_their_names_wherever_they_stand() {
    let records = records_with(names, || {
        let headers = BTreeMap::from([("Authorization", "Bearer x"), ("Accept", "*/*")]);
        info!(password = "x", user = "leo", "string");
        info!(user.PassWord = ?"x", http.request.header.authorization = %"x", number = 7, "dotted");
        info!(password = 7, passwords = 7, "other types");
        info!(request = ?val(&[headers]), "nested");
        info!(password = ?val(&[1]), "structured");
        let job = task!(password = "x", shop = "tea", "sign in");
        job.bind("reset.password", "x")
            .bind("form", BTreeMap::from([("password", 1), ("age", 2)]));
        let span = info_span!("late", password = tracing::field::Empty);
        span.record("password", "x");
    });
    let fields = |message: &str| records.with_message(message).fields.clone();
    assert_eq!(
        fields("string"),
        Map::from_iter([("password", redacted()), ("user", Value::from("leo"))])
    );
    let dotted = Map::from_iter([
        ("user.PassWord", redacted()),
        ("http.request.header.authorization", redacted()),
        ("number", Value::I64(7)),
    ]);
    assert_eq!(fields("dotted"), dotted);
    let others = Map::from_iter([("password", redacted()), ("passwords", Value::I64(7))]);
    assert_eq!(fields("other types"), others);
    let headers = Map::from_iter([
        ("Accept", Value::from("*/*")),
        ("Authorization", redacted()),
    ]);
    let nested = Value::List(vec![Value::Map(headers)]);
    assert_eq!(fields("nested").get("request"), Some(&nested));
    assert_eq!(fields("structured").get("password"), Some(&redacted()));
    let form = Map::from_iter([("age", Value::I64(2)), ("password", redacted())]);
    let context = Map::from_iter([
        ("password", redacted()),
        ("shop", Value::from("tea")),
        ("reset.password", redacted()),
        ("form", Value::Map(form)),
    ]);
    assert_eq!(task(records.end("sign in")).context, context);
    assert_eq!(
        task(records.end("late")).context.get("password"),
        Some(&redacted())
    );
}

#[test]
fn messages_and_errors_are_fields_too() {
    let hide = |builder: Builder| builder.redact(["message", "error", "otel.name"]);
    let records = records_with(hide, || {
        let job = task!(otel.name = "x", "work for {}", "leo");
        job.in_scope(|| error!(error = &failure("x") as &dyn std::error::Error, "it failed"));
    });
    let [begin, event, end] = &records[..] else {
        panic!("{records:#?}")
    };
    for record in [begin, event, end] {
        assert_eq!(record.message, "[redacted]");
    }
    assert_eq!(begin.name, "[redacted]");
    assert_eq!(begin.callsite.template, "work for {}");
    assert_eq!(event.fields.get("error"), Some(&redacted()));
    for record in [event, end] {
        let error = record.error.as_ref().unwrap();
        assert_eq!(
            (error.message.as_str(), error.chain.len()),
            ("[redacted]", 0)
        );
    }
}

#[test]
fn errors_of_tasks_are_hidden_as_those_of_events() {
    let hide = |builder: Builder| builder.redact(["error"]);
    let records = records_with(hide, || {
        let result: Result<(), _> = task!("returns").run(|| Err(failure("secret")));
        assert!(result.is_err());
        task!("says").fail(&failure("secret"));
    });
    let ends: Vec<_> = records.iter().filter_map(|r| r.error.as_ref()).collect();
    assert_eq!(ends.len(), 2, "{records:#?}");
    for error in ends {
        assert_eq!(
            (error.message.as_str(), error.chain.len()),
            ("[redacted]", 0)
        );
    }
}

#[test]
fn patterns_are_redacted_in_every_text() {
    let other: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3".parse().unwrap();
    let records = records_with(patterns, || {
        info!("card {} of {}{}", CARD, "ke", "y=abc");
        info!(text = CARD, shown = %CARD, debug = ?Some(CARD), "values");
        info!(
            number = 4111111111111111_u64,
            float = 4111111111111111.0,
            small = 17,
            "numbers"
        );
        info!(
            bytes = CARD.as_bytes(),
            broken = &[b"\xff ", CARD.as_bytes()].concat()[..],
            "bytes"
        );
        info!(list = ?val(&BTreeMap::from([(CARD, [CARD, "tea"])])), "structured");
        let job = task!(
            otel.name = "pay with 4111111111111111",
            card = CARD,
            "pay with {CARD}"
        );
        job.link(&other).bind("key=abc", 1);
        job.span().record("card", 4111111111111111_u64);
        job.fail(&failure(CARD));
        to!("charge {}", 1)
            .run(|| Err::<(), _>(failure(CARD)))
            .unwrap_err();
        error!(error = %failure(CARD), "shown");
        let status = info_span!(
            "status",
            otel.status_code = "error",
            otel.status_description = CARD
        );
        drop(status);
    });
    assert_eq!(records[0].message, "card [redacted] of [redacted]");
    let fields = |message: &str| records.with_message(message).fields.clone();
    let values = Map::from_iter([
        ("text", redacted()),
        ("shown", text("[redacted]")),
        ("debug", text("Some(\"[redacted]\")")),
    ]);
    assert_eq!(fields("values"), values);
    let numbers = Map::from_iter([
        ("number", redacted()),
        ("float", redacted()),
        ("small", Value::I64(17)),
    ]);
    assert_eq!(fields("numbers"), numbers);
    let bytes = Map::from_iter([
        ("bytes", redacted()),
        ("broken", Value::from("\u{fffd} [redacted]")),
    ]);
    assert_eq!(fields("bytes"), bytes);
    let list = Value::List(vec![redacted(), Value::from("tea")]);
    let list = Value::Map(Map::from_iter([("[redacted]", list)]));
    assert_eq!(fields("structured").get("list"), Some(&list));

    let begin = records.begin("pay with [redacted]");
    assert_eq!(begin.name, "pay with [redacted]");
    assert_eq!(begin.callsite.template, "pay with {CARD}");
    let end = records.end("pay with [redacted]");
    let context = Map::from_iter([("[redacted]", Value::I64(1)), ("card", redacted())]);
    assert_eq!(task(end).context, context);
    let error = end.error.as_ref().unwrap();
    assert_eq!(error.message, "refused: [redacted]");
    assert_eq!(error.chain, ["the bank says [redacted]"]);
    assert_eq!(records.outcome("charge 1").1, "refused: [redacted]");
    let shown = records.with_message("shown").error.as_ref().unwrap();
    assert_eq!(shown.message, "refused: [redacted]");
    assert_eq!(records.end("status").status_message, "[redacted]");
    let links: Vec<_> = records.iter().flat_map(|record| &record.links).collect();
    assert_eq!(links.len(), 1);
    assert!(!format!("{records:?}").contains(CARD));
}

/// A value with structure passes under a mark, which a pattern must not take apart.
#[test]
fn a_pattern_that_matches_all_leaves_nothing_and_breaks_nothing() {
    let all = |builder: Builder| {
        let builder = builder.redact_patterns(["(?s).+", "distlog"]).unwrap();
        builder.redact_patterns(["[a-z]"]).unwrap()
    };
    let records = records_with(all, || {
        info!(list = ?val(&["tea"]), some = ?Some(val(&["tea"])), number = 1, yes = true, "message");
    });
    assert_eq!(records[0].message, "[redacted]");
    let fields = Map::from_iter([
        ("list", Value::List(vec![redacted()])),
        ("some", text("[redacted]")),
        ("number", redacted()),
        ("yes", Value::Bool(true)),
    ]);
    assert_eq!(records[0].fields, fields);
}

#[test]
fn a_program_without_redaction_has_all_of_it() {
    let records = records_of(|| info!(password = "tea", card = CARD, "card {CARD}"));
    assert_eq!(records[0].fields.get("password"), Some(&Value::from("tea")));
    assert_eq!(records[0].fields.get("card"), Some(&Value::from(CARD)));
    assert_eq!(records[0].message, format!("card {CARD}"));
}

/// Logs a secret in every way there is, between two other texts.
fn log(secret: &str, before: &str, behind: &str) {
    let (left, right) = secret.split_at(secret.len() / 2);
    let whole = format!("{before} {secret} {behind}");
    let job = task!(password = %whole, text = %whole, otel.name = whole, "{before} {left}{right} {behind}");
    job.in_scope(|| {
        info!(password = whole, "{before} {left}{right} {behind}");
        info!(text = whole, shown = %whole, debug = ?whole, bytes = whole.as_bytes(), "{whole}");
        info!(form = ?val(&BTreeMap::from([("password", &whole), (&*whole, &whole)])), some = ?Some(val(&whole)));
        error!(error = &failure(&whole) as &dyn std::error::Error, "failed");
    });
    job.bind("password", &whole)
        .bind("text", [&whole])
        .bind(&whole, &whole);
    to!("run")
        .run(|| Err::<(), _>(failure(&whole)))
        .unwrap_err();
    let span = info_span!(
        "late",
        late = tracing::field::Empty,
        otel.status_description = whole
    );
    span.record("late", &*whole);
    drop(distlog_layer::import_task!(&whole, "no id"));
    job.fail(&failure(&whole));
}

/// Whether something of a secret is there: six letters of it in a row, which nothing else that is logged has.
fn leaks(bytes: &[u8], secret: &str) -> bool {
    let letters = &secret.as_bytes()["secret-".len()..secret.len() - "-end".len()];
    let letters: Vec<&[u8]> = letters.windows(6).collect();
    bytes.windows(6).any(|six| letters.contains(&six))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever stands around a secret; a record of this ring is cut at 2560 bytes.
    #[test]
    fn no_part_of_a_secret_is_in_a_spool_or_a_batch(
        secret in "secret-[QZXJ]{12,40}-end",
        before in prop_oneof!["([a-pö]{0,8} ){0,20}", "[a-p ]{1900,2560}", "[ö ]{900,1280}"],
        behind in "[a-pö]{0,8}|[a-p]{2000}",
    ) {
        let dir = tempfile::tempdir().unwrap();
        let daemon = Daemon::tcp();
        let (layer, guard) = builder()
            .redact(["password"])
            .redact_patterns(["secret-[QZXJ]+-end"])
            .unwrap()
            .ring_bytes(64 * 1024)
            .spool(dir.path())
            .overflow(distlog_layer::Overflow::Block(LONG))
            .connect_push(daemon.address.clone())
            .unwrap();
        let mut spools = Vec::new();
        with_default(tracing_subscriber::registry().with(layer), || {
            for _ in 0..2 {
                log(&secret, &before, &behind);
                for entry in std::fs::read_dir(dir.path()).unwrap() {
                    spools.push(std::fs::read(entry.unwrap().path()).unwrap());
                }
            }
            info!("THE LAST");
        });
        prop_assert_eq!(guard.close(LONG), Flush::Flushed);
        prop_assert!(spools.len() >= 2 && spools.iter().all(|spool| spool.len() > 64 * 1024));
        prop_assert!(!spools.iter().any(|spool| leaks(spool, &secret)));
        let mut kinds = Vec::new();
        loop {
            let message = daemon.message(LONG).expect("a batch");
            prop_assert!(!leaks(&message[1], &secret));
            let batch = distlog_proto::BatchRef::parse(&message[1]).unwrap();
            let records: Vec<_> = batch.records().map(|record| record.unwrap().to_record()).collect();
            kinds.extend(records.iter().map(|record| record.kind));
            if records.iter().any(|record| record.message == "THE LAST") {
                break;
            }
        }
        let begins = kinds.iter().filter(|kind| **kind == Kind::Begin);
        prop_assert_eq!(begins.count(), 8);
    }
}
