//! Levels that a daemon, or a caller, changes while the program runs.
//!
//! What callsites are worth belongs to the whole process, so this test is alone in it.
#![allow(missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::scripted_daemon::{Heard, Peer, ScriptedDaemon};
use common::*;
use distlog_layer::{LevelsFilter, RemoteParent, Task, Trust, builder, import_task, task, to};
use distlog_proto::levels::Level;
use distlog_proto::session::{LevelSet, Levels, NO_LEVELS, TaskLevel, ToClient};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber, debug, info, trace};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

const SESSION: u64 = 5;

/// Counts how often the filter is asked about an event or span.
struct Counting(LevelsFilter, Arc<AtomicUsize>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for Counting {
    fn enabled(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.enabled(metadata, ctx)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        <LevelsFilter as Filter<S>>::callsite_enabled(&self.0, metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        <LevelsFilter as Filter<S>>::max_level_hint(&self.0)
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The daemon's end of the session.
struct Session {
    daemon: ScriptedDaemon,
    peer: Peer,
}

impl Session {
    /// Says levels until they are applied.
    fn say(&self, version: u64, sets: &[(&'static str, Duration)], tasks: &[(&Task, Level)]) {
        let sets = sets.iter().map(|(directives, left)| LevelSet {
            directives: (*directives).into(),
            left: left.as_nanos() as u64,
        });
        let tasks = tasks.iter().map(|(task, level)| TaskLevel {
            task: task.id().unwrap().to_string().into(),
            level: *level,
            left: 0,
        });
        let levels = Levels {
            session: SESSION,
            version,
            sets: sets.collect(),
            tasks: tasks.collect(),
        };
        self.daemon.say(&self.peer, &ToClient::Levels(levels));
        self.until_applied(version);
    }

    fn until_applied(&self, version: u64) {
        let deadline = Instant::now() + LONG;
        loop {
            assert!(Instant::now() < deadline, "no ping has version {version}");
            match self.daemon.hear(LONG) {
                Some((_, Heard::Ping(ping))) if ping.levels == version => return,
                Some((_, Heard::Batch(batch))) => self.ack(batch.header.to),
                _ => {}
            }
        }
    }

    fn ack(&self, to: u64) {
        self.daemon.ack(&self.peer, SESSION, to, u64::MAX);
    }

    /// The messages of events that come until the last one does, which is logged now.
    fn events(&self, last: &str) -> Vec<String> {
        info!("{last}");
        let mut messages = Vec::new();
        while messages.last().is_none_or(|message| message != last) {
            let Some((_, heard)) = self.daemon.hear(LONG) else {
                panic!("`{last}` did not come after {messages:?}")
            };
            if let Heard::Batch(batch) = heard {
                self.ack(batch.header.to);
                let events = batch.records.iter();
                let events = events.filter(|record| record.kind == distlog_proto::Kind::Event);
                messages.extend(events.map(|record| record.message.clone()));
            }
        }
        messages.pop();
        messages
    }
}

fn log_everywhere(what: &str) {
    debug!(target: "orders", "orders {what}");
    trace!(target: "orders", "orders, more {what}");
    debug!(target: "hyper", "hyper {what}");
}

fn caller(trace_state: &str, trust: Trust) -> RemoteParent {
    let parent = b"00-e252a11fd33d483dba08bc8f642b2f10-99134579e8496ab7-01";
    RemoteParent::from_trace_context([&parent[..]], [trace_state.as_bytes()], trust)
}

#[test]
fn levels_change_while_the_program_runs_and_cost_nothing_while_they_do_not() {
    let daemon = ScriptedDaemon::tcp();
    let builder = builder().service("test").heartbeat(Duration::from_secs(20));
    let (layer, guard) = builder.connect(daemon.address.clone()).unwrap();
    let fault = guard.levels("info,orders=debgu").unwrap_err();
    assert_eq!(fault.column, 13, "{fault}");
    let asked = Arc::new(AtomicUsize::new(0));
    let filter = Counting(guard.levels("info").unwrap(), Arc::clone(&asked));
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(layer.with_filter(filter)),
    )
    .unwrap();

    // Off: no thread that logs asks the filter.
    (0..1000).for_each(|_| log_everywhere("off"));
    task!("a task").in_scope(|| info!("an event"));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(LevelFilter::current(), LevelFilter::INFO);

    let (peer, hello) = daemon.hello();
    daemon.welcome(&peer, &hello, SESSION, hello.acked, u64::MAX);
    let session = Session { daemon, peer };
    session.until_applied(NO_LEVELS);

    // A target is raised, without asking, and lowered again.
    session.say(2, &[("orders=debug", Duration::ZERO)], &[]);
    log_everywhere("raised");
    assert_eq!(session.events("one"), ["an event", "orders raised"]);
    session.say(3, &[], &[]);
    log_everywhere("lowered");
    assert_eq!(session.events("two"), [""; 0]);
    assert_eq!(LevelFilter::current(), LevelFilter::INFO);
    assert_eq!(asked.load(Ordering::Relaxed), 0);

    // The program knows itself when the time is over.
    session.say(
        4,
        &[
            ("trace", Duration::from_millis(200)),
            ("hyper=off", Duration::ZERO),
        ],
        &[],
    );
    eventually("it is over", || LevelFilter::current() == LevelFilter::INFO);
    log_everywhere("over");
    info!(target: "hyper", "without an end");
    assert_eq!(session.events("three"), [""; 0]);

    // One task is raised, and what is below it.
    let (one, other) = (task!("one"), task!("another"));
    session.say(5, &[], &[(&one, Level::Debug)]);
    one.in_scope(|| {
        log_everywhere("in one");
        to!("below").in_scope(|| debug!("below one"));
    });
    other.in_scope(|| log_everywhere("in another"));
    log_everywhere("in none");
    let events = session.events("four");
    assert_eq!(events, ["orders in one", "hyper in one", "below one"]);
    assert!(asked.load(Ordering::Relaxed) > 0);
    let sent = |task: &Task| task.foreign_trace_context().tracestate.unwrap();
    assert_eq!(sent(&one), "distlog=2;l:debug");
    assert_eq!(sent(&other), "distlog=1");
    session.say(6, &[], &[]);
    one.in_scope(|| log_everywhere("in one, over"));
    assert_eq!(session.events("five"), [""; 0]);
    let before = asked.load(Ordering::Relaxed);
    (0..1000).for_each(|_| log_everywhere("off"));
    assert_eq!(
        asked.load(Ordering::Relaxed),
        before,
        "it costs nothing again"
    );

    // A caller's headers raise a task, unless callers are distrusted.
    let raised = caller("distlog=1/3;l:debug", Trust::Continue);
    import_task!(raised, "a request").in_scope(|| {
        log_everywhere("for the caller");
        let next = to!("below the request");
        let sent = next.foreign_trace_context().tracestate.unwrap();
        assert!(
            sent.ends_with("/1;l:debug") || sent.ends_with("1;l:debug"),
            "{sent}"
        );
    });
    for (state, trust) in [
        ("distlog=1/3;l:debug", Trust::Link),
        ("distlog=1/3;l:debug", Trust::Restart),
        ("distlog=1/3;l:loud", Trust::Continue),
        ("distlog=1/3", Trust::Continue),
    ] {
        import_task!(caller(state, trust), "a request").in_scope(|| log_everywhere("for nobody"));
    }
    let events = session.events("six");
    assert_eq!(events, ["orders for the caller", "hyper for the caller"]);
    eventually("callsites rest", || {
        LevelFilter::current() == LevelFilter::INFO
    });

    // The daemon goes: what it said ends all the same.
    session.say(7, &[("debug", Duration::from_secs(6))], &[]);
    assert_eq!(LevelFilter::current(), LevelFilter::DEBUG);
    drop(session);
    eventually("it is over", || LevelFilter::current() == LevelFilter::INFO);
    drop((one, other));
    let _ = guard.close(Duration::ZERO);
}
