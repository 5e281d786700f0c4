//! A part of all traces is recorded, and of the others what went wrong or is forced.

use std::io;
use std::sync::Barrier;
use std::time::Duration;

use crate::common::*;
use crate::task_outcomes::Broken;
use distlog_layer::{
    Builder, ConnectError, Flush, FutureExt, IncomingSampled, RemoteParent, Task, Trust, bind,
    builder, current, import_task, task, to,
};
use distlog_proto::trace_context::{Incoming, Outgoing};
use distlog_proto::{Kind, Outcome, Record, TaskId, Value};
use tracing::subscriber::with_default;
use tracing::{Instrument, error, field, info, info_span, warn};
use tracing_subscriber::prelude::*;

/// The records of a program none of whose traces is sampled, and how many it did not write.
fn unsampled(work: impl FnOnce()) -> (Vec<Record>, u64) {
    sampled_by(|builder| builder.sample(0.0), work)
}

fn sampled_by(build: impl FnOnce(Builder) -> Builder, work: impl FnOnce()) -> (Vec<Record>, u64) {
    let daemon = Daemon::tcp();
    let (layer, guard) = build(builder().service("test"))
        .connect_push(daemon.address.clone())
        .unwrap();
    with_default(tracing_subscriber::registry().with(layer), || {
        work();
        info!("THE LAST");
    });
    let missing = guard.unsampled();
    assert_eq!(guard.dropped().total(), 0, "nothing is lost");
    assert_eq!(guard.close(LONG), Flush::Flushed);
    (daemon.until_message("THE LAST"), missing)
}

/// Kind and text of each record; of begins and ends the span's name.
fn story(records: &[Record]) -> Vec<(Kind, &str)> {
    let text = |record: &Record| -> &'static str {
        let text = match record.kind {
            Kind::Event => &record.message,
            _ => &record.callsite.template,
        };
        String::leak(text.clone())
    };
    records
        .iter()
        .map(|record| (record.kind, text(record)))
        .collect()
}

fn headers(task: &Task) -> Outgoing {
    task.foreign_trace_context()
}

fn incoming(headers: &Outgoing) -> Incoming {
    let state = headers.tracestate.as_deref().map(str::as_bytes);
    Incoming::parse([headers.traceparent.as_bytes()], state).unwrap()
}

fn caller(traceparent: &str, tracestate: &str) -> RemoteParent {
    let state = [tracestate.as_bytes()];
    RemoteParent::from_trace_context([traceparent.as_bytes()], state, Trust::Continue)
}

#[test]
fn of_a_trace_that_is_not_sampled_nothing_is_written() {
    let (records, missing) = unsampled(|| {
        task!(user = "leo", "handle").in_scope(|| {
            info!("one");
            bind("late", 1);
            let part = to!("part");
            part.link(&TaskId::random());
            part.in_scope(|| warn!(a = 1, "two"));
            current().success();
        });
        let future = async { info!("three") }.in_task(task!("future"));
        futures_executor(future);
        let dropped = async { std::future::pending::<()>().await }.in_task(task!("given up"));
        drop(dropped);
        info!(parent: None, "of no trace");
    });
    assert_eq!(story(&records), [(Kind::Event, "of no trace")]);
    // Begin and end of four tasks, three events, a field, a link.
    assert_eq!(missing, 8 + 3 + 2);
}

/// Runs a future that never waits.
fn futures_executor(future: impl Future) {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_ready());
}

#[test]
fn an_error_brings_its_task_and_those_above_it_with_the_times_they_had() {
    let (records, missing) = unsampled(|| {
        let top = info_span!(
            "top",
            user = "leo",
            otel.kind = "server",
            late = field::Empty
        );
        let _top = top.enter();
        info!("not written");
        to!("beside").in_scope(|| info!("not written"));
        let middle = info_span!("middle", otel.name = field::Empty);
        let link = TaskId::random();
        Task::from(middle.clone()).link(&link);
        middle.record("otel.name", "renamed");
        top.record("late", 7);
        middle.in_scope(|| {
            let low = to!("low {}", 3);
            low.in_scope(|| {
                error!(why = "broken", "it broke");
                info!("not written either");
                bind("after", true);
            });
        });
    });
    assert_eq!(
        story(&records),
        [
            (Kind::Begin, "top"),
            (Kind::Begin, "middle"),
            (Kind::Begin, "low {}"),
            (Kind::Event, "it broke"),
            (Kind::Bind, "low {}"),
            (Kind::End, "low {}"),
            (Kind::End, "middle"),
            (Kind::End, "top"),
        ]
    );
    // Three events, the task beside (begin, end), the link, two fields.
    assert_eq!(missing, 3 + 2 + 3);
    let [top, middle, low, event, .., end] = &records[..] else {
        unreachable!()
    };
    for (at, begin) in [top, middle, low].into_iter().enumerate() {
        assert_eq!(begin.number, 0);
        assert_eq!(task(begin).flags & 1, 0, "the trace is not sampled");
        assert!(begin.time <= event.time);
        assert!(at == 0 || begin.time >= records[at - 1].time);
        assert!(!begin.thread_name.is_empty());
    }
    assert_eq!(event.number, 1);
    assert_eq!(id(event), id(low));
    assert_eq!(task(low).parent_span_id, Some(task(middle).span_id));
    assert_eq!(task(middle).parent_span_id, Some(task(top).span_id));
    assert_eq!(low.message, "low 3");
    assert_eq!(records.end("low {}").message, "low 3");
    assert_eq!(top.span_kind, distlog_proto::SpanKind::Server);
    assert_eq!(task(top).context.get("user"), Some(&"leo".into()));
    assert_eq!(task(top).context.get("late"), Some(&Value::I64(7)));
    assert_eq!(middle.name, "renamed");
    assert_eq!(middle.links.len(), 1);
    assert_eq!(records.outcome("top").0, Outcome::Ok);
    assert!(end.duration + 1_000_000 >= end.time - top.time);
}

#[test]
fn a_task_that_fails_is_written_however_it_fails() {
    let failures: [(&str, fn()); 6] = [
        ("result", || {
            let work = || Err::<(), _>(io::Error::other("no"));
            to!("fails").run(work).unwrap_err();
        }),
        ("said", || _ = to!("fails").fail(&Broken)),
        ("status", || {
            drop(info_span!("fails", otel.status_code = "error"));
        }),
        ("panic", || {
            let panics = || to!("fails").in_scope(|| panic!("on purpose"));
            std::panic::catch_unwind(panics).unwrap_err();
        }),
        ("future", || {
            let future = async { Err::<(), _>(io::Error::other("no")) };
            futures_executor(future.in_task(to!("fails")));
        }),
        ("event", || {
            let fails = to!("fails");
            fails.in_scope(|| error!(error = &Broken as &dyn std::error::Error, "it broke"));
        }),
    ];
    for (how, fails) in failures {
        let (records, _) = unsampled(|| {
            let top = task!("top");
            top.in_scope(|| {
                info!("not written");
                fails();
                to!("well").run(|| Ok::<_, io::Error>(())).unwrap();
            });
        });
        let expected = [
            (Kind::Begin, "top"),
            (Kind::Begin, "fails"),
            (Kind::End, "fails"),
            (Kind::End, "top"),
        ];
        let records: Vec<Record> = records
            .into_iter()
            .filter(|record| record.kind != Kind::Event)
            .collect();
        assert_eq!(story(&records), expected, "{how}");
        assert_eq!(records.outcome("fails").0, Outcome::Failed, "{how}");
        assert_eq!(records.outcome("top").0, Outcome::Ok, "{how}");
        assert!(records.begin("fails").time <= records.end("fails").time);
    }
}

#[test]
fn a_failure_that_did_not_last_is_none() {
    let (records, _) = unsampled(|| {
        let work = task!("recovers");
        work.fail(&Broken);
        work.success();
    });
    assert_eq!(story(&records), []);
}

#[test]
fn tasks_that_ended_before_what_they_began_failed_are_written_with_their_ends() {
    let (records, missing) = unsampled(|| {
        let mut held = None;
        let mut child = None;
        let work = async {
            child = Some(info_span!("child"));
            held = Some(tracing::Span::current());
        };
        futures_executor(work.in_task(task!("request")));
        // The work of `request` is done; what it spawned goes on.
        std::thread::sleep(Duration::from_millis(2));
        child.take().unwrap().in_scope(|| error!("too late"));
        // What still holds the span changes nothing.
        Task::from(held.take().unwrap()).fail(&Broken);
    });
    assert_eq!(
        story(&records),
        [
            (Kind::Begin, "request"),
            (Kind::End, "request"),
            (Kind::Begin, "child"),
            (Kind::Event, "too late"),
            (Kind::End, "child"),
        ]
    );
    let (end, child) = (records.end("request"), records.with_message("too late"));
    assert_eq!(end.outcome, Outcome::Ok);
    assert!(end.time + 2_000_000 <= child.time, "it ended when it did");
    assert_eq!(missing, 0, "all was written in the end");
}

#[test]
fn what_is_forced_is_recorded_from_there_on() {
    type Force = fn();
    let ways: [(&str, Force); 4] = [
        ("an event", || info!(distlog.force = true, "watch this")),
        ("the task", || _ = current().force()),
        ("a field", || {
            tracing::Span::current().record("distlog.force", true);
        }),
        ("a span", || {
            info_span!("watched", distlog.force = true).in_scope(|| ());
        }),
    ];
    for (how, force) in ways {
        let mut sent = Vec::new();
        let (records, _) = unsampled(|| {
            let top = info_span!("top", distlog.force = field::Empty);
            top.in_scope(|| {
                let open = to!("open before");
                to!("not written").in_scope(|| info!("not written"));
                info!(distlog.force = false, "not written");
                sent.push(headers(&current()));
                force();
                sent.push(headers(&current()));
                info!("written");
                to!("part").in_scope(|| info!("in the part"));
                open.in_scope(|| info!("in what was open before"));
            });
            // Another trace.
            task!("not written").in_scope(|| info!("not written"));
        });
        let story: Vec<_> = story(&records)
            .into_iter()
            .filter(|(kind, text)| {
                *kind != Kind::Bind && !matches!(*text, "watch this" | "watched")
            })
            .collect();
        assert_eq!(
            story,
            [
                (Kind::Begin, "top"),
                (Kind::Event, "written"),
                (Kind::Begin, "part"),
                (Kind::Event, "in the part"),
                (Kind::End, "part"),
                (Kind::Begin, "open before"),
                (Kind::Event, "in what was open before"),
                (Kind::End, "open before"),
                (Kind::End, "top"),
            ],
            "{how}"
        );
        for message in ["written", "in the part", "in what was open before"] {
            assert_eq!(
                task(records.with_message(message)).flags,
                3,
                "{how}: {message}"
            );
        }
        let flags: Vec<u8> = sent.iter().map(|sent| incoming(sent).flags).collect();
        assert_eq!(flags, [2, 3], "{how}: called services learn it");
    }
}

#[test]
fn a_trace_is_forced_where_only_the_caller_does_not_sample_it() {
    let unsampled = "00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-02";
    let mut flags = Vec::new();
    let (records, missing) = sampled_by(
        |builder| builder,
        || {
            import_task!(caller(unsampled, ""), "answer").in_scope(|| {
                flags.push(incoming(&headers(&current())).flags);
                info!("as ever");
                info!(distlog.force = true, "watch this");
                flags.push(incoming(&headers(&current())).flags);
            });
        },
    );
    assert_eq!(records.len(), 4);
    assert_eq!(missing, 0);
    assert_eq!(flags, [2, 3]);
    assert_eq!(task(records.with_message("as ever")).flags, 2);
    assert_eq!(task(records.with_message("watch this")).flags, 3);
}

#[test]
fn headers_say_whether_a_trace_is_sampled_and_at_which_ratio() {
    let mut sent = Vec::new();
    sampled_by(
        |builder| builder.sample(0.25),
        || sent.extend((0..400).map(|n| (task!("order {}", n).id(), headers(&task!("{}", n))))),
    );
    let (mut yes, mut no) = (0, 0);
    for (_, sent) in sent {
        let caller = incoming(&sent);
        let low = caller.trace_id.to_bytes()[9];
        let kept = low >= 0xc0;
        assert_eq!(caller.flags, if kept { 3 } else { 2 });
        let state = if kept { "ot=th:c" } else { "" };
        assert_eq!(caller.trace_state, state);
        *(if kept { &mut yes } else { &mut no }) += 1;
    }
    assert!(yes > 40 && no > 200, "{yes} {no}");
    // Also where no task is open.
    let mut alone = Vec::new();
    let (records, _) = sampled_by(
        |builder| builder.sample(0.0),
        || alone.push(incoming(&headers(&current())).flags),
    );
    assert!(records.is_empty());
    assert_eq!(alone, [2]);
}

#[test]
fn callers_decide_where_they_are_respected() {
    // By its id 0 < 0.5 would not keep it, 1 - 2⁻⁵⁶ would.
    let low = "00-e252a11fd33d483dba00000000000000-99134579e8496ab7";
    let high = "00-e252a11fd33d483dbaffffffffffffff-99134579e8496ab7";
    let ignore = IncomingSampled::Ignore;
    let respect = IncomingSampled::Respect;
    for (ratio, policy, parent, flags, is_recorded, sent) in [
        (None, ignore, low, "00", true, 0),
        (None, ignore, low, "01", true, 1),
        (None, respect, low, "00", false, 0),
        (None, respect, low, "03", true, 3),
        (Some(0.0), respect, high, "01", true, 1),
        (Some(1.0), respect, high, "02", false, 2),
        (Some(0.5), ignore, low, "01", false, 0),
        (Some(0.5), ignore, high, "02", true, 3),
    ] {
        let case = format!("{ratio:?} {policy:?} {parent}-{flags}");
        let mut out = None;
        let (records, _) = sampled_by(
            |builder| match ratio {
                Some(ratio) => builder.sample(ratio).incoming_sampled(policy),
                None => builder.incoming_sampled(policy),
            },
            || {
                let from = caller(&format!("{parent}-{flags}"), "a=b,ot=th:8,c=d");
                import_task!(from, "answer").in_scope(|| out = Some(headers(&current())));
            },
        );
        assert_eq!(records.len(), if is_recorded { 2 } else { 0 }, "{case}");
        let out = incoming(&out.unwrap());
        assert_eq!(out.flags, sent, "{case}");
        let state = match (policy, ratio, is_recorded) {
            (IncomingSampled::Ignore, Some(_), true) => "ot=th:8,a=b,c=d",
            (IncomingSampled::Ignore, Some(_), false) => "a=b,c=d",
            _ => "a=b,ot=th:8,c=d",
        };
        assert_eq!(out.trace_state, state, "{case}");
    }
}

#[test]
fn an_id_in_a_text_says_nothing_of_sampling_and_the_ratio_decides() {
    let kept = "e252a11f-d33d-483d-baff-ffffffffffff/1";
    let dropped = "e252a11f-d33d-483d-ba00-000000000000/1";
    for policy in [IncomingSampled::Ignore, IncomingSampled::Respect] {
        let (records, _) = sampled_by(
            |builder| builder.sample(0.5).incoming_sampled(policy),
            || {
                for id in [kept, dropped] {
                    import_task!(id, "work on a message").in_scope(|| info!("{id}"));
                }
            },
        );
        assert_eq!(records.len(), 3);
        records.with_message(kept);
    }
}

#[test]
fn threads_that_fail_at_once_begin_what_is_above_them_once() {
    for _ in 0..30 {
        let (records, _) = unsampled(|| {
            let top = info_span!("top");
            let middle = info_span!(parent: &top, "middle");
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            let barrier = Barrier::new(8);
            std::thread::scope(|scope| {
                for n in 0..8 {
                    let (middle, dispatch, barrier) = (middle.clone(), &dispatch, &barrier);
                    scope.spawn(move || {
                        tracing::dispatcher::with_default(dispatch, || {
                            let span = info_span!(parent: &middle, "part");
                            drop(middle);
                            barrier.wait();
                            match n % 2 {
                                0 => _ = Task::from(span).fail(&Broken),
                                _ => span.in_scope(|| error!("it broke")),
                            }
                        });
                    });
                }
                drop(middle);
                drop(top);
            });
        });
        let mut open = std::collections::HashMap::new();
        for record in &records {
            let span = task(record).span_id;
            match record.kind {
                Kind::Begin => {
                    assert_eq!(open.insert(span, true), None, "begun once: {records:#?}");
                    let parent = task(record).parent_span_id;
                    assert!(parent.is_none_or(|parent| open.contains_key(&parent)));
                }
                Kind::End => assert_eq!(open.insert(span, false), Some(true), "{records:#?}"),
                _ => assert!(open[&span]),
            }
        }
        assert_eq!(open.len(), 10);
        assert!(open.values().all(|is_open| !is_open), "{records:#?}");
    }
}

#[test]
fn the_error_that_instrument_logs_brings_the_span_that_it_means() {
    #[tracing::instrument(err)]
    fn fails() -> Result<(), Broken> {
        Err(Broken)
    }
    let (records, _) = unsampled(|| {
        let _ = info_span!("top").in_scope(fails);
        futures_executor(async { info!("fine") }.instrument(info_span!("instrumented")));
    });
    let begins: Vec<_> = story(&records)
        .into_iter()
        .filter(|(kind, _)| *kind == Kind::Begin)
        .collect();
    assert_eq!(begins, [(Kind::Begin, "top"), (Kind::Begin, "fails")]);
    assert_eq!(records.outcome("fails").0, Outcome::Failed);
}

#[test]
fn what_is_no_ratio_is_refused_with_what_it_must_be() {
    for ratio in [-0.1, 1.5, f64::NAN] {
        let refused = builder().sample(ratio).connect("tcp://127.0.0.1:5011");
        let error = refused.map(|_| ()).unwrap_err();
        assert!(matches!(error, ConnectError::Sample(_)));
        let expected =
            format!("`sample`: `{ratio}` is no ratio: expected a number from 0 (none) to 1 (all)");
        assert_eq!(error.to_string(), expected);
    }
}
