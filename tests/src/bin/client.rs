//! A program that logs, as the stories start it: `e2e-client ADDRESS ENCODING STORY [ARGUMENT]`.
//!
//! The address is that of the push receiver, or `session=` and those of session receivers, separated by commas. In the
//! environment, if they are there: `SERVICE`; `SAMPLE` (the ratio of traces that are recorded); `LEVELS` (what is
//! recorded until the daemon changes it); for sessions `SPOOL` (a folder), `RING` (bytes) and `WAIT` (for room in the
//! ring).

use std::io::{BufRead, Write};
use std::time::Duration;

use distlog_layer::{
    DistlogLayer, Encoding, Flush, Guard, Overflow, bind, get_foreign_task, import_task, task, to,
    val,
};
use tracing::{error, info, warn};
use tracing_subscriber::prelude::*;

#[derive(serde::Serialize)]
struct Point {
    x: i32,
    names: Vec<&'static str>,
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the number is none")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, encoding, story, rest @ ..] = &arguments[..] else {
        panic!("ADDRESS ENCODING STORY [ARGUMENT]")
    };
    let encoding = match encoding.as_str() {
        "json" => Encoding::Json,
        "pickle" => Encoding::Pickle,
        _ => Encoding::Batch,
    };
    let (layer, guard) = connect(address, encoding);
    let filter = std::env::var("LEVELS").ok();
    let filter = filter.map(|levels| guard.levels(&levels).unwrap());
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
    let argument = rest.first().map_or("", String::as_str);
    match story.as_str() {
        "every-field" => every_field(),
        "count" => (0..argument.parse().unwrap()).for_each(|n: u64| info!(n, "record {n}")),
        "levels" => levels(),
        "chain" => chain(address, argument),
        "import" => import(argument),
        "import-each" => {
            let ids = std::io::stdin().lock().lines().map(Result::unwrap);
            ids.take_while(|id| !id.is_empty())
                .for_each(|id| import(&id));
        }
        "hang" => hang(&guard),
        "tasks" => tasks(&guard),
        "secret" => secret(argument),
        "levels-each" => levels_each(),
        "keep-on" => keep_on(&guard, argument.parse().unwrap()),
        other => panic!("unknown story {other}"),
    }
    drop(guard);
}

fn connect(address: &str, encoding: Encoding) -> (DistlogLayer, Guard) {
    let setting = |name: &str| std::env::var(name).ok();
    let builder = distlog_layer::builder()
        .service(setting("SERVICE").unwrap_or_else(|| "client".into()))
        .resource("team", "core")
        .encoding(encoding);
    let builder = match setting("SAMPLE") {
        Some(ratio) => builder.sample(ratio.parse().unwrap()),
        None => builder,
    };
    let Some(daemons) = address.strip_prefix("session=") else {
        return builder.connect_push(address).unwrap();
    };
    let mut builder = builder
        .heartbeat(Duration::from_millis(500))
        .failover_timeouts(|timeouts| timeouts.probe = Duration::from_secs(1));
    if let Some(spool) = setting("SPOOL") {
        builder = builder.spool(spool);
    }
    if let Some(ring) = setting("RING") {
        builder = builder.ring_bytes(ring.parse().unwrap());
    }
    if setting("WAIT").is_some() {
        builder = builder.overflow(Overflow::Block(Duration::from_secs(60)));
    }
    let daemons: Vec<&str> = daemons.split(',').collect();
    builder.connect(daemons).unwrap()
}

/// Everything that a record can hold.
fn every_field() {
    let work = task!(user = "leo", point = ?val(&Point { x: -1, names: vec!["a", "b"] }), "do everything with {}", 7);
    println!("{}", work.id().unwrap());
    let failed = work.run(|| -> Result<(), Outer> {
        info!(yes = true, int = -3, uint = u64::MAX, float = 1.5, text = "zwölf", debug = ?Some(1), big = u128::MAX, "event {}", 1);
        info!(bytes = &[0u8, 255][..], list = ?val(&[1, 2]), "more");
        bind("late", 5);
        work.link(&"e252a11f-d33d-483d-ba08-bc8f642b2f10/1".parse().unwrap());
        to!("a part").in_scope(|| warn!("line one\nline two"));
        let broken = Outer("x".parse::<i32>().unwrap_err());
        error!(error = &broken as &dyn std::error::Error, "it broke");
        Err(broken)
    });
    failed.unwrap_err();
}

fn levels() {
    tracing::trace!("trace");
    tracing::debug!("debug");
    info!(amount = 50.0, "info");
    warn!(amount = 150.0, "warn");
    error!("error");
}

/// Opens a task, has a child of the program itself import a part of it and, if `python` names one, a Python program
/// another.
fn chain(address: &str, python: &str) {
    let request = task!("serve the request");
    println!("{}", request.id().unwrap());
    request.in_scope(|| {
        info!("asking the next");
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([address, "batch", "import", &get_foreign_task().to_string()])
            .env("SERVICE", "second")
            .status();
        assert!(child.unwrap().success());
        if let Some((program, script)) = python.split_once(' ') {
            let answer = std::process::Command::new(program)
                .args([script, address, &get_foreign_task().to_string()])
                .output()
                .unwrap();
            assert!(
                answer.status.success(),
                "{}",
                String::from_utf8_lossy(&answer.stderr)
            );
            // What Python hands back is imported by us in turn.
            let back = String::from_utf8(answer.stdout).unwrap();
            import_task!(back.trim(), "take over from Python").in_scope(|| info!("taken over"));
        }
        info!("answered");
    });
}

fn import(id: &str) {
    import_task!(id, "do a part").in_scope(|| info!("part done"));
}

/// Opens a task and waits to be killed.
fn hang(guard: &Guard) {
    let work = task!("never come back");
    work.in_scope(|| to!("a part that hangs").in_scope(|| info!("about to hang")));
    let _open = to!("still open");
    assert!(
        matches!(guard.flush(Duration::from_secs(10)), Flush::Flushed),
        "the daemon is there"
    );
    println!("{}", work.id().unwrap());
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().lock().lines().next();
    std::thread::park();
}

/// Pays with a card, and logs its number and the password of the environment.
fn secret(card: &str) {
    let password = std::env::var("PASSWORD").unwrap();
    task!(password, "pay with {card}").in_scope(|| info!(password, "the card {card} is good"));
}

/// Runs as many tasks as each line of the input says, each a trace of its own with one record in it, counting from 0,
/// and answers each line: `NEXT DROPPED`. A line that is no number is answered when everything has arrived.
fn tasks(guard: &Guard) {
    let mut next = 0;
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().parse::<u64>() {
            Ok(more) => {
                for n in next..next + more {
                    task!("task {}", n).in_scope(|| info!(n, "record {n}"));
                }
                next += more;
            }
            Err(_) => match guard.flush(Duration::from_secs(60)) {
                Flush::Flushed => {}
                left => panic!("{left:?}"),
            },
        }
        println!("{next} {}", guard.dropped().total());
    }
}

/// Logs each line of the input at two levels, and answers it with the highest level that is recorded now.
fn levels_each() {
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        tracing::debug!(target: "orders", "debug {line}");
        info!("info {line}");
        println!("{line} {}", tracing::level_filters::LevelFilter::current());
    }
}

/// Logs as many records as each line of the input says, counting from 0, and answers each line: `NEXT DROPPED`. A line
/// that is no number is answered when everything has arrived. Opens a task first, and leaves it open.
fn keep_on(guard: &Guard, mut next: u64) {
    let work = task!("never done");
    println!("{}", work.id().unwrap());
    let _entered = work.enter();
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().parse::<u64>() {
            Ok(more) => {
                for n in next..next + more {
                    info!(n, "record {n}");
                }
                next += more;
            }
            Err(_) => match guard.flush(Duration::from_secs(60)) {
                Flush::Flushed => {}
                left => panic!("{left:?}"),
            },
        }
        println!("{next} {}", guard.dropped().total());
    }
}
