//! What it costs to be many: the same records from 4, 16 and 64 client processes, and from 64 sessions of 16 processes.
//!
//! On few cores many processes cost more than few by themselves. So the daemon's CPU time says what the receiver makes
//! of many sessions, and the sessions that share processes what the processes cost.

use clap::Args;
use distlog_tests::bench::{results, system};

use crate::client_processes::ClientProcesses;
use crate::load::{Load, Receiver};
use crate::measure;

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
}

/// Processes, and sessions of each.
const CLIENTS: [(u64, u64); 4] = [(4, 1), (16, 1), (16, 4), (64, 1)];

/// Measures each and prints a line.
pub fn run(options: &Options) {
    println!("{}\n", system::Machine::this());
    println!("                         stored       CPU s / million");
    println!("processes  sessions          /s       daemon  clients");
    for (processes, sessions) in CLIENTS {
        let folder = results::scratch_folder();
        let mut daemon = measure::daemon(folder.path(), "");
        let load = Load {
            sessions,
            warm_up: options.warm_up,
            ..Load::new(
                Receiver::Session,
                daemon.session(),
                options.records / processes,
            )
        };
        let clients = ClientProcesses::start(processes as usize, folder.path(), &load.arguments());
        let cost = measure::measure(&mut daemon, clients, load.stored() * processes);
        println!(
            "{processes:9} {:9} {:11.0} {:12.2} {:8.2}  busy: {}",
            processes * sessions,
            cost.rate(cost.stored),
            cost.per_record(cost.daemon),
            cost.per_record(cost.clients),
            cost.busy
        );
    }
}
