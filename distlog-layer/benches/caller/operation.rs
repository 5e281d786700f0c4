//! What is measured, as everybody who logs through `tracing` does it.

use std::hint::black_box;

use distlog_layer::task;
use tracing::{Dispatch, Span, debug, dispatcher::with_default, info, info_span};

use crate::measure::{Cost, Plan};
use crate::table::Table;

pub(crate) const EVENT: &str = "event, 3 fields";
pub(crate) const EVENT_BARE: &str = "event, no fields";
pub(crate) const EVENT_WIDE: &str = "event, 10 fields";
pub(crate) const EVENT_FORMATTED: &str = "event, 3 fields, formatted message";
pub(crate) const EVENT_ALONE: &str = "event, 3 fields, outside a task";
const EVENT_THREADS: [(u32, &str); 4] = [
    (2, "event, 3 fields, 2 threads at once"),
    (4, "event, 3 fields, 4 threads at once"),
    (8, "event, 3 fields, 8 threads at once"),
    (16, "event, 3 fields, 16 threads at once"),
];
const SPAN_THREADS: [(u32, &str); 4] = [
    (2, "span, 2 threads at once"),
    (4, "span, 4 threads at once"),
    (8, "span, 8 threads at once"),
    (16, "span, 16 threads at once"),
];
pub(crate) const SPAN: &str = "span with 2 fields, begin + end";
pub(crate) const SPAN_TOP: &str = "span with 2 fields, begin + end, new trace";
pub(crate) const DISABLED: &str = "disabled event";

/// What some way of logging is measured at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Events,
    Spans,
    All,
}

/// Measures a subscriber of `tracing`.
pub(crate) fn rows(name: &str, part: Part, dispatch: &Dispatch, plan: &Plan, table: &mut Table) {
    with_default(dispatch, || {
        if part != Part::Spans {
            events(name, dispatch, plan, table);
        }
        if part != Part::Events {
            spans(name, dispatch, plan, table);
        }
    });
}

/// Two threads, and more where there is a core for each.
fn at_once(
    operations: &'static [(u32, &'static str)],
) -> impl Iterator<Item = (u32, &'static str)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let has_room = move |(threads, _): &(u32, &str)| *threads <= 2 || *threads as usize <= cores;
    operations.iter().copied().filter(has_room)
}

fn order() -> Span {
    task!(user = "leo", "handle order {}", 7).span().clone()
}

fn events(name: &str, dispatch: &Dispatch, plan: &Plan, table: &mut Table) {
    let user = black_box(String::from("leo"));
    let user = user.as_str();
    let three = |i: u32| info!(item = i, user, ratio = 0.5, "taken from the shelf");
    let mut row = |operation, measure: &dyn Fn() -> Cost| {
        table.measure(plan, operation, name, measure);
    };
    let inside = |measure: &dyn Fn() -> Cost| order().in_scope(measure);

    row(EVENT, &|| inside(&|| plan.measure(three)));
    row(EVENT_BARE, &|| {
        inside(&|| plan.measure(|_| info!("taken from the shelf")))
    });
    row(EVENT_WIDE, &|| {
        inside(&|| {
            plan.measure(|i| {
                info!(
                    item = i,
                    user,
                    ratio = 0.5,
                    shelf = 17_u64,
                    fragile = false,
                    colour = "green",
                    weight = -3_i64,
                    batch = "2026-11",
                    left = 12_u8,
                    price = 9.99,
                    "taken from the shelf"
                )
            })
        })
    });
    row(EVENT_FORMATTED, &|| {
        inside(&|| {
            plan.measure(|i| {
                info!(
                    item = i,
                    user,
                    ratio = 0.5,
                    "taken {} from shelf {}",
                    user,
                    i
                )
            })
        })
    });
    row(EVENT_ALONE, &|| plan.measure(three));
    for (threads, operation) in at_once(&EVENT_THREADS) {
        row(operation, &|| {
            plan.measure_threads(
                threads,
                |thread| with_default(dispatch, || order().in_scope(thread)),
                three,
            )
        });
    }
    row(DISABLED, &|| {
        plan.measure(|i| debug!(item = i, user, "not wanted"))
    });
}

fn spans(name: &str, dispatch: &Dispatch, plan: &Plan, table: &mut Table) {
    let user = black_box(String::from("leo"));
    let user = user.as_str();
    let span = |i: u32| drop(info_span!("fetch", item = i, user));
    table.measure(plan, SPAN, name, || order().in_scope(|| plan.measure(span)));
    table.measure(plan, SPAN_TOP, name, || plan.measure(span));
    for (threads, operation) in at_once(&SPAN_THREADS) {
        table.measure(plan, operation, name, || {
            plan.measure_threads(
                threads,
                |thread| with_default(dispatch, || order().in_scope(thread)),
                span,
            )
        });
    }
}
