//! Lets clients work for a daemon of ours, and says what that took.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use distlog_testkit::Daemon;
use distlog_tests::bench::results::{program, until};
use distlog_tests::bench::system;

use crate::client_processes::{ClientProcesses, Done};

/// Another build of `distlogd`, for figures of before and after with the same clients.
const OTHER: &str = "DISTLOG_BENCH_DISTLOGD";

/// Starts the daemon in a folder of its own; `config` is added to receivers on free ports.
pub fn daemon(folder: &Path, config: &str) -> Daemon {
    if let Ok(other) = std::env::var(OTHER) {
        return Daemon::start(&other, &[], folder, config);
    }
    let program = program();
    let program = program.to_str().expect("a path that is text");
    Daemon::start(program, &["daemon"], folder, config)
}

/// What some records took.
#[derive(Debug, Clone)]
pub struct Cost {
    /// Records that were stored.
    pub records: u64,
    /// Until the clients knew that all were durable; on the push receiver, until they were.
    pub stored: Duration,
    /// Until the processors had dealt with all.
    pub written: Duration,
    /// How many cores of the machine had something to do while the clients logged.
    pub cores: f64,
    /// CPU time of the daemon.
    pub daemon: Duration,
    /// CPU time of all clients.
    pub clients: Duration,
    /// Memory of the daemon at the end, in MiB, while the clients live.
    pub memory: u64,
    /// What its threads were busy with until the processors were done.
    pub busy: String,
    /// What the clients said.
    pub done: Vec<Done>,
}

impl Cost {
    /// Microseconds for each record of some time.
    pub fn per_record(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.records as f64
    }

    /// Records a second.
    pub fn rate(&self, time: Duration) -> f64 {
        self.records as f64 / time.as_secs_f64()
    }
}

/// Lets the clients go, and waits until the daemon has stored `records` more and its processors have dealt with them.
pub fn measure(daemon: &mut Daemon, mut client_processes: ClientProcesses, records: u64) -> Cost {
    let process = daemon.process().id();
    // What came before, of a probe or tasks that were begun, has its own cost.
    until("a daemon with nothing to do", || {
        lag(daemon) == 0 && daemon.metric("distlogd_store_unsealed_segments") == 0.0
    });
    let before = stored(daemon);
    let (used, used_clients) = (system::cpu(process), client_processes.cpu());
    let threads = system::cpu_by_thread(process);
    let (clock, begun, idle) = (Instant::now(), system::now(), system::idle());
    client_processes.go();
    let done = client_processes.wait();
    let idle = (system::idle() - idle).as_secs_f64() / clock.elapsed().as_secs_f64();
    let acked = done.iter().map(|done| done.at).max().unwrap_or(begun);
    let mut cost = Cost {
        records,
        stored: Duration::from_nanos(acked.saturating_sub(begun)),
        written: Duration::ZERO,
        cores: system::cores() as f64 - idle,
        daemon: Duration::ZERO,
        clients: Duration::ZERO,
        memory: 0,
        busy: String::new(),
        done,
    };
    // What was acknowledged is there at once; the push receiver acknowledges nothing.
    if stored(daemon) < before + records {
        until("all records in the store", || {
            stored(daemon) >= before + records
        });
        cost.stored = clock.elapsed();
    }
    until("processors that are done", || lag(daemon) == 0);
    cost.written = clock.elapsed().max(cost.stored);
    cost.busy = system::busy_since(&threads, process, cost.written);
    cost.daemon = system::cpu(process) - used;
    cost.clients = client_processes.cpu() - used_clients;
    cost.memory = system::resident(process);
    client_processes.end();
    cost
}

/// Records that the daemon has made durable.
pub fn stored(daemon: &Daemon) -> u64 {
    daemon.metric("distlogd_store_stored_records_total") as u64
}

/// Records that a processor has not yet dealt with, of the one that has most of them.
pub fn lag(daemon: &Daemon) -> u64 {
    let metrics = daemon.get("/metrics").expect("the daemon answers");
    let lags = metrics.lines().filter_map(|line| {
        let (_, value) = line
            .strip_prefix("distlogd_processor_lag_records{")?
            .rsplit_once(' ')?;
        value.parse().ok()
    });
    lags.max().unwrap_or(0)
}

/// Bytes of a file.
pub fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Lines of a file, without keeping it in memory.
pub fn lines(path: &Path) -> u64 {
    let Ok(file) = File::open(path) else {
        return 0;
    };
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut lines = 0;
    while let Ok(bytes @ [_, ..]) = file.fill_buf() {
        lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let all = bytes.len();
        file.consume(all);
    }
    lines
}
