//! How cost grows with what there is more of: a plot for each.
//!
//! `programs.rs` varies what clients do, `daemon.rs` what the daemon has to do or to keep.

mod daemon;
mod programs;

use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use distlog_testkit::Daemon;
use distlog_tests::bench::plot::{DOCS, Plot};
use distlog_tests::bench::{results, system};

use crate::client_processes::ClientProcesses;
use crate::load::Load;
use crate::measure::{self, Cost};

/// How much there may be.
#[derive(Debug, Args)]
pub struct Options {
    /// Records of each client.
    #[arg(long, default_value_t = 250_000)]
    records: u64,
    /// Client processes.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Open tasks, at most.
    #[arg(long, default_value_t = 1_000_000, value_parser = value_parser!(u64).range(10..))]
    open_max: u64,
    /// Records in the store, at most; some 100 bytes each on disk.
    #[arg(long, default_value_t = 64_000_000, value_parser = value_parser!(u64).range(1000..))]
    store_max: u64,
    /// Folder for the plots, instead of docs/performance.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// Only what has this word in its name.
    #[arg(long, default_value = "")]
    only: String,
}

type Measure = fn(&Options) -> Vec<Plot>;

const ALL: &[(&str, Measure)] = &[
    ("fields", programs::fields),
    ("depth", programs::depth),
    ("clients", programs::clients),
    ("rules", daemon::rules),
    ("open-tasks", daemon::open_tasks),
    ("store", daemon::store),
];

/// A processor that writes everything.
const FILE: &str = "
processors: { all: { file: { path: all.jsonl } } }
rules: [{ to: [all] }]
";

/// Measures everything, one after the other.
pub fn run(options: &Options) {
    println!("{}", system::Machine::this());
    let folder = options.plots.as_deref().unwrap_or(Path::new(DOCS));
    let mut plots = Vec::new();
    for (name, measure) in ALL {
        if name.contains(&options.only) {
            for plot in measure(options) {
                plot.write(folder);
                plots.push(plot);
            }
        }
    }
    let path = results::folder().join("growth.json");
    results::write_json(&path, &plots).expect("the results are written");
    println!("\n{}\n{}", path.display(), folder.display());
}

/// What it costs a new daemon that so many clients do such a work.
fn cost(config: &str, clients: usize, load: impl FnOnce(&Daemon) -> Load) -> Cost {
    let folder = results::scratch_folder();
    let mut daemon = measure::daemon(folder.path(), config);
    let load = load(&daemon);
    let client_processes = ClientProcesses::start(clients, folder.path(), &load.arguments());
    measure::measure(
        &mut daemon,
        client_processes,
        load.stored() * clients as u64,
    )
}

/// Says what a point of a plot is.
fn say(what: &str, value: u64, cost: &Cost) {
    println!(
        "{what:12} {value:>9}: {:>9.0} records/s stored, {:>9.0} written; CPU µs a record: daemon {:.2}, clients {:.2}; {} MiB",
        cost.rate(cost.stored),
        cost.rate(cost.written),
        cost.per_record(cost.daemon),
        cost.per_record(cost.clients),
        cost.memory,
    );
}
