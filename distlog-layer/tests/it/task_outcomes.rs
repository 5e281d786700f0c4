//! How a task ends, and how long it took.

use std::error::Error;

use crate::common::*;
use distlog_layer::{FutureExt, current, task, to};
use distlog_proto::{Kind, Outcome, Severity};
use tracing::{error, info, info_span, instrument};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

#[derive(Debug)]
pub struct Broken;

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
