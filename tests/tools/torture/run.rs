//! The rounds, and the judgement after them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::disk::{self, Disk};
use super::house::House;
use super::marks::Marks;
use super::oracle::{self, BatchDecision, Stored};
use super::plan::{Order, Plan, Step};
use super::witness::Testimony;

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
    /// Where the folder of the run is made; it is removed if all is well.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub dir: PathBuf,
    /// Keep the folder of the run.
    #[arg(long)]
    pub keep: bool,
}

/// Runs it all and gives the verdict.
///
/// # Errors
/// What the system says, when it does not let us work.
pub fn run(options: &Options) -> io::Result<BatchDecision> {
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
    let mut plan = Plan::new(options.seed, options.clients, options.drops, disk.is_some());
    let mut house = House::new(
        folder.path(),
        options.seed,
        options.clients,
        options.threads,
        disk,
    )?;
    house.obey(Order::StartDaemon)?;
    for slot in 0..options.clients {
        house.obey(Order::StartClient(slot, plan.manner()))?;
    }
    for round in 1..=options.rounds {
        let steps = plan.round();
        play(&mut house, round, &steps)?;
        if !house.verdict.complaints.is_empty() {
            eprintln!("no further rounds: {}", house.verdict.complaints[0]);
            break;
        }
    }
    house.rest()?;
    let mut verdict = std::mem::take(&mut house.verdict);
    let judged = judge(&house, &mut verdict);
    if options.keep || judged.is_err() || !verdict.is_good() {
        eprintln!(
            "everything is in {}",
            keep(folder, &house.store())?.display()
        );
    } else {
        // A folder in which something is mounted cannot be removed.
        house.leave()?;
        folder.close()?;
    }
    judged.map(|()| verdict)
}

fn play(house: &mut House, round: u64, steps: &[Step]) -> io::Result<()> {
    let begun = Instant::now();
    house.note(&format!("round {round}"))?;
    house.follow(steps)?;
    let mut stored = None;
    house.wait("more records in the store", |house| {
        let now = house.stored();
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
        house.stored().unwrap_or_default(),
        orders.join(", ")
    );
    Ok(())
}

fn judge(house: &House, verdict: &mut BatchDecision) -> io::Result<()> {
    let testimonies = Testimony::read_all(&house.witnesses())?;
    let stored = Stored::read(&house.store(), verdict)?;
    oracle::judge(&testimonies, &stored, verdict);
    let processor = |got: io::Result<Marks<[u8; 16]>>, name: &str, verdict: &mut BatchDecision| {
        got.map(|got| oracle::judge_processor(name, &got, &stored, verdict))
    };
    verdict.file_twice = processor(oracle::read_lines(&house.file()), "file", verdict)?;
    verdict.sink_twice = processor(oracle::read_sinks(&house.sink()), "sink", verdict)?;
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
