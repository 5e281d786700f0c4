//! The rounds, and the check after them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::call_journal::Calls;
use super::checker::{self, Findings, Stored};
use super::cluster::Cluster;
use super::databases::Databases;
use super::disk::{self, Disk};
use super::plan::{Failing, Order, Plan, Step};
use super::seen_set::SeenSet;

/// So much of the store's disk each round may take, in bytes, and what it has beyond.
const DISK: (u64, u64) = (4 << 20, 512 << 20);
/// A round is over when so many records more are stored after its last fault.
const PROGRESS: u64 = 100;

/// What to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Rounds of faults.
    #[arg(long, default_value_t = 20)]
    pub rounds: u64,
    /// Fixes what goes wrong when, though not what happens then.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Client processes.
    #[arg(long, default_value_t = 4)]
    pub clients: usize,
    /// Threads of each that log.
    #[arg(long, default_value_t = 2)]
    pub threads: u64,
    /// So many of 100 client runs have a small ring and drop what does not fit; the others wait.
    #[arg(long, default_value_t = 30)]
    pub drops: u64,
    /// Write into SQLite and, if DISTLOG_TEST_POSTGRES names the folder of its programs, PostgreSQL, which is killed,
    /// frozen and cut off, too.
    #[arg(long)]
    pub databases: bool,
    /// Where the folder of the run is made; it is removed if all is well.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub dir: PathBuf,
    /// Keep the folder of the run.
    #[arg(long)]
    pub keep: bool,
}

/// Runs it all and gives the findings.
///
/// # Errors
/// What the system says, when it does not let us work.
pub fn run(options: &Options) -> io::Result<Findings> {
    let namespace = disk::enter_namespace();
    let folder = tempfile::Builder::new()
        .prefix("torture-")
        .tempdir_in(&options.dir)?;
    let size = DISK.0 * options.rounds + DISK.1;
    let disk = namespace
        .and_then(|()| {
            Disk::mount(&folder.path().join("store"), size).map_err(|error| error.to_string())
        })
        .inspect_err(|why| {
            eprintln!("the disk will never be full, for it cannot be mounted: {why}")
        })
        .ok();
    let databases = options.databases.then(|| Databases::start(folder.path()));
    let can_fail = Failing {
        disk: disk.is_some(),
        database: databases.as_ref().is_some_and(Databases::has_server),
    };
    let mut plan = Plan::new(options.seed, options.clients, options.drops, can_fail);
    let mut cluster = Cluster::new(
        folder.path(),
        options.seed,
        options.clients,
        options.threads,
        disk,
        databases,
    )?;
    cluster.obey(Order::StartDaemon)?;
    for slot in 0..options.clients {
        cluster.obey(Order::StartClient(slot, plan.client_options()))?;
    }
    for round in 1..=options.rounds {
        let steps = plan.round();
        play(&mut cluster, round, &steps)?;
        if !cluster.findings.violations.is_empty() {
            eprintln!("no further rounds: {}", cluster.findings.violations[0]);
            break;
        }
    }
    cluster.rest()?;
    let mut findings = std::mem::take(&mut cluster.findings);
    let judged = check(&cluster, &mut findings);
    if options.keep || judged.is_err() || !findings.is_good() {
        eprintln!(
            "everything is in {}",
            keep(folder, &cluster.store())?.display()
        );
    } else {
        // A folder in which something is mounted cannot be removed.
        cluster.leave()?;
        folder.close()?;
    }
    judged.map(|()| findings)
}

fn play(cluster: &mut Cluster, round: u64, steps: &[Step]) -> io::Result<()> {
    let begun = Instant::now();
    cluster.note(&format!("round {round}"))?;
    cluster.follow(steps)?;
    let mut stored = None;
    cluster.wait("more records in the store", |cluster| {
        let now = cluster.stored();
        let begin = *stored.get_or_insert(now.unwrap_or(u64::MAX));
        if begin == u64::MAX {
            stored = None;
        }
        now.is_some_and(|now| now >= begin.saturating_add(PROGRESS))
    })?;
    let orders: Vec<String> = steps.iter().map(|step| step.order.to_string()).collect();
    eprintln!(
        "round {round}, {:.1} s, {} stored: {}",
        begun.elapsed().as_secs_f64(),
        cluster.stored().unwrap_or_default(),
        orders.join(", ")
    );
    Ok(())
}

fn check(cluster: &Cluster, findings: &mut Findings) -> io::Result<()> {
    let journals = Calls::read_all(&cluster.journals())?;
    let stored = Stored::read(&cluster.store(), findings)?;
    checker::check(&journals, &stored, findings);
    let processor = |got: io::Result<SeenSet<[u8; 16]>>, name: &str, findings: &mut Findings| {
        got.map(|got| checker::judge_processor(name, &got, &stored, findings))
    };
    findings.file_twice = processor(checker::read_lines(&cluster.file()), "file", findings)?;
    findings.sink_twice = processor(checker::read_sinks(&cluster.sink()), "sink", findings)?;
    for (name, rows) in cluster.rows()? {
        checker::judge_database(name, &rows, &stored, findings);
    }
    Ok(())
}

/// Keeps the folder. The store goes with its disk: it is copied.
fn keep(folder: tempfile::TempDir, store: &Path) -> io::Result<PathBuf> {
    let folder = folder.keep();
    std::process::Command::new("cp")
        .args(["-r", "--sparse=always"])
        .arg(store)
        .arg(folder.join("store-kept"))
        .status()?;
    Ok(folder)
}
