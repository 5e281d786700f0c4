//! The parent of a task, with filters between.

use std::error::Error;

use crate::common::*;
use crate::task_outcomes::Broken;
use distlog_layer::{DistlogLayer, FutureExt, current, task, to};
use distlog_proto::{Kind, Outcome, Record};
use tracing::subscriber::with_default;
use tracing::{Span, debug, debug_span, error, info, info_span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

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
