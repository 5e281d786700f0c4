//! What keys cost (CURVE): the same records by sessions in plain text and encrypted, in turns.
//!
//! libzmq encrypts on the thread of its context that does input and output: one for all sessions of the daemon.

use std::path::Path;
use std::process::Command;

use clap::Args;
use distlog_testkit::Daemon;
use distlog_tests::bench::{results, system};

use crate::client_processes::ClientProcesses;
use crate::load::{Load, Receiver};
use crate::measure::{self, Cost};

/// How much.
#[derive(Debug, Args)]
pub struct Options {
    /// Records of all clients together, each time.
    #[arg(long, default_value_t = 8_000_000)]
    records: u64,
    /// Client processes.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Times that each takes its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

const LISTEN: &str = "{ push: off, otlp_grpc: 'localhost:0', otlp_http: 'localhost:0', http: 'localhost:0',
    session: { bind: 'tcp://localhost:0', curve: { key: keys/distlogd.key, clients: keys/clients } } }";
const KEYS: [(&str, &str); 2] = [
    ("DISTLOG_CURVE_SERVER", "keys/distlogd.pub"),
    ("DISTLOG_CURVE_KEY", "keys/clients/load.key"),
];

/// Measures both, round after round, and prints a line for each.
pub fn run(options: &Options) {
    println!("{}\n", system::Machine::this());
    println!("               stored       CPU s / million");
    println!("session            /s       daemon  clients");
    for _ in 0..options.rounds {
        for (name, keys) in [("plain text", &[][..]), ("keys", &KEYS)] {
            let cost = measure(options, keys);
            println!(
                "{name:10} {:10.0} {:12.2} {:8.2}",
                cost.rate(cost.stored),
                cost.per_record(cost.daemon),
                cost.per_record(cost.clients)
            );
        }
    }
}

fn measure(options: &Options, keys: &[(&str, &str)]) -> Cost {
    let folder = results::scratch_folder();
    let mut daemon = match keys {
        [] => measure::daemon(folder.path(), ""),
        _ => keyed_daemon(folder.path()),
    };
    let records = options.records / options.clients as u64;
    let load = Load::new(Receiver::Session, daemon.session(), records);
    let arguments = load.arguments();
    let clients = ClientProcesses::start_with(options.clients, folder.path(), &arguments, keys);
    measure::measure(&mut daemon, clients, load.stored() * options.clients as u64)
}

/// It makes its keys, and those of the clients.
fn keyed_daemon(folder: &Path) -> Daemon {
    let program = results::program();
    for arguments in [["distlogd", "keys"], ["load", "keys/clients"]] {
        let [name, dir] = arguments;
        let mut command = Command::new(&program);
        let command = command.args(["daemon", "keys", "new", name, "--dir", dir]);
        let output = command.current_dir(folder).output();
        assert!(
            output.expect("the program starts").status.success(),
            "no keys of {name}"
        );
    }
    let program = program.to_str().expect("a path that is text");
    Daemon::listening(program, &["daemon"], folder, LISTEN, "")
}
