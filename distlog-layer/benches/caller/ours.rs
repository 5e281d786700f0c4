//! This crate's layer, on each way to the daemon.

use std::time::Duration;

use distlog_layer::{Builder, ConnectError, DistlogLayer, Guard, Overflow, builder};
use tracing::Dispatch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use crate::doors;
use crate::measure::Plan;
use crate::operation::{Part, rows};
use crate::table::Table;

pub(crate) fn session(plan: &Plan, table: &mut Table) {
    let door = doors::session();
    row("distlog", plan, table, |builder| builder.connect(door));
}

pub(crate) fn session_with_spool(plan: &Plan, table: &mut Table) {
    let (door, spool) = (
        doors::session(),
        tempfile::tempdir().expect("a directory for the spool"),
    );
    row("distlog, with a spool", plan, table, |builder| {
        builder.spool(spool.path()).connect(door)
    });
}

pub(crate) fn push(plan: &Plan, table: &mut Table) {
    let door = doors::push();
    row("distlog, push", plan, table, |builder| {
        builder.connect_push(door)
    });
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
