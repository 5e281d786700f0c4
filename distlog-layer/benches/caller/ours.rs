//! This crate's layer, on each way to the daemon.

use std::time::Duration;

use distlog_layer::{Builder, ConnectError, DistlogLayer, Guard, Overflow, builder};
use tracing::Dispatch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use crate::measure::Plan;
use crate::operation::{Part, rows};
use crate::receivers;
use crate::table::Table;

pub(crate) fn session(plan: &Plan, table: &mut Table) {
    let receiver = receivers::session();
    row("distlog", plan, table, |builder| builder.connect(receiver));
}

pub(crate) fn session_with_spool(plan: &Plan, table: &mut Table) {
    let (receiver, spool) = (
        receivers::session(),
        tempfile::tempdir().expect("a directory for the spool"),
    );
    row("distlog, with a spool", plan, table, |builder| {
        builder.spool(spool.path()).connect(receiver)
    });
}

pub(crate) fn push(plan: &Plan, table: &mut Table) {
    let receiver = receivers::push();
    row("distlog, push", plan, table, |builder| {
        builder.connect_push(receiver)
    });
}

/// What redaction costs where it is used and finds nothing; then with a field that is hidden in each event.
pub(crate) fn session_redacting(plan: &Plan, table: &mut Table) {
    for (name, names) in [
        ("distlog, redacting names", &["password", "authorization"]),
        (
            "distlog, redacting a name that is there",
            &["password", "user"],
        ),
    ] {
        let receiver = receivers::session();
        row(name, plan, table, |builder| {
            builder.redact(*names).connect(receiver)
        });
    }
    let (receiver, patterns) = (receivers::session(), [r"\b\d{13,16}\b", r"Bearer \S+"]);
    row("distlog, redacting patterns", plan, table, |builder| {
        let builder = builder.redact_patterns(patterns);
        builder.expect("the patterns are good").connect(receiver)
    });
}

/// What is left where nothing is recorded.
pub(crate) fn session_unsampled(plan: &Plan, table: &mut Table) {
    let receiver = receivers::session();
    row("distlog, not sampled", plan, table, |builder| {
        builder.sample(0.0).connect(receiver)
    });
}

/// What a filter costs that a daemon could change and does not.
pub(crate) fn session_with_levels(plan: &Plan, table: &mut Table) {
    let receiver = receivers::session();
    let builder = builder().overflow(Overflow::Block(Duration::from_secs(1)));
    let (layer, guard) = builder.connect(receiver).expect("the layer connects");
    let levels = guard.levels("info").expect("a level");
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(levels));
    let name = "distlog, levels filter, nothing raised";
    rows(name, Part::All, &Dispatch::new(subscriber), plan, table);
    assert_eq!(guard.dropped().total(), 0, "dropping would be cheating");
}

fn row(
    name: &str,
    plan: &Plan,
    table: &mut Table,
    connect: impl FnOnce(Builder) -> Result<(DistlogLayer, Guard), ConnectError>,
) {
    let builder = builder().overflow(Overflow::Block(Duration::from_secs(1)));
    let (layer, guard) = connect(builder).expect("the layer connects");
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(layer);
    rows(name, Part::All, &Dispatch::new(subscriber), plan, table);
    assert_eq!(guard.dropped().total(), 0, "dropping would be cheating");
}
