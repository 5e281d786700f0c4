//! OTLP in and out again: what a span costs on its way through our daemon, and through `rotel`, which only forwards.
//!
//! Senders, receiver and daemon share the cores, each with as many threads as there are; only the daemon's CPU time is
//! counted. Requests are those of a batch
//! processor: 512 spans or log records of one resource in two scopes, uncompressed, by gRPC. The clock stops when the
//! receiver has counted the last one.
//!
//! `traffic.rs` sends, `sink.rs` receives.

mod sink;
mod traffic;

use std::time::{Duration, Instant};

use clap::Args;
use distlog_testkit::{Daemon, Rotel};
use distlog_tests::bench::results::{self, write_json};
use distlog_tests::bench::system;
use serde::Serialize;

use crate::measure;
use sink::Sink;
use traffic::{Signal, Traffic};

/// How much of it.
#[derive(Debug, Args)]
pub struct Options {
    /// Spans, and as many log records.
    #[arg(long, default_value_t = 2_000_000)]
    items: u64,
    /// Connections that send.
    #[arg(long, default_value_t = 4)]
    connections: usize,
}

/// What was measured of one daemon.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    signal: &'static str,
    /// What arrived.
    items: u64,
    /// What was acknowledged and did not arrive.
    lost: u64,
    per_second: f64,
    cpu_per_million: f64,
    per_cpu_second: f64,
    peak_mib: u64,
    /// What the daemon's threads were busy with.
    busy: String,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:32} {:7} {:>10} {:>10.0} {:>8.2} {:>12.0} {:>6}",
            self.name,
            self.signal,
            self.items,
            self.per_second,
            self.cpu_per_million,
            self.per_cpu_second,
            self.peak_mib
        )?;
        if self.lost > 0 {
            write!(f, "  {} were lost", self.lost)?;
        }
        write!(f, "\n{:34}busy: {}", "", self.busy)
    }
}

/// A daemon that is measured.
trait Forwarder {
    /// Where it takes OTLP by gRPC.
    fn endpoint(&self) -> String;
    /// Its process.
    fn process(&mut self) -> u32;
}

impl Forwarder for Daemon {
    fn endpoint(&self) -> String {
        format!("http://{}", self.otlp_grpc())
    }

    fn process(&mut self) -> u32 {
        Daemon::process(self).id()
    }
}

impl Forwarder for Rotel {
    fn endpoint(&self) -> String {
        format!("http://{}", self.grpc())
    }

    fn process(&mut self) -> u32 {
        Rotel::process(self).id()
    }
}

/// Measures all, prints a table and writes `target/bench/otlp.json`.
pub fn run(options: &Options) {
    println!(
        "{}\n\n{:32} {:7} {:>10} {:>10} {:>8} {:>12} {:>6}",
        system::Machine::this(),
        "",
        "",
        "items",
        "a second",
        "CPU s/M",
        "a CPU second",
        "MiB"
    );
    let mut rows = Vec::new();
    for signal in [Signal::Traces, Signal::Logs] {
        for forward in [false, true] {
            let sink = Sink::start();
            let folder = results::scratch_folder();
            let config = if forward {
                format!(
                    "processors: {{ out: {{ otlp: {{ endpoint: '{}', compression: none }} }} }}\nrules: [{{ to: [out] }}]",
                    sink.endpoint()
                )
            } else {
                String::new()
            };
            let daemon = measure::daemon(folder.path(), &config);
            let name = if forward {
                "distlogd: in, stored, out"
            } else {
                "distlogd: in, stored"
            };
            rows.push(measure_one(name, signal, daemon, &sink, forward, options));
        }
        let sink = Sink::start();
        let folder = results::scratch_folder();
        if std::env::var_os("DISTLOG_TEST_ROTEL").is_some() {
            let rotel = Rotel::start(folder.path(), &sink.endpoint());
            rows.push(measure_one(
                "rotel: in, out",
                signal,
                rotel,
                &sink,
                true,
                options,
            ));
        } else {
            println!(
                "rotel is skipped: `pip install rotel` has its program rotel-agent in site-packages/rotel; its path in DISTLOG_TEST_ROTEL"
            );
        }
    }
    let path = results::folder().join("otlp.json");
    write_json(&path, &rows).expect("the results are written");
    println!("\n{}", path.display());
}

fn measure_one(
    name: &str,
    signal: Signal,
    mut daemon: impl Forwarder,
    sink: &Sink,
    forward: bool,
    options: &Options,
) -> Row {
    let traffic = Traffic::connect(&daemon.endpoint(), options.connections);
    let process = daemon.process();
    let (used, threads) = (system::cpu(process), system::cpu_by_thread(process));
    let begun = Instant::now();
    let sent = traffic.send(signal, options.items);
    let (items, took) = if forward {
        sink.wait_for(sent, begun)
    } else {
        (sent, begun.elapsed())
    };
    let busy = system::busy_since(&threads, process, took);
    // It notes how far it has come a moment later.
    std::thread::sleep(Duration::from_millis(300));
    let cpu = (system::cpu(process) - used).as_secs_f64();
    let row = Row {
        name: name.to_owned(),
        signal: signal.name(),
        items,
        lost: sent - items,
        per_second: items as f64 / took.as_secs_f64(),
        cpu_per_million: cpu * 1e6 / items as f64,
        per_cpu_second: items as f64 / cpu,
        peak_mib: system::peak(process),
        busy,
    };
    println!("{row}");
    row
}
