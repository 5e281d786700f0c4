//! Kills, cuts, fills, takes away at random while programs log, and then counts: nothing may be lost, nothing be there twice.
//!
//! ```text
//! cargo run --release --bin torture -- --rounds 200 --seed 1
//! ```
//!
//! Four client processes log numbered records through the layer, with a spool, over a bad network, to a daemon whose store is
//! on a small disk. The last line says what became of the records; the exit code is 1 if one was lost or is there twice, or
//! anything else was not as promised. The seed fixes what goes wrong and when, not how the processes run.
//!
//! Read it in this order: `run.rs` (the rounds), `plan.rs` with `random.rs` (what goes wrong), `house.rs` (everything that
//! runs) with `keeper.rs`, `children.rs`, `network.rs`, `zmtp.rs`, `disk.rs`, `metrics.rs`; `client.rs` and `sink.rs` (other
//! processes of this program), `witness.rs` (what clients swear to), `oracle.rs` with `marks.rs` (the judgement), `report.rs`.

mod children;
mod client;
mod disk;
mod house;
mod keeper;
mod marks;
mod metrics;
mod network;
mod oracle;
mod plan;
mod random;
mod report;
mod run;
mod sink;
mod witness;
mod zmtp;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Kills, cuts, fills, takes away at random while programs log, and counts what became of the records.
#[derive(Debug, Parser)]
#[command(name = "torture", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    child: Option<Child>,
    #[command(flatten)]
    options: run::Options,
}

/// What this program starts itself as.
#[derive(Debug, clap::Subcommand)]
enum Child {
    #[command(hide = true)]
    Client(client::Client),
    #[command(hide = true)]
    Sink { folder: PathBuf },
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == "daemon") {
        return daemon(arguments.collect());
    }
    let cli = Cli::parse();
    match cli.child {
        Some(Child::Client(client)) => client.run(),
        Some(Child::Sink { folder }) => sink::run(&folder),
        None => parent(&cli.options),
    }
}

/// The daemon as it is, but it ends when its standard input does.
fn daemon(arguments: Vec<std::ffi::OsString>) -> ExitCode {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
    let name = std::ffi::OsString::from("distlogd");
    distlogd::cli::main_from(std::iter::once(name).chain(arguments), |builder| builder)
}

fn parent(options: &run::Options) -> ExitCode {
    let verdict = match run::run(options) {
        Ok(verdict) => verdict,
        Err(error) => {
            eprintln!("torture: {error}");
            return ExitCode::from(2);
        }
    };
    eprint!("{}", report::complaints(&verdict));
    let line = report::line(&verdict, options.rounds, options.seed);
    let _ = writeln!(std::io::stdout(), "{line}");
    ExitCode::from(u8::from(!verdict.is_good()))
}
