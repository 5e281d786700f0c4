//! What the daemon has more of: rules, open tasks, records in its store.

use std::fmt::Write;
use std::time::{Duration, Instant};

use distlog_tests::bench::plot::{Plot, Series};
use distlog_tests::bench::results;

use super::{FILE, Options, cost, say};
use crate::client_processes::ClientProcesses;
use crate::load::{Load, Receiver};
use crate::measure;

/// Records of a task, in the store whose trees are looked up.
const TASK: u64 = 100;

/// Rules that each record is tried with, and that let none through.
pub fn rules(options: &Options) -> Vec<Plot> {
    let mut daemon = Series::new("daemon");
    for rules in [1, 10, 100] {
        let mut config =
            "processors: { some: { file: { path: some.jsonl } } }\nrules:\n".to_owned();
        for n in 0..rules {
            let never = u64::from(u32::MAX) + n;
            writeln!(
                config,
                r#"  - {{ when: 'service == "load" && fields.n == {never}', to: [some] }}"#
            )
            .expect("memory takes everything");
        }
        let cost = cost(&config, options.clients, |daemon| {
            Load::new(Receiver::Session, daemon.session(), options.records)
        });
        say("rules", rules, &cost);
        daemon
            .points
            .push((rules as f64, cost.per_record(cost.daemon)));
    }
    vec![Plot {
        name: "rules",
        title: "Cost of a record by the number of rules",
        x: "rules: service == \"load\" && fields.n == …",
        y: "CPU µs a record",
        series: vec![daemon],
    }]
}

/// Tasks that are open all the time.
pub fn open_tasks(options: &Options) -> Vec<Plot> {
    let (mut daemon, mut memory) = (Series::new("daemon"), Series::new("daemon"));
    let counts = [10, 1_000, 10_000, 100_000, 1_000_000];
    for open in counts.into_iter().filter(|open| *open <= options.open_max) {
        let cost = cost(FILE, options.clients, |daemon| Load {
            open: open / options.clients as u64,
            ..Load::new(Receiver::Session, daemon.session(), options.records)
        });
        say("open tasks", open, &cost);
        daemon
            .points
            .push((open as f64, cost.per_record(cost.daemon)));
        memory.points.push((open as f64, cost.memory as f64));
    }
    vec![
        Plot {
            name: "open-tasks",
            title: "Cost of a record by the number of open tasks",
            x: "open tasks",
            y: "CPU µs a record",
            series: vec![daemon],
        },
        Plot {
            name: "open-tasks-memory",
            title: "Memory of the daemon by the number of open tasks",
            x: "open tasks",
            y: "MiB",
            series: vec![memory],
        },
    ]
}

/// Records in the store: one daemon, whose store doubles again and again.
pub fn store(options: &Options) -> Vec<Plot> {
    let folder = results::scratch_folder();
    let mut daemon = measure::daemon(folder.path(), "store: { keep: { size: off, age: off } }");
    let (mut rate, mut middle, mut slowest) = (
        Series::new("stored"),
        Series::new("median"),
        Series::new("slowest"),
    );
    let mut tasks = Vec::new();
    let mut target = options.store_max.min(1_000_000);
    while target <= options.store_max {
        // Of what comes, two in a task are its begin and its end.
        let more = (target - measure::stored(&daemon)) * TASK / (TASK + 2);
        let load = Load {
            task_records: TASK,
            ..Load::new(
                Receiver::Session,
                daemon.session(),
                more / options.clients as u64,
            )
        };
        let client_processes =
            ClientProcesses::start(options.clients, folder.path(), &load.arguments());
        let records = load.stored() * options.clients as u64;
        let cost = measure::measure(&mut daemon, client_processes, records);
        tasks.extend(cost.done.iter().filter_map(|done| done.task.clone()));
        results::until("sealed segments", || {
            daemon.metric("distlogd_store_unsealed_segments") == 0.0
        });
        let stored = measure::stored(&daemon);
        let mut took: Vec<Duration> = tasks
            .iter()
            .map(|task| {
                let begun = Instant::now();
                let tree = daemon.get(&format!("/api/v1/tasks/{task}"));
                let took = begun.elapsed();
                tree.expect("the daemon has the tree");
                took
            })
            .collect();
        took.sort_unstable();
        let millis = |took: Duration| took.as_secs_f64() * 1e3;
        let (median, last) = (millis(took[took.len() / 2]), millis(took[took.len() - 1]));
        say("store", stored, &cost);
        println!(
            "{:22} a tree in {median:.2} ms, the slowest of {} in {last:.2} ms",
            "",
            took.len()
        );
        let at = stored as f64;
        rate.points.push((at, cost.rate(cost.stored)));
        middle.points.push((at, median));
        slowest.points.push((at, last));
        target *= 2;
    }
    vec![
        Plot {
            name: "store-rate",
            title: "Records a second by the size of the store",
            x: "records in the store",
            y: "records/s",
            series: vec![rate],
        },
        Plot {
            name: "store-tree",
            title: "Time to look up one task's tree by the size of the store",
            x: "records in the store",
            y: "ms",
            series: vec![middle, slowest],
        },
    ]
}
