//! How fast processors write into databases, over HTTP and into a stream, beside what the destination's own bulk path
//! takes of the same rows.
//!
//! A destination is a file here, with its row in `DATABASES`.

mod clickhouse;
mod http;
mod nats;
mod postgres;
mod sqlite;

use clap::Args;
use distlog_tests::bench::{results, system};
use serde::Serialize;

use crate::client_processes::ClientProcesses;
use crate::load::{Load, Receiver};
use crate::measure::{self, Cost};

/// How much.
#[derive(Debug, Args)]
pub struct Options {
    /// Records of all clients together.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Client processes.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Only what has this word in its name.
    #[arg(long, default_value = "")]
    only: String,
}

/// What was measured of a database.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    /// Records a second, from the first that a program logs to the last that is durable in the database.
    per_second: f64,
    /// CPU time of the daemon for a million records, in seconds. Includes the database where that is in the daemon.
    daemon_cpu_per_million: f64,
    /// Bytes of the database for each record.
    bytes: f64,
    /// Ways of the database's own, and the rows a second that each takes.
    bulk: Vec<(&'static str, f64)>,
}

/// Name and measurement. An error says what is missing on this machine.
type Database = (&'static str, fn(&Options) -> Result<Row, String>);

const DATABASES: &[Database] = &[
    ("clickhouse", clickhouse::measure),
    ("elasticsearch", http::elasticsearch),
    ("http", http::lines),
    ("nats", nats::measure),
    ("postgres", postgres::measure),
    ("sqlite", sqlite::measure),
];

/// Measures one after the other.
pub fn run(options: &Options) {
    println!("{}\n", system::Machine::this());
    println!("                  records  daemon CPU s   bytes a   own bulk import");
    println!(
        "                       /s     / million    record   rows /s, and ours in parts of it"
    );
    let mut rows = Vec::new();
    for (name, measure) in DATABASES {
        if !name.contains(&options.only) {
            continue;
        }
        match measure(options) {
            Ok(row) => {
                let bulk = row
                    .bulk
                    .iter()
                    .map(|(way, rate)| format!("{way}: {rate:.0} ({:.2})", row.per_second / rate));
                let bulk: Vec<String> = bulk.collect();
                println!(
                    "{name:13} {:11.0} {:13.2} {:9.0}   {}",
                    row.per_second,
                    row.daemon_cpu_per_million,
                    row.bytes,
                    bulk.join(", ")
                );
                rows.push(row);
            }
            Err(missing) => println!("{name:13} skipped: {missing}"),
        }
    }
    let path = results::folder().join("databases.json");
    results::write_json(&path, &rows).expect("the results are written");
    println!("\n{}", path.display());
}

/// A configuration with this processor, which gets what clients log.
fn ours(processor: &str) -> String {
    format!(
        "
processors: {{ db: {{ {processor} }} }}
rules: [{{ when: service != 'distlogd', to: [db] }}]
"
    )
}

/// Lets clients log for a daemon of this configuration, in this folder, until all is in the database.
fn load(options: &Options, folder: &std::path::Path, config: &str) -> Cost {
    let mut daemon = measure::daemon(folder, config);
    let records = options.records / options.clients as u64;
    let load = Load::new(Receiver::Session, daemon.session(), records);
    let clients = ClientProcesses::start(options.clients, folder, &load.arguments());
    let cost = measure::measure(&mut daemon, clients, load.stored() * options.clients as u64);
    daemon.stop();
    cost
}
