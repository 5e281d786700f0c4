//! A steady rate for a long time: nothing may grow that should not.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use distlog_testkit::Daemon;
use distlog_tests::bench::{results, system};

use crate::client_processes::ClientProcesses;
use crate::load::{Load, Receiver};
use crate::measure;

/// How long, how fast.
#[derive(Debug, Args)]
pub struct Options {
    /// So long.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Records a second of all clients together.
    #[arg(long, default_value_t = 100_000)]
    rate: u64,
    /// Client processes.
    #[arg(long, default_value_t = 4)]
    clients: usize,
}

/// Between two samples; a short soak has shorter ones.
const INTERVAL: Duration = Duration::from_secs(10);
/// Between two lines.
const REPORT: Duration = Duration::from_secs(60);
/// A task has so many records.
const TASK: u64 = 1000;

/// Store and file are limited, or the disk would fill; both reach their limit early.
const CONFIG: &str = "
store: { keep: { size: 1GiB } }
processors: { all: { file: { path: all.jsonl, rotate: { size: 256MiB, keep: 2 } } } }
rules: [{ to: [all] }]
";

/// What the daemon had at a moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    memory: u64,
    descriptors: u64,
    threads: u64,
    lag: u64,
}

impl Sample {
    fn take(daemon: &Daemon, process: u32) -> Sample {
        Sample {
            memory: system::resident(process),
            descriptors: system::descriptors(process),
            threads: system::threads(process),
            lag: measure::lag(daemon),
        }
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Sample {
            memory,
            descriptors,
            threads,
            lag,
        } = self;
        write!(
            f,
            "{memory:>5} MiB, {descriptors:>4} descriptors, {threads:>3} threads, lag {lag}"
        )
    }
}

/// Lets the daemon work, and says whether all was well.
pub fn run(options: &Options) -> ExitCode {
    let folder = results::scratch_folder();
    let mut daemon = measure::daemon(folder.path(), CONFIG);
    let process = daemon.process().id();
    let clients = options.clients as u64;
    let load = Load {
        rate: Some(options.rate / clients),
        task_records: TASK,
        ..Load::new(
            Receiver::Session,
            daemon.session(),
            options.rate / clients * options.seconds,
        )
    };
    let mut client_processes =
        ClientProcesses::start(options.clients, folder.path(), &load.arguments());
    let whole = Duration::from_secs(options.seconds);
    let interval = INTERVAL.min(whole / 30);
    let begun = Instant::now();
    client_processes.go();
    let (mut samples, mut reported) = (Vec::new(), Duration::ZERO);
    while begun.elapsed() + interval <= whole {
        std::thread::sleep(interval);
        let sample = Sample::take(&daemon, process);
        samples.push(sample);
        let at = begun.elapsed();
        if at >= reported + REPORT {
            reported = at;
            println!(
                "{:>5} s: {sample}, {} records",
                at.as_secs(),
                measure::stored(&daemon)
            );
        }
    }
    client_processes.wait();
    let took = begun.elapsed();
    results::until("the processor's end", || measure::lag(&daemon) == 0);
    let stored = measure::stored(&daemon);
    println!(
        "{:>5} s: {}, {stored} records",
        took.as_secs(),
        Sample::take(&daemon, process)
    );
    client_processes.end();

    let mut faults = growth(&samples);
    if stored != load.stored() * clients {
        faults.push(format!(
            "{stored} records are stored, not {}",
            load.stored() * clients
        ));
    }
    if took > whole.mul_f64(1.02) + Duration::from_secs(1) {
        faults.push(format!(
            "the rate was not held: it took {} s",
            took.as_secs()
        ));
    }
    if faults.is_empty() {
        println!("good: nothing grew, the lag is zero at the end");
        return ExitCode::SUCCESS;
    }
    println!("bad: {}", faults.join("; "));
    ExitCode::FAILURE
}

/// What grew, of the samples after the first fifth, in which memory and store fill.
fn growth(samples: &[Sample]) -> Vec<String> {
    let warm = &samples[samples.len() / 5..];
    let (early, late) = warm.split_at(warm.len() / 2);
    let mut faults = Vec::new();
    let median = |of: &[Sample]| {
        let mut memory: Vec<u64> = of.iter().map(|sample| sample.memory).collect();
        memory.sort_unstable();
        memory.get(memory.len() / 2).copied().unwrap_or(0)
    };
    let (before, after) = (median(early), median(late));
    // An allocator's noise.
    if after > before + before / 10 + 4 {
        faults.push(format!("memory grew from {before} to {after} MiB"));
    }
    let descriptors = |sample: &Sample| sample.descriptors;
    let threads = |sample: &Sample| sample.threads;
    let counts = [
        ("descriptors", descriptors as fn(&Sample) -> u64),
        ("threads", threads),
    ];
    for (what, count) in counts {
        // A segment that is sealed has some for a moment; what leaks never goes below what there was.
        let most = early.iter().map(count).max().unwrap_or(0);
        let least = late.iter().map(count).min().unwrap_or(0);
        if least > most {
            faults.push(format!("{what} grew from {most} to {least}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(sample: impl Fn(u64) -> Sample) -> Vec<Sample> {
        (0..100).map(sample).collect()
    }

    fn flat(at: u64) -> Sample {
        Sample {
            memory: 40 + at % 3,
            descriptors: 30 + at % 5,
            threads: 11,
            lag: at % 1000,
        }
    }

    #[test]
    fn what_goes_up_and_down_does_not_grow() {
        assert!(growth(&samples(flat)).is_empty());
        // It fills in the first fifth.
        let warm = |at: u64| Sample {
            memory: 10 + at.min(15),
            ..flat(at)
        };
        assert!(growth(&samples(warm)).is_empty());
    }

    #[test]
    fn a_leak_is_seen() {
        let leaking = |at: u64| Sample {
            memory: 40 + at,
            descriptors: 30 + at,
            threads: 11 + at / 50,
            ..flat(at)
        };
        let faults = growth(&samples(leaking)).join("\n");
        for what in ["memory", "descriptors"] {
            assert!(faults.contains(what), "{what}: {faults}");
        }
    }
}
