//! fastrace is no layer of `tracing`; this is what its own macros make of the same work.

use std::hint::black_box;

use fastrace::collector::{Config, Reporter};
use fastrace::prelude::*;

use crate::measure::{Cost, Plan};
use crate::operation::{EVENT, EVENT_BARE, EVENT_WIDE, SPAN, SPAN_TOP};
use crate::table::Table;

/// It hands a root's spans over when the root ends, so there are as many roots as a service has requests; each has so
/// many spans or events.
const IN_A_ROOT: u32 = 100;

struct Discard;

impl Reporter for Discard {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        black_box(spans);
    }
}

pub(crate) fn rows(plan: &Plan, table: &mut Table) {
    fastrace::set_reporter(Discard, Config::default());
    let user = black_box(String::from("leo"));
    let two = |i: u32| [("item", i.to_string()), ("user", user.clone())];
    let mut row = |operation, measure: &dyn Fn() -> Cost| {
        table.measure(plan, operation, "fastrace", measure);
    };
    let in_roots = |work: &dyn Fn(u32)| in_roots(plan, work);
    row(EVENT, &|| {
        in_roots(&|i| {
            LocalSpan::add_event(Event::new("taken from the shelf").with_properties(|| {
                let [item, user] = two(i);
                [item, user, ("ratio", 0.5.to_string())]
            }));
        })
    });
    row(EVENT_BARE, &|| {
        in_roots(&|_| LocalSpan::add_event(Event::new("taken from the shelf")))
    });
    row(EVENT_WIDE, &|| {
        in_roots(&|i| {
            LocalSpan::add_event(Event::new("taken from the shelf").with_properties(|| {
                let [item, user] = two(i);
                [
                    item,
                    user,
                    ("ratio", 0.5.to_string()),
                    ("shelf", 17_u64.to_string()),
                    ("fragile", false.to_string()),
                    ("colour", "green".to_owned()),
                    ("weight", (-3_i64).to_string()),
                    ("batch", "2026-11".to_owned()),
                    ("left", 12_u8.to_string()),
                    ("price", 9.99.to_string()),
                ]
            }));
        })
    });
    row(SPAN, &|| {
        in_roots(&|i| drop(LocalSpan::enter_with_local_parent("fetch").with_properties(|| two(i))))
    });
    row(SPAN_TOP, &|| {
        plan.measure(|i| {
            drop(Span::root("fetch", SpanContext::random()).with_properties(|| two(i)))
        })
    });
    fastrace::flush();
}

/// What a hundred of them cost with their root, divided by as many.
fn in_roots(plan: &Plan, work: &dyn Fn(u32)) -> Cost {
    let cost = Plan {
        each: plan.each / IN_A_ROOT,
        ..plan.clone()
    }
    .measure(|i| {
        let root = Span::root("handle order", SpanContext::random());
        let _parent = root.set_local_parent();
        (0..IN_A_ROOT).for_each(|n| work(i * IN_A_ROOT + n));
    });
    Cost {
        ns: cost.ns / f64::from(IN_A_ROOT),
        allocs: cost.allocs / f64::from(IN_A_ROOT),
    }
}
