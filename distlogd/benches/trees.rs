//! What it costs to wait for whole trees (`trees:` of a processor), in a real daemon over a store that is there:
//!
//! ```sh
//! cargo bench -p distlogd --bench trees
//! cargo bench -p distlogd --bench trees -- --quick   # only whether all of it runs
//! ```
//!
//! Decisions: trees of a task with a child and an event each, of which one in a hundred fails and is kept. Memory:
//! trees that have only begun. Each once; CPU time is that of the whole daemon.

use std::path::Path;
use std::time::{Duration, Instant};

use distlog_proto::wire::BatchWriter;
use distlog_proto::{Kind, Outcome, ProducerId, Record, Task, TaskId, TraceId};
use distlog_store::{Append, Options, Store};
use distlogd::daemon::{Builder, Daemon};
use rustix::time::{ClockId, clock_gettime};

const SECOND: u64 = 1_000_000_000;
/// Trees in one batch.
const EACH: u64 = 200;

fn main() {
    let quick = std::env::args().any(|word| word == "--quick" || word == "--test");
    let trees = if quick { 2_000 } else { 1_000_000 };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores");
    println!("{:<44} {:>14}", "what", "");
    decisions(trees);
    memory(trees);
}

fn row(what: &str, value: f64, unit: &str) {
    println!("{what:<44} {value:>14.0} {unit}");
}

/// How fast trees are decided that are there already.
fn decisions(trees: u64) {
    let folder = tempfile::tempdir().unwrap();
    let records = fill(folder.path(), trees, true);
    let cpu = cpu_time();
    let begun = Instant::now();
    let daemon = start(folder.path());
    let kept = await_metric(
        &daemon,
        "decided_total{processor=\"kept\",decision=\"kept\"}",
        trees / 100,
    );
    let decided = await_metric(
        &daemon,
        "decided_total{processor=\"kept\",decision=\"dropped\"}",
        trees - trees / 100,
    );
    let (wall, cpu) = (begun.elapsed(), cpu_time() - cpu);
    row("trees decided", kept + decided, "");
    row("records read for that", records as f64, "");
    row(
        "decisions a second",
        trees as f64 / wall.as_secs_f64(),
        "/s",
    );
    row(
        "CPU time a decision",
        cpu.as_nanos() as f64 / trees as f64,
        "ns",
    );
    daemon.stop();
}

/// What the memory grows by while so many trees wait.
fn memory(trees: u64) {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), trees, false);
    let before = resident();
    let daemon = start(folder.path());
    await_metric(&daemon, "open{processor=\"kept\"}", trees);
    let after = resident();
    row("trees open", trees as f64, "");
    row(
        "memory before, of the whole process",
        before / 1_048_576.0,
        "MiB",
    );
    row("memory then", after / 1_048_576.0, "MiB");
    row(
        "memory for an open tree",
        (after - before) / trees as f64,
        "bytes",
    );
    daemon.stop();
}

fn start(folder: &Path) -> Daemon {
    let config = format!(
        "
listen: {{ push: off, session: off, otlp_grpc: off, otlp_http: off, http: 'localhost:0' }}
store: {{ path: '{0}/data', reserve: 0, keep: {{ size: off, age: off }} }}
processors:
  kept:
    file: {{ path: '{0}/kept.jsonl' }}
    from: start
    trees: {{ keep: 'tree.failed || tree.duration > duration(\"2s\")', wait: 1h }}
rules: [{{ to: [kept] }}]
",
        folder.display()
    );
    let builder = Builder::new();
    let config = builder.parse_config(&config, "bench").unwrap();
    builder.start(&config).unwrap()
}

/// Stores trees, in batches of a service; gives how many records that are.
fn fill(folder: &Path, trees: u64, whole: bool) -> u64 {
    let options = Options {
        index: distlog_proto::wire::trace_ids,
        reserve: 0,
        ..Options::default()
    };
    let mut store = Store::open(folder.join("data"), options).unwrap();
    let (mut offset, mut received) = (0, 1_790_000_000 * SECOND);
    for first in (0..trees).step_by(EACH as usize) {
        let mut writer = BatchWriter::new();
        let from = offset;
        for n in first..(first + EACH).min(trees) {
            for record in tree(n, whole) {
                writer.push(&Record { offset, ..record });
                offset += 1;
            }
        }
        append(&mut store, &mut writer, from..offset, received);
        received += SECOND / 500;
    }
    // The last ones are quiet for long enough then.
    for _ in 0..8 {
        let mut writer = BatchWriter::new();
        let mut record = tree(0, false).remove(0);
        record.task = None;
        writer.push(&Record { offset, ..record });
        received += SECOND;
        append(&mut store, &mut writer, offset..offset + 1, received);
        offset += 1;
    }
    store.close().unwrap();
    offset
}

fn append(
    store: &mut Store,
    writer: &mut BatchWriter,
    numbers: std::ops::Range<u64>,
    received: u64,
) {
    store
        .append(&Append {
            producer: ProducerId::from_bytes([7; 16]),
            from: numbers.start,
            to: numbers.end,
            count: writer.count(),
            received,
            ordered: true,
            bytes: &writer.finish(),
        })
        .unwrap();
    store.commit().unwrap();
}

/// The records of a tree; not whole, its begin.
fn tree(n: u64, whole: bool) -> Vec<Record> {
    let id = (u128::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let root = TaskId::top(TraceId::from_bytes(id.to_be_bytes()).unwrap());
    let child = root.child(1.try_into().unwrap());
    let record = |kind, id: &TaskId| {
        let mut record = Record {
            kind,
            time: 1_790_000_000 * SECOND + n,
            message: "handle order".into(),
            task: Some(Task::from(id)),
            ..Record::default()
        };
        record.source.producer = ProducerId::from_bytes([7; 16]);
        record.source.service = "orders".into();
        record
    };
    let mut records = vec![record(Kind::Begin, &root)];
    if whole {
        let fails = n.is_multiple_of(100);
        let outcome = if fails { Outcome::Failed } else { Outcome::Ok };
        let end = |id| Record {
            outcome,
            duration: 1_000_000,
            ..record(Kind::End, id)
        };
        records.extend([
            record(Kind::Begin, &child),
            record(Kind::Event, &child),
            end(&child),
            end(&root),
        ]);
    }
    records
}

/// Waits until a metric of trees is there; gives it.
fn await_metric(daemon: &Daemon, name: &str, value: u64) -> f64 {
    let url = format!("http://{}/metrics", daemon.address("http").unwrap());
    let prefix = format!("distlogd_trees_{name} ");
    loop {
        let text = ureq::get(&url)
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        let found = text.lines().find_map(|line| line.strip_prefix(&prefix));
        let found = found.map_or(0.0, |value| value.parse().unwrap());
        if found >= value as f64 {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// That of this process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Memory of this process, in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    kib.parse::<f64>().unwrap() * 1024.0
}
