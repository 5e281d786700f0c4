//! Tasks, as they arrive.
#![allow(missing_docs)]

use std::collections::HashSet;
use std::sync::mpsc;

use crate::common::*;
use crate::task_outcomes::Broken;
use distlog_layer::{
    DistlogLayer, Task, TaskId, bind, current, get_foreign_task, import_task, task, to, val,
};
use distlog_proto::{Kind, Outcome, Record, SpanKind, Value};
use tracing::subscriber::with_default;
use tracing::{Level, Span, debug_span, info, info_span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// A task has its memory from one that is over.
#[test]
fn a_task_has_nothing_of_those_before_it() {
    let records = records_of(|| {
        for _ in 0..20 {
            let failed = task!(user = "leo", "the first");
            failed.bind("answer", 42);
            failed.in_scope(|| {
                to!("a part").in_scope(|| info!("one of two"));
                drop(to!("a part"));
            });
            failed.fail(&Broken);
            drop(failed);
            drop(task!("the second"));
        }
    });
    let second = |kind| records.of_kind(kind).into_iter().filter(is_second);
    fn is_second(record: &&Record) -> bool {
        record.message == "the second"
    }
    assert_eq!(second(Kind::Begin).count(), 20);
    for begin in second(Kind::Begin) {
        assert!(task(begin).context.is_empty(), "{begin:#?}");
        assert_eq!(task(begin).parent_span_id, None);
        assert_eq!(begin.number, 0);
    }
    for end in second(Kind::End) {
        assert_eq!(end.outcome, Outcome::Ok, "{end:#?}");
        assert!(task(end).context.is_empty() && end.error.is_none());
        assert_eq!(end.number, 1);
    }
    let paths: HashSet<_> = records
        .of_kind(Kind::Begin)
        .iter()
        .map(|begin| task(begin).path.clone())
        .collect();
    assert_eq!(paths, ["", "1", "2"].map(Into::into).into());
    let ids: HashSet<_> = records.of_kind(Kind::Begin).into_iter().map(id).collect();
    assert_eq!(ids.len(), 80);
}

#[test]
fn a_tree_grows() {
    let records = records_of(|| {
        let top = task!(user = "leo", "handle order {}", 7);
        top.in_scope(|| {
            info!("in the top");
            to!("check {}", "stock").in_scope(|| info!("in the first"));
            info_span!("plain").in_scope(|| to!("below").in_scope(|| info!("deep")));
        });
    });
    let top = records.begin("handle order 7");
    assert_eq!(task(top).path, "");
    assert_eq!(top.callsite.template, "handle order {}");
    assert_eq!(task(top).parent_span_id, None);
    assert_eq!(
        task(top).context.get("user"),
        Some(&Value::Str("leo".into()))
    );
    let trace = task(top).trace_id;
    assert_eq!(id(top), trace.to_string());
    assert_eq!(id(records.begin("check stock")), format!("{trace}/1"));
    assert_eq!(id(records.begin("plain")), format!("{trace}/2"));
    assert_eq!(id(records.with_message("deep")), format!("{trace}/2/1"));
    for record in &records {
        let task_id: TaskId = id(record).parse().unwrap();
        assert_eq!(task(record).span_id, task_id.span_id());
        assert_eq!(task(record).parent_span_id, task_id.parent_span_id());
        assert_eq!(task(record).flags, 3);
    }
    let numbers: Vec<_> = records
        .iter()
        .filter(|r| task(r).path.is_empty())
        .map(|r| (r.kind, r.number))
        .collect();
    assert_eq!(
        numbers,
        [(Kind::Begin, 0), (Kind::Event, 1), (Kind::End, 2)]
    );
    assert_eq!(records.of_kind(Kind::Begin).len(), 4);
    assert_eq!(records.of_kind(Kind::End).len(), 4);
    assert_eq!(
        records.last().unwrap().task.as_ref().unwrap().path,
        "",
        "the top ends last"
    );
}

/// The Registry gives the id of a closed span to another one after some thousand spans; a thread that met the first
/// must not take the second for it.
#[test]
fn a_span_that_has_the_id_of_an_earlier_one_is_another_task() {
    // Spans of level DEBUG take ids, but are no tasks.
    let subscribe = |layer: DistlogLayer, work: Box<dyn FnOnce() + '_>| {
        let registry =
            tracing_subscriber::registry().with(tracing_subscriber::layer::Identity::new());
        with_default(registry.with(layer.with_filter(LevelFilter::INFO)), work);
    };
    let id_of = |span: &Span| span.id().unwrap().into_u64();
    let records = records_through(
        |builder| builder,
        subscribe,
        || {
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            let (hand, take) = mpsc::channel::<Span>();
            let (done, is_done) = mpsc::channel();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        for (n, span) in take.into_iter().enumerate() {
                            span.in_scope(|| info!("in span {n}"));
                            drop(span);
                            done.send(()).unwrap();
                        }
                    });
                });
                let meet = |span: &Span| {
                    hand.send(span.clone()).unwrap();
                    is_done.recv().unwrap();
                };
                let ids: Vec<u64> = (0..2).map(|_| id_of(&debug_span!("filler"))).collect();
                let step = ids[1] - ids[0];
                let first = info_span!("first");
                let id = id_of(&first);
                assert_eq!(id, ids[1] + step, "one place is used again and again");
                meet(&first);
                drop(first);
                let before = (0..10_000_000).find(|_| id_of(&debug_span!("filler")) == ids[1]);
                assert!(before.is_some(), "ids are used again");
                let second = info_span!("second");
                assert_eq!(id_of(&second), id);
                meet(&second);
                drop(hand);
            });
        },
    );
    let task = |message| id(records.with_message(message));
    assert_eq!(task("in span 0"), id(records.begin("first")));
    assert_eq!(task("in span 1"), id(records.begin("second")));
    assert_ne!(task("in span 0"), task("in span 1"));
}

#[test]
fn task_begins_a_trace_and_to_does_not() {
    let records = records_of(|| {
        task!("outer").in_scope(|| {
            task!("own trace").in_scope(|| ());
            to!("same trace").in_scope(|| ());
        });
        to!("alone").in_scope(|| ());
    });
    let trace = |message| task(records.begin(message)).trace_id;
    assert_ne!(trace("outer"), trace("own trace"));
    assert_eq!(trace("outer"), trace("same trace"));
    assert_eq!(task(records.begin("alone")).path, "");
    assert_ne!(trace("alone"), trace("outer"));
}

#[test]
fn the_macros_take_every_form_of_field() {
    let (plain, shown, number) = ("p", "s", 3);
    struct Deep {
        value: u8,
    }
    let deep = Deep { value: 9 };
    let records = records_of(|| {
        let _ = task!(
            plain,
            %shown,
            ?number,
            deep.value,
            a = 1 + 1,
            b.c = ?vec![1],
            d = %4,
            "e-f" = "g",
            "h.i" = ?Some(1),
            "j" = %5,
            list = ?val(&[1]),
            "text {plain} {} {x}",
            number,
            x = 1,
        );
        let _ = to!("only text");
        let _ = to!("trailing {}", 1,);
    });
    let begin = records.begin("text p 3 1");
    assert_eq!(begin.callsite.template, "text {plain} {} {x}");
    let context: Vec<_> = task(begin)
        .context
        .iter()
        .map(|(name, value)| (name, value.clone()))
        .collect();
    assert_eq!(
        context,
        [
            ("plain", Value::Str("p".into())),
            ("shown", text("s")),
            ("number", text("3")),
            ("deep.value", Value::I64(9)),
            ("a", Value::I64(2)),
            ("b.c", text("[1]")),
            ("d", text("4")),
            ("e-f", Value::Str("g".into())),
            ("h.i", text("Some(1)")),
            ("j", text("5")),
            ("list", Value::List(vec![Value::I64(1)])),
        ]
    );
    records.begin("only text");
    records.begin("trailing 1");
}

#[test]
fn later_fields_and_links_are_bound() {
    let other: TaskId = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3".parse().unwrap();
    let records = records_of(|| {
        let span = info_span!("span", late = tracing::field::Empty, first = 1);
        let cause = info_span!("cause");
        span.record("late", 5);
        span.record("late", 6);
        span.follows_from(&cause);
        let handle = Task::from(span);
        handle.bind("undeclared", vec!["x", "y"]).link(&other);
        handle.in_scope(|| {
            bind("by_current", 1.5);
            info!("inside");
        });
    });
    let binds = records.of_kind(Kind::Bind);
    assert_eq!(binds.len(), 6);
    assert_eq!(binds[0].fields.get("late"), Some(&Value::I64(5)));
    assert_eq!(
        binds[2].links[0].span_id,
        task(records.begin("cause")).span_id
    );
    assert_eq!(
        binds[3].fields.get("undeclared"),
        Some(&Value::List(vec!["x".into(), "y".into()]))
    );
    assert_eq!(binds[4].links[0].span_id, other.span_id());
    assert_eq!(binds[4].links[0].path, "1/3");
    let context = &task(records.with_message("inside")).context;
    let context: Vec<_> = context
        .iter()
        .map(|(name, value)| (name, value.clone()))
        .collect();
    let list = Value::List(vec!["x".into(), "y".into()]);
    assert_eq!(
        context,
        [
            ("first", Value::I64(1)),
            ("late", Value::I64(6)),
            ("undeclared", list),
            ("by_current", Value::F64(1.5))
        ]
    );
}

#[test]
fn imports_take_their_place() {
    let reserved = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/3";
    let records = records_of(|| {
        for n in 0..2 {
            import_task!(reserved, queue = "q", "take {n}").in_scope(|| info!("working {n}"));
        }
        import_task!("e252a11f-d33d-483d-ba08-bc8f642b2f10", "bare").in_scope(|| ());
        import_task!(reserved.parse::<TaskId>().unwrap(), "typed").in_scope(|| ());
        import_task!("None/1", "unreadable").in_scope(|| ());
    });
    let first = records.begin("take 0");
    let second = records.begin("take 1");
    assert!(
        id(first).starts_with(&format!("{reserved}.")),
        "{}",
        id(first)
    );
    assert_ne!(id(first), id(second));
    assert_eq!(first.span_kind, SpanKind::Consumer);
    assert_eq!(task(first).flags, 1);
    assert_eq!(
        task(first).parent_span_id.unwrap().to_string(),
        "99134579e8496ab7"
    );
    assert_eq!(
        task(first)
            .context
            .iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>(),
        ["queue"]
    );
    assert_eq!(id(records.with_message("working 0")), id(first));
    let bare = task(records.begin("bare"));
    assert!(!bare.path.is_empty() && !bare.path.contains('/'));
    assert_eq!(bare.parent_span_id.unwrap().to_string(), "8ab33c93ffe29262");
    assert!(id(records.begin("typed")).starts_with(reserved));
    let unreadable = task(records.begin("unreadable"));
    assert_eq!(
        (unreadable.path.as_str(), unreadable.parent_span_id),
        ("", None)
    );
    assert_eq!(
        unreadable.context.get("distlog.import"),
        Some(&Value::Str("None/1".into()))
    );
}

#[test]
fn foreign_tasks_are_children_of_the_current_one() {
    let mut ids = Vec::new();
    let records = records_of(|| {
        let top = task!("top");
        top.in_scope(|| {
            ids.push(get_foreign_task());
            to!("child").in_scope(|| ids.push(get_foreign_task()));
        });
        ids.push(top.get_foreign_task());
        ids.push(get_foreign_task());
        assert_eq!(current().id(), None);
    });
    let trace = task(records.begin("top")).trace_id;
    let ids: Vec<_> = ids.iter().map(TaskId::to_string).collect();
    assert_eq!(
        ids[..3],
        [
            format!("{trace}/1"),
            format!("{trace}/2/1"),
            format!("{trace}/3")
        ]
    );
    assert!(
        !ids[3].starts_with(&trace.to_string()) && ids[3].ends_with("/1"),
        "{}",
        ids[3]
    );
    // Without any layer, too.
    assert_eq!(task!("nobody listens").get_foreign_task().path(), "1");
}

#[test]
fn a_field_has_its_last_value_only() {
    let daemon = Daemon::tcp();
    let (layer, guard) = distlog_layer::builder()
        .connect_push(daemon.address.clone())
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        let span = info_span!("work", progress = 0, user = "z", user = "y");
        let job = Task::from(span.clone());
        for i in 1..=4000 {
            span.record("progress", i);
            job.bind("step", i);
        }
        job.bind("user", "a");
        job.in_scope(|| info!(a = 1, b = 2, a = 3, "twice"));
        drop((job, span));
        info!("THE LAST");
    });
    assert_eq!(guard.close(LONG), distlog_layer::Flush::Flushed);
    let records = daemon.until_message("THE LAST");
    assert_eq!(records.of_kind(Kind::Bind).len(), 8001);
    let each = daemon.received.get() / records.len();
    assert!(each < 200, "{each} bytes a record: values add up");
    let end = &task(records.end("work")).context;
    assert_eq!(end.get("progress"), Some(&Value::I64(4000)));
    assert_eq!(end.get("step"), Some(&Value::I64(4000)));
    assert_eq!(end.get("user"), Some(&Value::Str("a".into())));
    let begin = &task(records.begin("work")).context;
    assert_eq!(begin.get("user"), Some(&Value::Str("y".into())));
    let twice = &records.with_message("twice").fields;
    assert_eq!(twice.get("a"), Some(&Value::I64(3)));
}

#[test]
fn a_disabled_task_does_nothing() {
    let records = records_through(
        |builder| builder,
        |layer, work| {
            let subscriber = tracing_subscriber::registry()
                .with(EnvFilter::new("error"))
                .with(layer);
            tracing::subscriber::with_default(subscriber, work)
        },
        || {
            let task = task!("disabled");
            task.bind("a", 1)
                .success()
                .fail(&Broken)
                .link(&get_foreign_task());
            assert_eq!(task.run(|| 5), 5);
        },
    );
    assert!(records.is_empty(), "{records:#?}");
    assert!(
        !tracing::enabled!(Level::ERROR),
        "no subscriber is left over"
    );
}

#[test]
fn ids_of_spans_are_used_again_without_harm() {
    let records = records_of(|| {
        for i in 0..500 {
            let _ = task!("task {i}");
        }
    });
    let ids: HashSet<_> = records.of_kind(Kind::Begin).into_iter().map(id).collect();
    assert_eq!(ids.len(), 500);
    assert_eq!(records.of_kind(Kind::End).len(), 500);
}
