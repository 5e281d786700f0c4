//! Several daemons, of which some go and come back.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::scripted_daemon::ScriptedDaemon;
use crate::common::store::{Kept, Store};
use crate::common::*;
use distlog_layer::{Builder, Flush, Guard, builder};
use distlog_proto::session::ByeReason;
use distlog_proto::{Severity, Value};
use tracing::{Dispatch, dispatcher::with_default, error, info};
use tracing_subscriber::prelude::*;

fn quick(builder: Builder) -> Builder {
    builder
        .heartbeat(Duration::from_millis(100))
        .failover_timeouts(|p| {
            p.absent = Duration::from_millis(200);
            p.stuck = Duration::from_millis(500);
            p.probe = Duration::from_millis(100);
        })
}

fn connect(stores: &[&Store]) -> (Dispatch, Guard) {
    let addresses: Vec<_> = stores.iter().map(|store| store.address.clone()).collect();
    let (layer, guard) = quick(builder()).connect(addresses).unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    (dispatch, guard)
}

fn log(dispatch: &Dispatch, what: &str) {
    with_default(dispatch, || info!("{what}"));
}

/// An address where nobody is.
fn nobody() -> Store {
    let store = Store::tcp();
    let address = store.address.clone();
    store.die();
    Store::nowhere(address)
}

#[test]
fn the_next_one_is_taken_when_the_first_is_away_and_the_first_when_it_is_back() {
    let (first, second) = (Store::tcp(), Store::tcp());
    let address = first.address.clone();
    let (dispatch, guard) = connect(&[&first, &second]);
    log(&dispatch, "to the first");
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    assert_eq!(first.kept().messages(), ["to the first"]);
    let kept = first.die();

    log(&dispatch, "to the second");
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    assert_eq!(second.kept().messages(), ["to the second"]);

    let first = Store::at(&address, kept);
    second.until("it says where it goes", |kept| {
        kept.byes.iter().any(|bye| bye.1 == ByeReason::Moving)
    });
    log(&dispatch, "to the first again");
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    let producer = guard.producer();
    assert_eq!(guard.close(LONG), Flush::Flushed);
    first.until("it ends there", |kept| {
        kept.byes == [(producer, ByeReason::Done, [0; 5])]
    });
    assert_eq!(
        first.kept().messages(),
        ["to the first", "to the first again"]
    );
    assert_eq!(second.kept().messages(), ["to the second"]);
    // In the order in which they were used, over both: each is higher than the one before.
    let (first, second) = (
        first.kept().epochs(producer),
        second.kept().epochs(producer),
    );
    let [begin, .., end] = first[..] else {
        panic!("{first:?}")
    };
    assert!(first.is_sorted() && second.is_sorted());
    assert!(second.iter().all(|epoch| (begin + 1..end).contains(epoch)));
}

#[test]
fn one_that_is_not_there_at_the_beginning_is_passed() {
    let (first, second) = (nobody(), Store::tcp());
    let (dispatch, guard) = connect(&[&first, &second]);
    log(&dispatch, "hello");
    assert_eq!(guard.close(LONG), Flush::Flushed);
    second.until("it ends", |kept| kept.byes.len() == 1);
    assert_eq!(second.kept().messages(), ["hello"]);
}

#[test]
fn one_that_answers_nobody_is_asked_in_vain_and_disturbs_nothing() {
    let (first, second) = (ScriptedDaemon::tcp(), Store::tcp());
    let addresses = [first.address.clone(), second.address.clone()];
    let (layer, guard) = quick(builder()).connect(addresses).unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    let mut epochs = Vec::new();
    for i in 0..5 {
        let (_, hello) = first.hello();
        epochs.push(hello.epoch);
        if i > 0 {
            log(&dispatch, "while it is asked");
            assert_eq!(guard.flush(LONG), Flush::Flushed);
        }
    }
    assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
    let kept = second.kept();
    assert_eq!(kept.messages(), ["while it is asked"; 4]);
    assert_eq!(kept.hellos.len(), 1);
    assert!(kept.byes.is_empty());
}

#[test]
fn one_that_stops_says_so_and_is_left_at_once() {
    let (first, second) = (Store::tcp(), Store::tcp());
    let addresses = [first.address.clone(), second.address.clone()];
    // Nothing but its word makes the client go so soon.
    let (layer, guard) = builder().connect(addresses).unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    log(&dispatch, "one");
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    let kept = first.close();
    assert_eq!(kept.messages(), ["one"]);
    log(&dispatch, "two");
    assert_eq!(guard.flush(Duration::from_secs(3)), Flush::Flushed);
    assert_eq!(second.kept().messages(), ["two"]);
}

#[test]
fn one_that_takes_nothing_is_left() {
    let (first, second) = (Store::tcp(), Store::tcp());
    let (dispatch, guard) = connect(&[&first, &second]);
    log(&dispatch, "one");
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    first.stick();
    log(&dispatch, "two");
    assert_eq!(guard.flush(LONG), Flush::Flushed);
    second.until_message("two");
    first.until("it is told", |kept| {
        kept.byes.iter().any(|bye| bye.1 == ByeReason::Moving)
    });
    assert_eq!(first.kept().messages(), ["one"]);
}

#[test]
fn nothing_is_lost_on_the_way() {
    const RECORDS: u64 = 3000;
    let mut stores = [Store::tcp(), Store::tcp()];
    let (dispatch, guard) = connect(&[&stores[0], &stores[1]]);
    let mut kept = [Kept::default(), Kept::default()];
    for i in 0..RECORDS {
        with_default(&dispatch, || info!(i, "counted"));
        if i % 1000 == 500 {
            // The one it is with stops in the midst of it, and is there again soon.
            let at = usize::from(stores[1].kept().records.len() > kept[1].records.len());
            let address = stores[at].address.clone();
            let other = std::mem::replace(&mut stores[at], Store::nowhere(address.clone()));
            kept[at] = other.close();
            stores[at] = Store::at(&address, kept[at].clone());
        }
    }
    assert_eq!(guard.close(LONG), Flush::Flushed);
    let mut seen = BTreeSet::new();
    for store in &stores {
        let kept = store.kept();
        let mut offsets = BTreeSet::new();
        for record in &kept.records {
            assert!(offsets.insert(record.offset), "twice in one store");
            if let Some(Value::I64(i)) = record.fields.get("i") {
                seen.insert(*i as u64);
            }
        }
    }
    assert_eq!(seen, (0..RECORDS).collect::<BTreeSet<_>>());
}

#[test]
fn what_overflows_while_nobody_is_there_is_counted_exactly_and_told() {
    const LOGGED: u64 = 3000;
    let away = nobody();
    let (layer, guard) = quick(builder().ring_bytes(64 * 1024))
        .connect(away.address.clone())
        .unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    with_default(&dispatch, || {
        for i in 0..LOGGED {
            match i % 3 {
                0 => error!(i, "counted"),
                _ => info!(i, "counted"),
            }
        }
    });
    let dropped = guard.dropped();
    assert!(dropped.total() > 1000);
    let store = Store::at(&away.address, Kept::default());
    store.until("the loss is told", |kept| {
        kept.messages().iter().any(|m| m.starts_with("lost "))
    });
    // What comes now is not lost, and the loss is told once.
    with_default(&dispatch, || info!("afterwards"));
    assert_eq!(guard.close(LONG), Flush::Flushed);
    store.until("it ends", |kept| kept.byes.len() == 1);
    let kept = store.kept();
    assert_eq!(kept.byes[0].2, [dropped.error, 0, dropped.info, 0, 0]);
    let of = |severity| {
        let counted = kept.records.iter().filter(|r| r.message == "counted");
        counted.filter(|r| r.callsite.severity == severity).count() as u64
    };
    assert_eq!(of(Severity::ERROR) + dropped.error, LOGGED / 3);
    assert_eq!(of(Severity::INFO) + dropped.info, LOGGED / 3 * 2);
    let told: Vec<_> = kept
        .records
        .iter()
        .filter(|r| r.message.starts_with("lost "))
        .collect();
    let [told] = told[..] else {
        panic!("{told:#?}")
    };
    for (field, count) in [
        ("lost.total", dropped.total()),
        ("lost.sum", dropped.total()),
        ("lost.error", dropped.error),
        ("lost.info", dropped.info),
        ("lost.warn", 0),
    ] {
        assert_eq!(
            told.fields.get(field),
            Some(&Value::I64(count as i64)),
            "{field}"
        );
    }
    assert_eq!(kept.records.last().unwrap().message, "afterwards");
}
