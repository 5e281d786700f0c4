//! What comes with `tracing-subscriber`: JSON lines to a file by `tracing-appender`'s thread; and no layer at all.

use tracing::Dispatch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use crate::measure::Plan;
use crate::operation::{Part, rows};
use crate::table::Table;

pub(crate) fn fmt_json(plan: &Plan, table: &mut Table) {
    let file = tempfile::tempfile().expect("a file for the lines");
    let (writer, _guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .lossy(false)
        .finish(file);
    let layer = tracing_subscriber::fmt::layer().json().with_writer(writer);
    let subscriber = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(layer);
    // It writes nothing of spans.
    rows(
        "fmt().json() + tracing-appender",
        Part::Events,
        &Dispatch::new(subscriber),
        plan,
        table,
    );
}

pub(crate) fn registry_alone(plan: &Plan, table: &mut Table) {
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO);
    rows(
        "(the Registry without a layer)",
        Part::All,
        &Dispatch::new(subscriber),
        plan,
        table,
    );
}
