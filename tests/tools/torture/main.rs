//! Kills, cuts, fills, takes away at random while programs log, and then counts: nothing may be lost, nothing be there
//! twice.
//!
//! ```text
//! cargo run --release --bin torture -- --rounds 200 --seed 1
//! ```
//!
//! Four client processes log numbered records through the layer, with a spool, over a bad network, to a daemon whose
//! store is on a small disk. With `--databases` the daemon writes into SQLite and PostgreSQL, too, and PostgreSQL is
//! killed (-9), frozen and cut off.
//!
//! With `--stream` there are two daemons, which publish to a stream of NATS JetStream on three servers, and two or
//! three hubs that take from it and write into the databases. The stream's leader, another server, a hub and a daemon
//! are killed (-9), servers are frozen and cut off, a hub comes and goes.
//!
//! The last line says what became of the records; the exit code is 1 if one was lost or is there twice, or anything
//! else was not as promised. The seed fixes what goes wrong and when, not how the processes run.
//!
//! Read it in this order: `run.rs` (the rounds), `order.rs`, `plan.rs` with `random.rs` (what goes wrong), `cluster.rs`
//! (everything that runs) with `daemon.rs`, `daemon_supervisor.rs`, `children.rs`, `network.rs`, `zmtp.rs`, `disk.rs`,
//! `databases.rs`, `stream.rs`, `metrics.rs`; `ending.rs` (everything arrives); `client.rs` and `sink.rs` (other
//! processes of this program), `call_journal.rs` (which calls clients made), `checker.rs` with `seen_set.rs` (what must
//! hold), `report.rs`.

mod call_journal;
mod checker;
mod children;
mod client;
mod cluster;
mod daemon;
mod daemon_supervisor;
mod databases;
mod disk;
mod ending;
mod metrics;
mod network;
mod order;
mod plan;
mod random;
mod report;
mod run;
mod seen_set;
mod sink;
mod stream;
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
    let findings = match run::run(options) {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("torture: {error}");
            return ExitCode::from(2);
        }
    };
    eprint!("{}", report::violations(&findings));
    let line = report::line(&findings, options.rounds, options.seed);
    let _ = writeln!(std::io::stdout(), "{line}");
    ExitCode::from(u8::from(!findings.is_good()))
}
