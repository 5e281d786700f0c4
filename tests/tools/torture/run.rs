//! The rounds, and the check after them.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use super::call_journal::Calls;
use super::checker::{self, Findings, Stored};
use super::cluster::{Cluster, Parts};
use super::databases::{self, Databases};
use super::disk::{self, Disk};
use super::ending;
use super::order::{Order, Step};
use super::plan::{Failing, Plan};
use super::seen_set::SeenSet;
use super::stream::{self, Stream};

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
    /// Two daemons publish to a stream of NATS JetStream, and hubs take from it and write into the databases.
    /// DISTLOG_TEST_NATS_SERVER names the program nats-server, DISTLOG_TEST_POSTGRES the folder of PostgreSQL's.
    #[arg(long)]
    pub stream: bool,
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
    if options.stream {
        named(stream::PROGRAM, "the program nats-server")?;
        named(databases::PROGRAMS, "the folder of PostgreSQL's programs")?;
    }
    let namespace = disk::enter_namespace();
    let folder = tempfile::Builder::new()
        .prefix("torture-")
        .tempdir_in(&options.dir)?;
    let daemons = if options.stream { stream::AGENTS } else { 1 };
    let size = (DISK.0 * options.rounds + DISK.1) * daemons as u64;
    let disk = namespace
        .and_then(|()| {
            Disk::mount(&folder.path().join("store"), size).map_err(|error| error.to_string())
        })
        .inspect_err(|why| {
            eprintln!("the disk will never be full, for it cannot be mounted: {why}")
        })
        .ok();
    let databases = (options.databases || options.stream).then(Databases::start);
    let stream = match &databases {
        Some(databases) if options.stream => Some(Stream::start(folder.path(), databases)?),
        _ => None,
    };
    let can_fail = Failing {
        disk: disk.is_some(),
        database: databases.as_ref().is_some_and(Databases::has_server),
        daemons,
        hubs: stream.as_ref().map_or(0, |stream| stream.hubs.len()),
    };
    let mut plan = Plan::new(options.seed, options.clients, options.drops, can_fail);
    let parts = Parts {
        clients: options.clients,
        threads: options.threads,
        daemons,
        disk,
        databases,
        stream,
    };
    let mut cluster = Cluster::new(folder.path(), options.seed, parts)?;
    (0..daemons).try_for_each(|daemon| cluster.obey(Order::StartDaemon(daemon)))?;
    // The last one comes later.
    (1..cluster.hubs().len()).try_for_each(|hub| cluster.obey(Order::StartHub(hub - 1)))?;
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
    ending::rest(&mut cluster)?;
    let mut findings = std::mem::take(&mut cluster.findings);
    let judged = check(&cluster, &mut findings);
    if options.keep || judged.is_err() || !findings.is_good() {
        eprintln!("everything is in {}", keep(folder)?.display());
    } else {
        // A folder in which something is mounted cannot be removed.
        cluster.leave()?;
        folder.close()?;
    }
    judged.map(|()| findings)
}

/// Where something is, that the environment must say.
fn named(variable: &str, what: &str) -> io::Result<()> {
    let named = std::env::var_os(variable).is_some();
    named.then_some(()).ok_or_else(|| {
        io::Error::other(format!(
            "`--stream` needs {what}: set the environment variable {variable}, as .ci/run does"
        ))
    })
}

fn play(cluster: &mut Cluster, round: u64, steps: &[Step]) -> io::Result<()> {
    let begun = Instant::now();
    cluster.note(&format!("round {round}"))?;
    cluster.follow(steps)?;
    let mut before: Option<Vec<u64>> = None;
    cluster.wait("more records in the stores", |cluster| {
        let Some(now) = cluster.stored() else {
            return false;
        };
        let before = before.get_or_insert_with(|| now.clone());
        let mut pairs = now.iter().zip(before);
        pairs.all(|(now, before)| *now >= *before + PROGRESS)
    })?;
    let orders: Vec<String> = steps.iter().map(|step| step.order.to_string()).collect();
    eprintln!(
        "round {round}, {:.1} s, {:?} stored: {}",
        begun.elapsed().as_secs_f64(),
        cluster.stored().unwrap_or_default(),
        orders.join(", ")
    );
    Ok(())
}

fn check(cluster: &Cluster, findings: &mut Findings) -> io::Result<()> {
    let journals = Calls::read_all(&cluster.journals())?;
    let read = |name: &str, got: io::Result<SeenSet<[u8; 16]>>| {
        got.map_err(|error| io::Error::other(format!("{name}: {error}")))
    };
    let mut all = Stored::default();
    let mut daemons = Vec::new();
    for daemon in cluster.daemons() {
        let stored = Stored::read(daemon.store(), findings)?;
        checker::judge_store(daemon.name(), &stored, findings);
        let file = read("the file", checker::read_lines(&daemon.file()))?;
        findings.file_twice += checker::judge_processor("file", &file, &stored, findings);
        let sink = read("the sink", checker::read_sinks(&daemon.sink()))?;
        findings.sink_twice += checker::judge_processor("sink", &sink, &stored, findings);
        all.absorb(&stored);
        daemons.push(stored);
    }
    checker::check(&journals, &all, findings);
    let Some(databases) = cluster.databases() else {
        return Ok(());
    };
    // Each daemon that writes into databases has a file of its own; all share the server.
    let mut writing: Vec<_> = cluster
        .hubs()
        .iter()
        .map(|hub| (hub, "sqlite of a hub"))
        .collect();
    if writing.is_empty() {
        writing.extend(cluster.daemons().iter().map(|daemon| (daemon, "sqlite")));
    }
    for (writer, name) in writing {
        let stored = Stored::read(writer.store(), findings)?;
        let rows = read(name, databases::read_file(&writer.database()))?;
        checker::judge_database(name, &rows, &stored, findings);
        if !cluster.hubs().is_empty() {
            checker::judge_hub(writer.name(), &stored, &daemons, findings);
            all.absorb(&stored);
        }
    }
    if let Some(rows) = databases.read_server()? {
        // What hubs say of themselves is there, too.
        checker::judge_database("postgres", &rows, &all, findings);
    }
    Ok(())
}

/// Keeps the folder. The stores go with their disk: they are copied.
fn keep(folder: tempfile::TempDir) -> io::Result<PathBuf> {
    let folder = folder.keep();
    std::process::Command::new("cp")
        .args(["-r", "--sparse=always"])
        .arg(folder.join("store"))
        .arg(folder.join("store-kept"))
        .status()?;
    Ok(folder)
}
