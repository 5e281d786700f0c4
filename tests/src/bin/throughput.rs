//! How many records a second four programs bring into the store of a daemon, and what that costs the daemon.
//!
//! ```text
//! cargo run --release --bin throughput
//! ```
//!
//! Client processes log as fast as they can (a message and three fields, in a task) and wait where their ring is full; the
//! clock stops when the last one's guard says that everything is acknowledged. Daemon and clients share the cores, so what
//! clients do is part of the figure. On the push door, which acknowledges nothing, it stops when the daemon has stored all.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use distlog_layer::{Flush, Overflow, task};
use tracing_subscriber::prelude::*;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures the way from programs into the store.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    /// Records of each client.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Client processes.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Only the variants with this word in their name.
    #[arg(long, default_value = "")]
    only: String,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    #[command(hide = true)]
    Client {
        door: Door,
        address: String,
        records: u64,
        spool: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum, PartialEq, Eq)]
enum Door {
    Push,
    Session,
}

struct Variant {
    name: &'static str,
    door: Door,
    spool: bool,
    config: &'static str,
}

const VARIANTS: &[Variant] = &[
    Variant {
        name: "push, stored",
        door: Door::Push,
        spool: false,
        config: "",
    },
    Variant {
        name: "session, acked",
        door: Door::Session,
        spool: false,
        config: "",
    },
    Variant {
        name: "session with spool, acked",
        door: Door::Session,
        spool: true,
        config: "",
    },
    Variant {
        name: "session, acked, JSON lines written",
        door: Door::Session,
        spool: false,
        config: "processors: { all: { file: { path: all.jsonl } } }\nrules: [{ to: [all] }]\n",
    },
];

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("daemon") {
        let rest = std::env::args_os().skip(2);
        return distlogd::cli::main_from(
            std::iter::once("distlogd".into()).chain(rest),
            |builder| builder,
        );
    }
    let cli = Cli::parse();
    if let Some(Part::Client {
        door,
        address,
        records,
        spool,
    }) = cli.part
    {
        return client(door, &address, records, spool);
    }
    println!(
        "{:36} {:>12} {:>16} {:>14} {:>10}",
        "variant", "records/s", "µs daemon/record", "µs all/record", "peak MB"
    );
    for variant in VARIANTS {
        if variant.name.contains(&cli.only) {
            measure(variant, cli.clients, cli.records);
        }
    }
    ExitCode::SUCCESS
}

fn client(door: Door, address: &str, records: u64, spool: Option<String>) -> ExitCode {
    let mut builder = distlog_layer::builder()
        .service("load")
        .overflow(Overflow::Block(Duration::from_secs(60)));
    if let Some(spool) = spool {
        builder = builder.spool(spool);
    }
    let (layer, guard) = match door {
        Door::Push => builder.connect_push(address),
        Door::Session => builder.connect(address),
    }
    .expect("the daemon's address is good");
    tracing_subscriber::registry().with(layer).init();
    println!("ready");
    let mut go = String::new();
    std::io::stdin().read_line(&mut go).expect("a word to go");
    task!("put the daemon to work").in_scope(|| {
        for n in 0..records {
            tracing::info!(n, user = "leo", amount = 12.5, "handled order {}", n);
        }
    });
    let flushed = guard.flush(PATIENCE);
    assert_eq!(flushed, Flush::Flushed);
    assert_eq!(guard.dropped().total(), 0);
    println!("done");
    ExitCode::SUCCESS
}

fn again(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(arguments).current_dir(folder);
    command
}

fn measure(variant: &Variant, clients: usize, records: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let config = format!(
        "listen: {{ push: 'tcp://127.0.0.1:0', session: 'tcp://127.0.0.1:0', otlp_grpc: off, otlp_http: off, http: '127.0.0.1:0' }}\n{}",
        variant.config
    );
    std::fs::write(folder.join("d.yaml"), config).expect("the configuration is written");
    let mut daemon = again(&["daemon", "--config", "d.yaml"], folder)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the daemon starts");
    let mut said = BufReader::new(daemon.stderr.take().expect("its stderr")).lines();
    let mut address = |door: &str| {
        said.by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.trim().strip_prefix(door).map(|a| a.trim().to_owned()))
            .expect("the daemon says where its doors are")
    };
    let (push, session, http) = (address("push "), address("session "), address("http "));
    std::thread::spawn(move || said.for_each(drop));

    let mut all: Vec<(Child, _)> = (0..clients)
        .map(|_| {
            let (door, address) = match variant.door {
                Door::Push => ("push", &push),
                Door::Session => ("session", &session),
            };
            let mut command = again(&["client", door, address, &records.to_string()], folder);
            if variant.spool {
                command.arg("spool");
            }
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a client starts");
            let mut lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
            assert_eq!(line(&mut lines), "ready");
            (child, lines)
        })
        .collect();
    let before = cpu(daemon.id());
    let begun = Instant::now();
    let mut whole = Duration::ZERO;
    for (child, _) in &mut all {
        drop(child.stdin.take());
    }
    for (child, lines) in &mut all {
        assert_eq!(line(lines), "done");
        whole += cpu(child.id());
    }
    // The task has a begin and an end, too.
    let stored = clients as u64 * (records + 2);
    if variant.door == Door::Push {
        while metric(&http) < stored {
            assert!(begun.elapsed() < PATIENCE, "some were lost on the way");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let took = begun.elapsed();
    let used = cpu(daemon.id()) - before;
    let peak = status(daemon.id(), "VmHWM:") / 1024;
    for (child, _) in &mut all {
        assert!(child.wait().expect("a client ends").success());
    }
    let per_record = |time: Duration| time.as_secs_f64() * 1e6 / stored as f64;
    println!(
        "{:36} {:>12.0} {:>16.2} {:>14.2} {:>10}",
        variant.name,
        stored as f64 / took.as_secs_f64(),
        per_record(used),
        per_record(used + whole),
        peak
    );
    let _ = Command::new("kill").arg(daemon.id().to_string()).status();
    daemon.wait().expect("the daemon ends");
}

fn line(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    lines.next().and_then(Result::ok).unwrap_or_default()
}

/// Records that the daemon has made durable.
fn metric(http: &str) -> u64 {
    let text = ureq::get(format!("{http}/metrics"))
        .call()
        .and_then(|mut response| response.body_mut().read_to_string())
        .unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("distlogd_store_stored_records_total "))
        .and_then(|value| value.parse::<f64>().ok())
        .map_or(0, |value| value as u64)
}

/// CPU time that a process has used.
fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name, which may hold anything: state is field 3, utime 14, stime 15, in hundredths of a second.
    let ticks: u64 = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// A figure of `/proc/PID/status`, in KiB.
fn status(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
