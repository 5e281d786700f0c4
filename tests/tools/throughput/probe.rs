//! How long one record takes, from the log call to the acknowledgement and to a listener of the live tail, while
//! nothing else happens.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use distlog_layer::Flush;
use distlog_testkit::Daemon;
use distlog_tests::bench::results::{TIMEOUT, program};
use distlog_tests::bench::system;
use serde::Serialize;
use tracing_subscriber::prelude::*;

use crate::load::{self, Receiver};

/// Between two records.
const PAUSE: Duration = Duration::from_millis(2);
/// The daemon streams the records of the probe alone.
const FOLLOW: &str = "/api/v1/tail?filter=kind%3D%3D%22event%22&reorder=false";

/// The middle and the slowest of a hundred, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quantiles {
    pub p50: u64,
    pub p99: u64,
}

impl Quantiles {
    /// Of durations in microseconds.
    fn of(mut micros: Vec<u64>) -> Option<Quantiles> {
        micros.sort_unstable();
        let last = micros.len().checked_sub(1)?;
        Some(Quantiles {
            p50: micros[last / 2],
            p99: micros[last * 99 / 100],
        })
    }
}

/// The program that logs: it waits for the acknowledgement of each record and prints how long that took, or does not
/// wait.
pub fn run(receiver: Receiver, address: &str, records: u64, acks: bool) {
    let (layer, guard) = load::layer(receiver, address, false);
    tracing_subscriber::registry().with(layer).init();
    for n in 0..records {
        let begun = Instant::now();
        load::order(n);
        if acks {
            assert_eq!(guard.flush(TIMEOUT), Flush::Flushed);
            println!("{}", begun.elapsed().as_micros());
        }
        std::thread::sleep(PAUSE);
    }
}

fn spawn(receiver: &str, address: &str, records: u64, rest: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(["probe", receiver, address, &records.to_string()])
        .args(rest);
    command
}

/// From the log call to the acknowledgement.
pub fn acks(daemon: &Daemon, records: u64) -> Option<Quantiles> {
    let output = spawn("session", daemon.session(), records, &["--acks"])
        .output()
        .expect("the probe starts");
    let text = String::from_utf8_lossy(&output.stdout);
    // The first one finds no connection yet.
    Quantiles::of(
        text.lines()
            .skip(1)
            .filter_map(|line| line.parse().ok())
            .collect(),
    )
}

/// From the log call to a listener of the live tail.
pub fn tail(daemon: &Daemon, receiver: Receiver, records: u64) -> Option<Quantiles> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .build()
        .into();
    let answer = agent.get(format!("{}{FOLLOW}", daemon.http())).call();
    let stream = answer
        .expect("the daemon streams")
        .into_body()
        .into_reader();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    // It says at once that it listens.
    lines.next();
    let (receiver, address) = match receiver {
        Receiver::Push => ("push", daemon.push()),
        Receiver::Session => ("session", daemon.session()),
    };
    let mut probe = spawn(receiver, address, records, &[])
        .spawn()
        .expect("the probe starts");
    let arrivals = lines.filter_map(|line| {
        let arrived = system::now();
        let record: serde_json::Value = serde_json::from_str(line.strip_prefix("data:")?).ok()?;
        let logged = record["created"].as_f64()? * 1e6;
        Some((arrived / 1000).saturating_sub(logged as u64))
    });
    let micros: Vec<u64> = arrivals.take(records as usize).skip(1).collect();
    probe.wait().expect("the probe ends");
    Quantiles::of(micros)
}
