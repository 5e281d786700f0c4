//! How fast records that wait in the store become lines of a file, on one core and on more, in a real daemon:
//!
//! ```sh
//! cargo bench -p distlogd --bench lines
//! cargo bench -p distlogd --bench lines -- --quick   # only whether all of it runs
//! ```
//!
//! Records of a service (a task, a message and three fields), once as they are written by programs that are ahead of
//! the file, in the store's open segment, once older, in sealed ones. Each in a process of its own, which `taskset`
//! gives so many cores, in turns; the best of some rounds. Compare within one run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use distlog_proto::wire::BatchWriter;
use distlog_proto::{
    Callsite, Map, ProducerId, Record, Severity, Source, Task, TaskId, TraceId, Value,
};
use distlog_store::{Append, Options, Store};
use distlogd::daemon::Builder;

/// Bytes of a batch, about: as the layer's batches.
const BATCH: usize = 64 << 10;
const ROUNDS: u32 = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["write", folder, rules] = words[..] {
        println!("{}", write(Path::new(folder), rules).as_secs_f64());
        return;
    }
    let is_quick = words.contains(&"--quick") || words.contains(&"--test");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores");
    println!("{:<36} {:>6} {:>12}", "lines", "cores", "a second");
    let (records, rounds) = if is_quick {
        (20_000, 1)
    } else {
        (1_000_000, ROUNDS)
    };
    for is_sealed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let records = match is_sealed {
            // All of it in one segment.
            false => records / 4,
            true => records,
        };
        fill(&folder.path().join("data"), records, is_sealed);
        let place = if is_sealed { "sealed" } else { "not sealed" };
        for (what, rules) in RULES {
            measure(
                &format!("{what}, {place}"),
                rules,
                folder.path(),
                records,
                cores,
                rounds,
            );
        }
    }
}

/// What is done with them, and the rules for that.
const RULES: [(&str, &str); 2] = [
    ("JSON", "[{ to: [all] }]"),
    (
        "JSON, a field redacted",
        "[{ to: [all], redact: { fields: [user] } }]",
    ),
];

fn measure(what: &str, rules: &str, folder: &Path, records: u64, cores: usize, rounds: u32) {
    let mut counts = vec![1];
    counts.extend(
        [2, 4, 8, cores]
            .iter()
            .filter(|count| (2..=cores).contains(*count)),
    );
    counts.sort_unstable();
    counts.dedup();
    // Others that read the store are done after that.
    run(folder, rules, cores);
    let mut best = vec![Duration::MAX; counts.len()];
    for _ in 0..rounds {
        for (count, best) in counts.iter().zip(&mut best) {
            *best = run(folder, rules, *count).min(*best);
        }
    }
    for (count, time) in counts.iter().zip(&best) {
        let rate = records as f64 / time.as_secs_f64();
        let ratio = best[0].as_secs_f64() / time.as_secs_f64();
        println!("{what:<36} {count:>6} {rate:>12.0} {ratio:>7.2}x");
    }
}

/// Writes all of it once, in a process with so many cores.
fn run(folder: &Path, rules: &str, cores: usize) -> Duration {
    let this: PathBuf = std::env::current_exe().unwrap();
    let output = Command::new("taskset")
        .args(["-c", &format!("0-{}", cores - 1)])
        .arg(this)
        .arg("write")
        .arg(folder)
        .arg(rules)
        .stderr(Stdio::inherit())
        .output()
        .expect("taskset, which is part of util-linux");
    let text = String::from_utf8(output.stdout).unwrap();
    Duration::from_secs_f64(text.trim().parse().expect("seconds"))
}

/// Has a daemon write all that its store holds; says how long that took, from the first line to the last.
fn write(folder: &Path, rules: &str) -> Duration {
    let lines = folder.join("all.jsonl");
    let _ = std::fs::remove_file(&lines);
    for cursor in std::fs::read_dir(folder.join("data/cursors"))
        .into_iter()
        .flatten()
    {
        let path = cursor.unwrap().path();
        if path.file_stem().is_some_and(|name| name == "all") {
            std::fs::remove_file(path).unwrap();
        }
    }
    // Without a flush before the end: how fast the disk is, is another question.
    let config = format!(
        "
listen: {{ push: off, session: off, otlp_grpc: off, otlp_http: off, http: off }}
store: {{ path: '{0}/data', reserve: 0, keep: {{ size: off, age: off }} }}
processors: {{ all: {{ file: {{ path: '{0}/all.jsonl' }}, from: start, batch: {{ wait: 1h, idle: 1ms }} }} }}
rules: {rules}
",
        folder.display()
    );
    let builder = Builder::new();
    let config = builder.parse_config(&config, "bench").unwrap();
    let daemon = builder.start(&config).unwrap();
    let end = daemon.reader().end();
    let cursor = daemon.reader().consumer("all").unwrap();
    let (mut begun, mut last) = (None, (0, Instant::now()));
    // Its cursor stands at the end when all is flushed.
    while cursor.saved().unwrap().is_none_or(|saved| saved.next < end) {
        let length = std::fs::metadata(&lines).map_or(0, |file| file.len());
        if length > last.0 {
            last = (length, Instant::now());
            begun.get_or_insert(last.1);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    daemon.stop();
    let _ = std::fs::remove_file(&lines);
    last.1 - begun.expect("lines")
}

/// Stores so many records. `is_sealed`: also seals what they are in.
fn fill(folder: &Path, records: u64, is_sealed: bool) {
    let options = Options {
        reserve: 0,
        ..Options::default()
    };
    let mut store = Store::open(folder, options).unwrap();
    let (mut writer, mut offset, mut begin) = (BatchWriter::new(), 0, 0);
    while offset < records {
        writer.push(&record(offset));
        offset += 1;
        if writer.len() >= BATCH || offset == records {
            store
                .append(&Append {
                    producer: ProducerId::from_bytes([7; 16]),
                    from: begin,
                    to: offset,
                    count: writer.count(),
                    received: RECEIVED + offset,
                    ordered: true,
                    bytes: &writer.finish(),
                })
                .unwrap();
            store.commit().unwrap();
            begin = offset;
        }
    }
    let (eraser, end) = (store.eraser(), store.reader().end());
    while is_sealed && !eraser.seal_before(end, Duration::from_millis(1)) {
        store.maintain(RECEIVED + offset).unwrap();
    }
    store.close().unwrap();
}

/// In nanoseconds since the epoch.
const RECEIVED: u64 = 1_763_871_098_000_000_000;
/// Records of a task.
const OF_TASK: u64 = 1000;

fn record(n: u64) -> Record {
    let trace =
        (u128::from(n / OF_TASK) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let task = TaskId::top(TraceId::from_bytes(trace.to_be_bytes()).expect("not zero"));
    let is_bad = n.is_multiple_of(10);
    Record {
        source: Source {
            producer: ProducerId::from_bytes([7; 16]),
            service: "orders".into(),
            host: "web1".into(),
            process_id: 812,
            process_name: "orders".into(),
            ..Source::default()
        },
        callsite: Callsite {
            severity: if is_bad {
                Severity::WARN
            } else {
                Severity::INFO
            },
            target: "orders::handle".into(),
            file: "src/handle.rs".into(),
            line: if is_bad { 17 } else { 31 },
            module: "orders::handle".into(),
            template: "handled order {}".into(),
            ..Callsite::default()
        },
        time: RECEIVED + n * 1711,
        message: format!("handled order {n}"),
        fields: Map::from_iter([
            ("n", Value::from(n as i64)),
            ("user", "leo".into()),
            ("amount", 12.5.into()),
        ]),
        task: Some(Task {
            context: Map::from_iter([("user", "leo")]),
            ..Task::from(&task)
        }),
        number: n % OF_TASK,
        offset: n,
        thread_id: 812,
        thread_name: "main".into(),
        ..Record::default()
    }
}
