//! Threads, runtimes and panics.
#![allow(missing_docs)]

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::*;
use distlog_layer::{FutureExt, Task, task, to, val};
use distlog_proto::{Kind, Outcome, Value};
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, info, info_span};

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("on purpose")
    }
}

#[test]
fn a_value_that_panics_spoils_nothing_else() {
    let records = records_of(|| {
        for _ in 0..3 {
            catch_unwind(|| info!(value = ?Panics, "never arrives")).unwrap_err();
        }
        let task = Task::from(info_span!("span", late = tracing::field::Empty));
        catch_unwind(AssertUnwindSafe(|| {
            task.span().record("late", tracing::field::debug(Panics))
        }))
        .unwrap_err();
        task.in_scope(|| info!(fine = ?val(&[1]), "afterwards"));
    });
    assert_eq!(records.len(), 3);
    let list = Value::List(vec![Value::I64(1)]);
    assert_eq!(
        records.with_message("afterwards").fields.get("fine"),
        Some(&list)
    );
    assert_eq!(records.outcome("span").0, Outcome::Ok);
}

#[test]
fn errors_of_debug_cost_only_what_is_missing() {
    struct Fails;
    impl fmt::Debug for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            Err(fmt::Error)
        }
    }
    let records = records_of(|| info!(value = ?Fails, after = 1, "message"));
    let record = records.with_message("message");
    assert_eq!(record.fields.get("value"), Some(&text("half")));
    assert_eq!(record.fields.get("after"), Some(&Value::I64(1)));
}

#[test]
fn many_threads_share_a_task() {
    let records = records_of(|| {
        let dispatch = tracing::dispatcher::get_default(Dispatch::clone);
        let top = task!("shared");
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let (dispatch, top) = (dispatch.clone(), top.clone());
                std::thread::spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        top.in_scope(|| {
                            (0..200)
                                .for_each(|i| to!("work").in_scope(|| info!(thread, i, "event")))
                        });
                    });
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    let top = id(records.begin("shared"));
    let mut children: Vec<u64> = records
        .of_kind(Kind::Begin)
        .iter()
        .filter_map(|r| task(r).path.parse().ok())
        .collect();
    children.sort_unstable();
    assert_eq!(
        children,
        (1..=1600).collect::<Vec<_>>(),
        "children of {top}"
    );
    assert_eq!(records.of_kind(Kind::End).len(), 1601);
}

async fn request(n: u32) {
    async {
        for step in 0..5 {
            async {
                tokio::task::yield_now().await;
                info!(n, step, "stepping");
            }
            .in_task(to!("step {step}"))
            .await;
        }
    }
    .in_task(task!(n, "request {n}"))
    .await;
}

fn tasks_stay_apart_on(runtime: tokio::runtime::Runtime) {
    let records = records_of(|| {
        runtime.block_on(async {
            let requests: Vec<_> = (0..20)
                .map(|n| tokio::spawn(request(n).with_current_subscriber()))
                .collect();
            for request in requests {
                request.await.unwrap();
            }
        });
    });
    for n in 0..20 {
        let begin = records.begin(&format!("request {n}"));
        for step in 0..5 {
            let event = records
                .iter()
                .find(|r| {
                    r.message == "stepping"
                        && r.fields.get("n") == Some(&Value::I64(n))
                        && r.fields.get("step") == Some(&Value::I64(step))
                })
                .unwrap();
            assert_eq!(id(event), format!("{}/{}", id(begin), step + 1));
        }
    }
    assert_eq!(records.of_kind(Kind::End).len(), 20 * 6);
    assert!(
        records
            .of_kind(Kind::End)
            .iter()
            .all(|r| r.outcome == Outcome::Ok)
    );
}

#[test]
fn tokio_with_many_threads() {
    tasks_stay_apart_on(
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .build()
            .unwrap(),
    );
}

#[test]
fn tokio_with_one_thread() {
    tasks_stay_apart_on(
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap(),
    );
}
