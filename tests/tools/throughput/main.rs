//! How many records a second four programs bring into a daemon, what that costs it, and how it does beside others.
//!
//! ```text
//! cargo run --release --bin throughput                 # a table, and target/bench/throughput.json
//! cargo run --release --bin throughput -- growth       # docs/performance/*.svg, and target/bench/growth.json
//! cargo run --release --bin throughput -- curve        # what keys cost
//! cargo run --release --bin throughput -- databases    # into databases, over HTTP and into a stream of NATS
//! cargo run --release --bin throughput -- otlp         # OTLP in and out, beside rotel; target/bench/otlp.json
//! cargo run --release --bin throughput -- soak         # an hour; exit code 1 if anything grows
//! ```
//!
//! Client processes log as fast as they can (a message and three fields, in a task) and wait where their ring is full.
//! Daemon and clients share the cores, so what clients do is part of the figures. The clock of "stored" stops when the
//! last client's guard says that everything is acknowledged, on the push receiver when the daemon has made it durable;
//! the one of "written" when everything is in the file. Other daemons get the same records in their own form.
//!
//! `DISTLOG_BENCH_DISTLOGD` names another build of the daemon, for a row before and one after a change.
//!
//! Read it in this order: `load.rs` (what clients log) with `lines.rs` and `frames.rs` (clients of the others),
//! `client_processes.rs` (client processes), `measure.rs`, `probe.rs` (latency), `variant.rs` (our daemon), `peers/`
//! (the others), `row.rs` (the table); then `curve.rs`, `databases/`, `growth/`, `otlp/` and `soak.rs`. What it shares
//! with `search` is in `tests/src/bench/`.

mod client_processes;
mod clients;
mod curve;
mod databases;
mod frames;
mod growth;
mod lines;
mod load;
mod measure;
mod otlp;
mod peers;
mod probe;
mod row;
mod soak;
mod variant;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use distlog_tests::bench::{results, system};

/// Measures the way from programs through the daemon.
#[derive(Debug, Parser)]
#[command(name = "throughput", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Args)]
struct Options {
    /// Records of each client.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Client processes.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Only what has this word in its name.
    #[arg(long, default_value = "")]
    only: String,
    /// A second for each, to see that it works.
    #[arg(long)]
    quick: bool,
}

/// What else this program does, and what it starts itself as.
#[derive(Debug, Subcommand)]
enum Part {
    /// How cost grows with what there is more of; a plot for each.
    Growth(growth::Options),
    /// What many clients cost beside few.
    Clients(clients::Options),
    /// What keys cost (CURVE).
    Curve(curve::Options),
    /// How fast records get into databases, over HTTP and into NATS, beside their own bulk ways.
    Databases(databases::Options),
    /// What OTLP costs on its way in and out again.
    Otlp(otlp::Options),
    /// Whether anything grows in an hour of steady work that should not.
    Soak(soak::Options),
    #[command(hide = true)]
    Client(load::Load),
    #[command(hide = true)]
    Lines { address: String, records: u64 },
    #[command(hide = true)]
    Frames {
        address: String,
        records: u64,
        frame: frames::Frame,
    },
    #[command(hide = true)]
    Probe {
        receiver: load::Receiver,
        address: String,
        records: u64,
        #[arg(long)]
        acks: bool,
    },
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == "daemon") {
        let name = std::ffi::OsString::from("distlogd");
        return distlogd::cli::main_from(std::iter::once(name).chain(arguments), |builder| builder);
    }
    let cli = Cli::parse();
    match cli.part {
        None => table(&cli.options),
        Some(Part::Growth(options)) => growth::run(&options),
        Some(Part::Clients(options)) => clients::run(&options),
        Some(Part::Curve(options)) => curve::run(&options),
        Some(Part::Databases(options)) => databases::run(&options),
        Some(Part::Otlp(options)) => otlp::run(&options),
        Some(Part::Soak(options)) => return soak::run(&options),
        Some(Part::Client(load)) => load.run(),
        Some(Part::Lines { address, records }) => lines::run(&address, records),
        Some(Part::Frames {
            address,
            records,
            frame,
        }) => frames::run(&address, records, frame),
        Some(Part::Probe {
            receiver,
            address,
            records,
            acks,
        }) => probe::run(receiver, &address, records, acks),
    }
    ExitCode::SUCCESS
}

/// Measures everything, one after the other.
fn table(options: &Options) {
    let (records, probes) = if options.quick {
        (50_000, 50)
    } else {
        (options.records, 500)
    };
    println!("{}\n\n{}", system::Machine::this(), row::HEAD);
    let mut rows = Vec::new();
    for variant in variant::VARIANTS {
        if variant.name.contains(&options.only) {
            rows.push(variant.measure(options.clients, records, probes));
            println!("{}", rows[rows.len() - 1]);
        }
    }
    for peer in peers::PEERS {
        if !peer.name.contains(&options.only) {
            continue;
        }
        match peer.measure(options.clients, records) {
            Ok(row) => {
                println!("{row}");
                rows.push(row);
            }
            Err(missing) => println!("{:39} skipped: {missing}", peer.name),
        }
    }
    let path = results::folder().join("throughput.json");
    results::write_json(&path, &rows).expect("the results are written");
    println!("\n{}", path.display());
}
