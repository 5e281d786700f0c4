//! Many clients and hubs in one process, in virtual time: storms of reconnects, slow hubs, partitions.
//!
//! ```text
//! cargo run --release --bin simulate
//! cargo run --release --bin simulate -- outage --clients 10000 --hubs 50 --rate 100
//! ```
//!
//! The decisions are the real ones: each client is a `SessionClient` of `distlog-client`, each hub has the `Sessions`
//! of `distlog-proto`, which the daemon has. What is made up is the network, the disk, and what a message costs a hub.
//!
//! A line a scenario: how long a record waits until it is durable before anything happens (p50, p99) and afterwards
//! (p99 then, and the longest), the fewest clients that were connected, how long it took until 99 % were again, most
//! hellos that one hub got in a second, most sessions of one hub, records dropped since a ring was full, lost, stored
//! twice at one hub, and stored at two. The exit code is 1 if a record is lost or is there twice, or a client is not
//! through in the end.
//!
//! Read it in this order: `scenario.rs` (what happens), `world.rs`, `producer.rs` and `hub.rs` with `network.rs` and
//! `time.rs`, `report.rs`.

mod hub;
mod network;
mod producer;
mod report;
mod scenario;
mod time;
mod world;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use scenario::{Scenario, print_head};
use world::Size;

/// Simulates many clients and hubs, and what can happen to them.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Cli {
    /// What happens; all by default.
    scenarios: Vec<Scenario>,
    #[command(flatten)]
    size: Size,
}

fn main() -> ExitCode {
    let Cli { scenarios, size } = Cli::parse();
    let scenarios = match scenarios.is_empty() {
        true => Scenario::value_variants().to_vec(),
        false => scenarios,
    };
    println!(
        "{} clients, {} hubs, {} records a second each",
        size.clients, size.hubs, size.rate
    );
    print_head();
    let good = scenarios
        .into_iter()
        .filter(|scenario| !scenario.run(size))
        .count()
        == 0;
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
