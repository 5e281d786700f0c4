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
pub(crate) const EVENT_THREADS: [(u32, &str); 2] = [
    (2, "event, 3 fields, 2 threads at once"),
    (4, "event, 3 fields, 4 threads at once"),
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
            spans(name, plan, table);
        }
    });
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
    for (threads, operation) in EVENT_THREADS {
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

fn spans(name: &str, plan: &Plan, table: &mut Table) {
    let user = black_box(String::from("leo"));
    let span = |i: u32| drop(info_span!("fetch", item = i, user = user.as_str()));
    table.measure(plan, SPAN, name, || order().in_scope(|| plan.measure(span)));
    table.measure(plan, SPAN_TOP, name, || plan.measure(span));
}
