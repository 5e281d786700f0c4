//! emit, which has macros of its own, with its writer of JSON lines in a thread of its own.

use std::hint::black_box;
use std::time::Duration;

use crate::measure::{Cost, Plan};
use crate::operation::{DISABLED, EVENT, EVENT_ALONE, EVENT_BARE, EVENT_FORMATTED, SPAN, SPAN_TOP};
use crate::table::Table;

pub(crate) fn rows(plan: &Plan, table: &mut Table) {
    let dir = tempfile::tempdir().expect("a directory for the lines");
    let files = emit_file::set(dir.path().join("log.jsonl")).spawn();
    let running = emit::setup()
        .emit_to(files)
        .emit_when(emit::level::min_filter(emit::Level::Info))
        .init();
    let user = black_box(String::from("leo"));
    let user = user.as_str();
    let three = |i: u32| emit::info!("taken from the shelf", item: i, user, ratio: 0.5);
    let mut row = |operation, measure: &dyn Fn() -> Cost| {
        table.measure(plan, operation, "emit + emit_file", measure);
    };
    row(EVENT, &|| order("leo", &|| plan.measure(three)));
    row(EVENT_BARE, &|| {
        order("leo", &|| {
            plan.measure(|_| emit::info!("taken from the shelf"))
        })
    });
    row(EVENT_FORMATTED, &|| {
        order("leo", &|| {
            plan.measure(|i| emit::info!("taken {user} from shelf {item}", item: i, ratio: 0.5))
        })
    });
    row(EVENT_ALONE, &|| plan.measure(three));
    row(SPAN, &|| order("leo", &|| plan.measure(|i| fetch(i, user))));
    row(SPAN_TOP, &|| plan.measure(|i| fetch(i, user)));
    row(DISABLED, &|| {
        plan.measure(|i| emit::debug!("not wanted", item: i, user))
    });
    running.blocking_flush(Duration::from_secs(10));
}

#[emit::info_span("handle order 7", user)]
fn order(user: &str, work: &dyn Fn() -> Cost) -> Cost {
    work()
}

#[emit::info_span("fetch", item, user)]
fn fetch(item: u32, user: &str) {
    black_box((item, user));
}
