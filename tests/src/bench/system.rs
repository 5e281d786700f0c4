//! What the system says of a process and of the machine.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// What the figures were measured on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    cores: usize,
    cpu: String,
    kernel: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Machine {
        let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or("", |(_, model)| model.trim());
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            cores: cores(),
            cpu: model.to_owned(),
            kernel: kernel.trim().to_owned(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Machine { cores, cpu, kernel } = self;
        write!(f, "{cores} cores, {cpu}, Linux {kernel}")
    }
}

/// Nanoseconds since the Unix epoch: a clock that all processes of the machine share.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// How many cores there are.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// For how long cores had nothing to do so far, all together, waits for a disk included.
pub fn idle() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    // `cpu  user nice system idle iowait …`, in hundredths of a second.
    let ticks = stat.split_whitespace().skip(4).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The CPU time that a process has used; it must not be reaped yet.
pub fn cpu(process: u32) -> Duration {
    cpu_in(&std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default())
}

fn cpu_in(stat: &str) -> Duration {
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

/// What the threads of a process have used so far, together where they have the same name.
pub fn cpu_by_thread(process: u32) -> BTreeMap<String, Duration> {
    let mut threads = BTreeMap::new();
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else {
            continue;
        };
        let name = stat
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(')'));
        let name = name.map_or("", |(name, _)| name);
        *threads.entry(name.to_owned()).or_default() += cpu_in(&stat);
    }
    threads
}

/// What each of the threads of a process, by name, was busy with since `before`, of a time: those with a hundredth of a
/// core or more, the busiest first.
pub fn busy_since(before: &BTreeMap<String, Duration>, process: u32, time: Duration) -> String {
    let mut busy: Vec<_> = cpu_by_thread(process)
        .into_iter()
        .map(|(name, used)| {
            let used = used.saturating_sub(before.get(&name).copied().unwrap_or_default());
            (used.as_secs_f64() / time.as_secs_f64(), name)
        })
        .filter(|(part, _)| *part >= 0.01)
        .collect();
    busy.sort_by(|one, other| other.0.total_cmp(&one.0));
    let busy: Vec<_> = busy
        .into_iter()
        .map(|(part, name)| format!("{name} {:.0} %", part * 100.0))
        .collect();
    busy.join(", ")
}

/// The most memory that a process had, in MiB.
pub fn peak(process: u32) -> u64 {
    status(process, "VmHWM:") >> 10
}

/// The memory that a process has, in MiB.
pub fn resident(process: u32) -> u64 {
    status(process, "VmRSS:") >> 10
}

/// How many threads a process has.
pub fn threads(process: u32) -> u64 {
    status(process, "Threads:")
}

/// How many files and sockets a process has open.
pub fn descriptors(process: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, |entries| entries.count() as u64)
}

fn status(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
