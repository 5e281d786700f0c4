//! Tasks, as they arrive.
#![allow(missing_docs)]

use std::collections::HashSet;
use std::error::Error;
use std::sync::mpsc;

use crate::common::*;
use distlog_layer::{
    DistlogLayer, FutureExt, Task, TaskId, bind, current, get_foreign_task, import_task, task, to,
    val,
};
use distlog_proto::{Kind, Outcome, Record, Severity, SpanKind, Value};
use tracing::subscriber::with_default;
use tracing::{Level, Span, debug, debug_span, error, info, info_span, instrument};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

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

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

#[instrument(err)]
fn instrumented(fail: bool) -> Result<(), Broken> {
    if fail { Err(Broken) } else { Ok(()) }
}

#[instrument(level = "debug", err)]
fn quietly_instrumented() -> Result<(), Broken> {
    Err(Broken)
}

#[test]
fn the_outcome_follows_from_what_happened() {
    let records = records_of(|| {
        task!("quiet").in_scope(|| info!("nothing special"));
        task!("ok").run(|| Ok::<_, Broken>(1)).unwrap();
        task!("err").run(|| Err::<(), _>(Broken)).unwrap_err();
        task!("unit").run(|| ());
        let _ = task!("success").success();
        let _ = task!("failed").fail(&Broken);
        let said = task!("said so");
        said.success();
        said.run(|| Err::<(), _>(Broken)).unwrap_err();
        task!("failed although ok")
            .run(|| {
                current().fail(&Broken);
                Ok::<_, Broken>(())
            })
            .unwrap();
        drop(said);
        let panicking = task!("panic");
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            panicking.in_scope(|| panic!("on purpose"))
        }));
        drop(panicking);
        task!("with an error event").in_scope(|| error!(error = %Broken, "it broke"));
        task!("error without error").in_scope(|| error!("no field"));
        task!("info with error").in_scope(|| info!(error = %Broken, "handled"));
        task!("around").in_scope(|| {
            let _ = instrumented(true);
            let _ = instrumented(false);
        });
        let _ = info_span!(
            "status error",
            otel.status_code = "ERROR",
            otel.status_description = "why"
        );
        let _ = info_span!("status ok", otel.status_code = "ok");
        let late = info_span!("late status", otel.status_code = tracing::field::Empty);
        late.record("otel.status_code", "error");
    });
    let expect = |message: &str, outcome, error: &str| {
        assert_eq!(
            records.outcome(message),
            (outcome, error.to_owned()),
            "{message}"
        );
    };
    expect("quiet", Outcome::Ok, "");
    expect("ok", Outcome::Ok, "");
    expect("err", Outcome::Failed, "broken");
    expect("unit", Outcome::Ok, "");
    expect("success", Outcome::Success, "");
    expect("failed", Outcome::Failed, "broken");
    expect("said so", Outcome::Success, "");
    expect("failed although ok", Outcome::Failed, "broken");
    expect("panic", Outcome::Failed, "panicked");
    expect("with an error event", Outcome::Failed, "broken");
    expect("error without error", Outcome::Ok, "");
    expect("info with error", Outcome::Ok, "");
    expect("around", Outcome::Ok, "");
    expect("instrumented", Outcome::Failed, "broken");
    expect("status error", Outcome::Failed, "");
    expect("status ok", Outcome::Success, "");
    expect("late status", Outcome::Failed, "");
    let failed = records.end("failed");
    assert_eq!(
        (failed.severity, records.end("quiet").severity),
        (Severity::ERROR, Severity::UNSET)
    );
    let status = records.end("status error");
    assert_eq!(
        (status.status_code, status.status_message.as_str()),
        (2, "why")
    );
    let calls: Vec<_> = records
        .iter()
        .filter(|r| r.kind == Kind::End && r.callsite.template == "instrumented")
        .map(|r| r.outcome)
        .collect();
    assert_eq!(calls, [Outcome::Failed, Outcome::Ok]);
}

#[test]
fn the_error_of_a_disabled_instrumented_function_is_not_the_callers() {
    let records = records_through(
        |builder| builder,
        |layer, work| {
            let filter = EnvFilter::new("info");
            tracing::subscriber::with_default(
                tracing_subscriber::registry().with(layer.with_filter(filter)),
                work,
            )
        },
        || {
            task!("caller").in_scope(|| {
                let _ = quietly_instrumented();
            });
        },
    );
    assert_eq!(records.outcome("caller"), (Outcome::Ok, String::new()));
    let event = records
        .iter()
        .find(|r| r.error.is_some())
        .expect("the error event");
    assert_eq!(id(event), id(records.begin("caller")));
}

#[test]
fn a_panic_elsewhere_is_not_the_tasks() {
    struct LogsOnDrop;
    impl Drop for LogsOnDrop {
        fn drop(&mut self) {
            to!("clean up").in_scope(|| info!("cleaning"));
        }
    }
    let records = records_of(|| {
        let _ = std::panic::catch_unwind(|| {
            let _logs = LogsOnDrop;
            panic!("on purpose");
        });
    });
    assert_eq!(records.outcome("clean up").0, Outcome::Ok);
}

#[test]
fn duration_runs_to_the_last_exit() {
    let pause = std::time::Duration::from_millis(30);
    let records = records_of(|| {
        let worked = task!("worked");
        worked.in_scope(|| std::thread::sleep(pause));
        std::thread::sleep(2 * pause);
        drop(worked);
        let never = task!("never entered");
        std::thread::sleep(pause);
        drop(never);
    });
    let pause = pause.as_nanos() as u64;
    let duration = |message| records.end(message).duration;
    let open = |message| records.end(message).time - records.begin(message).time;
    // Wall clock and monotonic clock may differ a little.
    const SLACK: u64 = 5_000_000;
    assert!(duration("worked") >= pause);
    assert!(
        duration("worked") + 2 * pause <= open("worked") + SLACK,
        "the end is written when it closes, but counts to the last exit"
    );
    assert!(duration("never entered") >= pause);
}

#[tokio::test]
async fn futures_end_when_they_are_ready() {
    let daemon = Daemon::tcp();
    let (layer, guard) = distlog_layer::builder()
        .connect_push(daemon.address.clone())
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    let _default = tracing::subscriber::set_default(subscriber);

    let ok = async {
        tokio::task::yield_now().await;
        info!("inside");
        Ok::<_, Broken>(3)
    };
    assert_eq!(ok.in_task(task!("good")).await.unwrap(), 3);
    async { Err::<(), _>(Broken) }
        .in_task(task!("bad"))
        .await
        .unwrap_err();
    async {}.in_task(task!("nothing")).await;
    let mut never = Box::pin(
        async {
            let _dropped = scopeguard(|| info!("dropped"));
            std::future::pending::<()>().await
        }
        .in_task(task!("never")),
    );
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(10), &mut never)
            .await
            .is_err()
    );
    drop(never);
    drop(std::future::pending::<()>().in_task(task!("not even polled")));
    info!("THE LAST");
    assert_eq!(guard.close(LONG), distlog_layer::Flush::Flushed);
    let records = daemon.until_message("THE LAST");
    assert_eq!(
        id(records.with_message("inside")),
        id(records.begin("good"))
    );
    assert_eq!(records.outcome("good").0, Outcome::Ok);
    assert_eq!(records.outcome("bad"), (Outcome::Failed, "broken".into()));
    assert_eq!(records.outcome("nothing").0, Outcome::Ok);
    assert_eq!(records.outcome("never"), (Outcome::Cancelled, "".into()));
    assert_ne!(
        records.end("never").severity,
        Severity::ERROR,
        "to be cancelled is no failure"
    );
    assert_eq!(
        id(records.with_message("dropped")),
        id(records.begin("never"))
    );
    assert_eq!(records.outcome("not even polled").0, Outcome::Cancelled);
}

fn scopeguard(work: impl FnMut()) -> impl Drop {
    struct Guard<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(work)
}

#[test]
fn parents_are_found_past_filters() {
    let records = records_through(
        |builder| builder,
        |layer, work| {
            // Another layer sees everything, so the spans exist.
            let all = tracing_subscriber::fmt::layer()
                .with_writer(std::io::sink)
                .with_filter(EnvFilter::new("trace"));
            let subscriber = tracing_subscriber::registry()
                .with(all)
                .with(layer.with_filter(EnvFilter::new("info")));
            tracing::subscriber::with_default(subscriber, work)
        },
        || {
            let outer = info_span!("outer");
            let hidden = debug_span!(parent: &outer, "hidden");
            hidden.in_scope(|| {
                info!("in the hidden");
                info_span!("below the hidden").in_scope(|| ());
                debug!("not seen");
                assert!(current().get_foreign_task().to_string().ends_with("/2"));
                assert_eq!(current().id(), None);
                current().fail(&Broken);
            });
            info!(parent: &hidden, "explicit and hidden");
            info_span!("now").in_scope(|| {
                let nowhere = debug_span!(parent: None, "no ancestors");
                info!(parent: &nowhere, "of nothing that is seen");
                info!(parent: &Span::none(), "of a disabled span");
                info!(parent: None, "free");
                error!(parent: None, error = &Broken as &dyn Error, "fails nobody");
                error!(parent: &nowhere, error = &Broken as &dyn Error, "fails nobody either");
                info_span!(parent: None, "own trace").in_scope(|| info!("in its own trace"));
                info_span!(parent: &nowhere, "own trace, too").in_scope(|| ());
                nowhere.in_scope(|| info!("within it"));
            });
            info!("outside");
        },
    );
    let outer = id(records.begin("outer"));
    assert_eq!(id(records.with_message("in the hidden")), outer);
    assert_eq!(id(records.begin("below the hidden")), format!("{outer}/1"));
    assert_eq!(id(records.with_message("explicit and hidden")), outer);
    let now = id(records.begin("now"));
    for free in [
        "of nothing that is seen",
        "of a disabled span",
        "free",
        "fails nobody",
        "fails nobody either",
    ] {
        assert_eq!(records.with_message(free).task, None, "{free}");
    }
    assert_eq!(records.outcome("now").0, Outcome::Ok);
    for top in ["own trace", "own trace, too"] {
        let top = task(records.begin(top));
        assert_eq!((top.parent_span_id, top.path.as_str()), (None, ""));
        assert_ne!(top.trace_id, task(records.begin("now")).trace_id);
    }
    assert_eq!(
        id(records.with_message("in its own trace")),
        id(records.begin("own trace"))
    );
    assert_eq!(id(records.with_message("within it")), now);
    assert_eq!(records.with_message("outside").task, None);
    assert_eq!(
        records.outcome("outer").0,
        Outcome::Ok,
        "a disabled task's failure is not its parent's"
    );
    assert!(
        records
            .iter()
            .all(|r| r.message != "not seen" && r.callsite.template != "hidden")
    );
}

/// How a program may filter what a layer sees.
fn filtered(layer: DistlogLayer, how: &str, work: Box<dyn FnOnce() + '_>) {
    let registry = tracing_subscriber::registry();
    match how {
        "not at all" => with_default(registry.with(layer), work),
        "for all" => with_default(registry.with(EnvFilter::new("info")).with(layer), work),
        "for all, behind" => with_default(registry.with(layer).with(LevelFilter::INFO), work),
        "for this layer" => with_default(registry.with(layer.with_filter(LevelFilter::INFO)), work),
        _ => {
            let all = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
            let registry = registry.with(all.with_filter(LevelFilter::TRACE));
            with_default(registry.with(layer.with_filter(LevelFilter::INFO)), work)
        }
    }
}

#[test]
fn no_parent_is_none_whatever_is_filtered() {
    for how in [
        "not at all",
        "for all",
        "for all, behind",
        "for this layer",
        "for this layer, beside one that sees all",
    ] {
        let records = records_through(
            |builder| builder,
            |layer, work| filtered(layer, how, work),
            || {
                task!("order").in_scope(|| {
                    info!(parent: None, "free");
                    error!(parent: None, error = &Broken as &dyn Error, "fails nobody");
                    info_span!(parent: None, "free span").in_scope(|| info!("of the free span"));
                    debug_span!("perhaps hidden").in_scope(|| {
                        info!(parent: None, "free within");
                        info!("of the order or the hidden");
                    });
                });
            },
        );
        for free in ["free", "fails nobody", "free within"] {
            assert_eq!(records.with_message(free).task, None, "{how}: {free}");
        }
        assert_eq!(records.outcome("order").0, Outcome::Ok, "{how}");
        let (order, own) = (records.begin("order"), records.begin("free span"));
        assert_ne!(task(own).trace_id, task(order).trace_id, "{how}");
        assert_eq!(task(own).parent_span_id, None, "{how}");
        assert_eq!(id(records.with_message("of the free span")), id(own));
        let within = records.with_message("of the order or the hidden");
        assert!(id(within).starts_with(&id(order)), "{how}");
    }
}

#[tokio::test]
async fn a_task_ends_with_its_future_whatever_still_holds_its_span() {
    use tracing::Instrument;

    let daemon = Daemon::tcp();
    let (layer, guard) = distlog_layer::builder()
        .connect_push(daemon.address.clone())
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    let _default = tracing::subscriber::set_default(subscriber);

    let (done, waits) = tokio::sync::oneshot::channel::<()>();
    let late = async {
        let late = async {
            waits.await.unwrap();
            to!("below it").in_scope(|| info!("late"));
            current().fail(&Broken);
        };
        Some(tokio::spawn(late.in_current_span()))
    };
    let request = task!("request");
    let pooled = request.span().clone();
    let late = late.in_task(request).await;
    info!("after the request");
    let raced = async {
        tokio::select! {
            biased;
            () = async {}.in_task(task!("winner")) => {}
            () = std::future::pending().in_task(task!("loser")) => {}
        }
    };
    raced.await;
    let aborted = tokio::spawn(
        async {
            info!("about to be aborted");
            std::future::pending::<()>().await
        }
        .in_task(task!("aborted")),
    );
    tokio::task::yield_now().await;
    aborted.abort();
    assert!(aborted.await.unwrap_err().is_cancelled());
    done.send(()).unwrap();
    late.unwrap().await.unwrap();
    drop(pooled);
    info!("THE LAST");
    assert_eq!(guard.close(LONG), distlog_layer::Flush::Flushed);
    let records = daemon.until_message("THE LAST");

    let position = |wanted: &Record| records.iter().position(|r| std::ptr::eq(r, wanted));
    let end = records.end("request");
    assert!(position(end) < position(records.with_message("after the request")));
    assert_eq!(end.outcome, Outcome::Ok, "what comes later changes nothing");
    let open = records.with_message("after the request").time - records.begin("request").time;
    assert!(end.duration <= open + 5_000_000, "{} {open}", end.duration);
    let ends = records.of_kind(Kind::End);
    let of_request = |r: &&&Record| id(r) == id(records.begin("request"));
    assert_eq!(ends.iter().filter(of_request).count(), 1);
    assert_eq!(id(records.begin("below it")), format!("{}/1", id(end)));
    assert_eq!(records.outcome("winner").0, Outcome::Ok);
    assert_eq!(records.outcome("aborted").0, Outcome::Cancelled);
}

#[test]
fn what_was_run_comes_before_what_was_logged() {
    let records = records_of(|| {
        let failed = || error!(error = &Broken as &dyn Error, "first try failed");
        let _ = to!("second try").run(|| {
            failed();
            Ok::<_, Broken>(())
        });
        to!("cannot tell").run(failed);
        let twice = to!("twice");
        let _ = twice.run(|| Err::<(), _>(Broken));
        let _ = twice.run(|| Ok::<_, Broken>(()));
        let late = to!("late error");
        let _ = late.run(|| Ok::<_, Broken>(()));
        late.in_scope(failed);
        drop(late);
        let said = to!("said");
        said.fail(&Broken);
        let _ = said.run(|| Ok::<_, Broken>(()));
    });
    assert_eq!(records.outcome("second try"), (Outcome::Ok, "".into()));
    assert_eq!(records.outcome("cannot tell").0, Outcome::Failed);
    assert_eq!(records.outcome("twice").0, Outcome::Ok);
    assert_eq!(records.outcome("late error").0, Outcome::Ok);
    assert_eq!(records.outcome("said").0, Outcome::Failed);
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
