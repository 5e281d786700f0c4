//! What it costs to be many: the same records from 4, 16 and 64 client processes, and from 64 sessions of 16 processes.
//!
//! On few cores many processes cost more than few by themselves. So the daemon's CPU time says what the receiver makes
//! of many sessions, the sessions that share processes what the processes cost, and the cores that were busy meanwhile
//! whether anybody waited who could have gone on.

use clap::Args;
use distlog_tests::bench::{results, system};

use crate::client_processes::ClientProcesses;
use crate::load::{Load, Receiver};
use crate::measure::{self, Cost};

/// How much.
#[derive(Debug, Args)]
pub struct Options {
    /// Records of all clients together.
    #[arg(long, default_value_t = 16_000_000)]
    records: u64,
    /// Records that each session logs before the clock starts, so that what is measured is how it goes on, not how
    /// a process begins: its ring and its code are in memory then.
    #[arg(long, default_value_t = 100_000)]
    warm_up: u64,
    /// Each row is measured so often, in turns, and the medians are printed: a machine that others use, too, is at
    /// times twice as slow.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
}

/// Processes, and sessions of each.
const CLIENTS: [(u64, u64); 4] = [(4, 1), (16, 1), (16, 4), (64, 1)];

/// The row that others are compared with.
const FEW: usize = 1;

/// Measures each and prints a line; then the medians.
pub fn run(options: &Options) {
    println!("{}\n", system::Machine::this());
    println!("                         stored       CPU s / million     cores");
    println!("processes  sessions          /s       daemon  clients      busy");
    let mut rows = CLIENTS.map(|_| Vec::new());
    for _ in 0..options.rounds {
        for (row, clients) in rows.iter_mut().zip(CLIENTS) {
            let cost = measured(options, clients);
            let figures = figures(&cost);
            println!("{}  busy: {}", line(clients, figures), cost.busy);
            row.push(figures);
        }
    }
    let medians = rows.map(|row| median(&row));
    println!(
        "\nmedians of {} rounds, and the rate beside that of 16 processes",
        options.rounds
    );
    for (clients, figures) in CLIENTS.into_iter().zip(medians) {
        let [rate, ..] = figures;
        println!("{}  {:.2}", line(clients, figures), rate / medians[FEW][0]);
    }
}

fn measured(options: &Options, (processes, sessions): (u64, u64)) -> Cost {
    let folder = results::scratch_folder();
    let mut daemon = measure::daemon(folder.path(), "");
    let records = options.records / processes;
    let load = Load {
        sessions,
        warm_up: options.warm_up,
        ..Load::new(Receiver::Session, daemon.session(), records)
    };
    let clients = ClientProcesses::start(processes as usize, folder.path(), &load.arguments());
    measure::measure(&mut daemon, clients, load.stored() * processes)
}

/// Records stored a second; CPU seconds of the daemon and of the clients for a million; cores that were busy.
fn figures(cost: &Cost) -> [f64; 4] {
    [
        cost.rate(cost.stored),
        cost.per_record(cost.daemon),
        cost.per_record(cost.clients),
        cost.cores,
    ]
}

fn line((processes, sessions): (u64, u64), [rate, daemon, clients, cores]: [f64; 4]) -> String {
    let sessions = processes * sessions;
    format!("{processes:9} {sessions:9} {rate:11.0} {daemon:12.2} {clients:8.2} {cores:9.2}")
}

/// Of each figure.
fn median(rounds: &[[f64; 4]]) -> [f64; 4] {
    std::array::from_fn(|figure| {
        let mut all: Vec<f64> = rounds.iter().map(|round| round[figure]).collect();
        all.sort_by(f64::total_cmp);
        // The two in the middle, which of an odd number are one.
        (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
    })
}
