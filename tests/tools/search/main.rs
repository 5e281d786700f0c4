//! What it costs to take log records that can be searched, and how long questions take, beside VictoriaLogs.
//!
//! ```text
//! cargo build --release --bin distlogd                       # the daemon that is asked
//! cargo run --release --bin search                           # a table, and target/bench/search.json
//! cargo run --release --bin search -- --grow 1e5,1e6,1e7     # docs/performance/search-*.svg, too
//! ```
//!
//! Each store takes the same records by OTLP over HTTP, in requests of 512, and has time to settle: to seal, to merge.
//! Its CPU time until then is what taking cost. Then it is asked, each question several times; all answers are checked
//! against what was sent. Exit code 1 says that an answer is wrong or missing.
//!
//! `generator/` makes records, `expected.rs` counts them, `traffic.rs` sends them; `query.rs` has the questions,
//! `stores/` how each store is asked; `measure.rs` the clock, `table.rs` what is printed.

mod expected;
mod generator;
mod measure;
mod query;
mod stores;
mod table;
mod traffic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use distlog_tests::bench::plot::DOCS;
use distlog_tests::bench::results::{folder, scratch_folder, write_json};
use distlog_tests::bench::system::{self, Machine};

use generator::Generator;
use measure::Row;
use stores::{Distlogd, Store, VictoriaLogs};

/// Measures what it costs to take records that can be searched, and how long questions take.
#[derive(Debug, Parser)]
#[command(name = "search")]
struct Cli {
    /// Log records.
    #[arg(long, default_value = "200000", value_parser = number)]
    records: u64,
    /// Numbers of records, one after the other, each in an empty store; a plot for each question.
    #[arg(long, value_delimiter = ',', value_parser = number, conflicts_with = "records")]
    grow: Vec<u64>,
    /// Of the random numbers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Connections that send.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How often each question is asked.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Send distlogd the spans of the traces, too, and ask it for those that failed.
    #[arg(long)]
    spans: bool,
    /// Ask nothing.
    #[arg(long)]
    ingest_only: bool,
    /// Only the store that has this word in its name: distlogd or VictoriaLogs.
    #[arg(long, default_value = "")]
    only: String,
    /// The daemon's program, instead of the one beside this one.
    #[arg(long)]
    daemon: Option<PathBuf>,
    /// Folder for the plots, instead of docs/performance.
    #[arg(long)]
    plots: Option<PathBuf>,
}

/// A whole number, which may be written as 4e6.
fn number(text: &str) -> Result<u64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1.0..=1e12).contains(&number) && number.fract() == 0.0 {
        Ok(number as u64)
    } else {
        Err("not a whole number from 1 to 1e12".to_owned())
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    println!("{}\n\n{}", Machine::this(), table::HEAD);
    let sizes = if cli.grow.is_empty() {
        &[cli.records][..]
    } else {
        &cli.grow
    };
    let mut rows = Vec::new();
    for records in sizes {
        for (name, start) in [
            ("distlogd", distlogd as Start),
            ("VictoriaLogs", victoria_logs),
        ] {
            if !name.contains(&cli.only) {
                continue;
            }
            let scratch = scratch_folder();
            match start(&cli, scratch.path()) {
                Ok(store) => rows.push(measure(&cli, name, store, *records)),
                Err(missing) if name == "distlogd" => {
                    eprintln!("{missing}");
                    return ExitCode::FAILURE;
                }
                Err(missing) => println!("{name:12} is skipped: {missing}"),
            }
        }
    }
    let path = folder().join("search.json");
    write_json(&path, &rows).expect("the results are written");
    if !cli.grow.is_empty() && !cli.ingest_only {
        let plots = cli.plots.as_deref().unwrap_or(Path::new(DOCS));
        table::plots(&rows)
            .iter()
            .for_each(|plot| plot.write(plots));
        println!("{}", plots.display());
    }
    println!("{}", path.display());
    let failures: Vec<String> = rows.iter().flat_map(Row::failures).collect();
    failures.iter().for_each(|failure| eprintln!("{failure}"));
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Starts a store in a folder, or says why it cannot.
type Start = fn(&Cli, &Path) -> Result<Box<dyn Store>, String>;

fn distlogd(cli: &Cli, folder: &Path) -> Result<Box<dyn Store>, String> {
    Ok(Box::new(Distlogd::start(
        cli.daemon.as_deref(),
        folder,
        cli.spans,
    )?))
}

fn victoria_logs(_: &Cli, folder: &Path) -> Result<Box<dyn Store>, String> {
    Ok(Box::new(VictoriaLogs::start(folder)?))
}

/// Lets a store take so many records, and asks it.
fn measure(cli: &Cli, name: &'static str, mut store: Box<dyn Store>, records: u64) -> Row {
    let generator = Generator::new(cli.seed, records, system::now());
    let (taken, expected) = measure::take(store.as_mut(), &generator, cli.connections);
    let mut row = Row {
        store: name,
        records: generator.records(),
        taken,
        asked: Vec::new(),
    };
    println!("{}", table::taken(&row));
    if !cli.ingest_only {
        row.asked = measure::ask(store.as_mut(), &generator.some_trace(), &expected, cli.runs);
        row.asked
            .iter()
            .for_each(|asked| println!("{}", table::asked(asked)));
    }
    row
}
