//! What clients do more of: fields, tasks inside each other, clients themselves.

use distlog_tests::bench::plot::{Plot, Series};

use super::{FILE, Options, cost, say};
use crate::load::{Load, Receiver};

const CPU: &str = "CPU µs a record";

/// Cost for each of some values that a load may have.
fn each<const N: usize>(
    options: &Options,
    what: &str,
    values: [u64; N],
    change: impl Fn(&mut Load, u64),
) -> Vec<Series> {
    let mut series = vec![Series::new("daemon"), Series::new("clients")];
    for value in values {
        let cost = cost(FILE, options.clients, |daemon| {
            let mut load = Load::new(Receiver::Session, daemon.session(), options.records);
            change(&mut load, value);
            load
        });
        say(what, value, &cost);
        let used = [cost.daemon, cost.clients];
        for (series, used) in series.iter_mut().zip(used) {
            series.points.push((value as f64, cost.per_record(used)));
        }
    }
    series
}

/// Fields of each record.
pub fn fields(options: &Options) -> Vec<Plot> {
    vec![Plot {
        name: "fields",
        title: "Cost of a record by the number of its fields",
        x: "fields, beside the message",
        y: CPU,
        series: each(options, "fields", [0, 1, 3, 10, 30], |load, fields| {
            load.fields = fields as usize;
        }),
    }]
}

/// Tasks inside each other.
pub fn depth(options: &Options) -> Vec<Plot> {
    vec![Plot {
        name: "depth",
        title: "Cost of a record by the depth of its task",
        x: "tasks from the top to the record's own",
        y: CPU,
        series: each(options, "depth", [1, 2, 4, 8, 16, 32, 64], |load, depth| {
            load.depth = depth;
        }),
    }]
}

/// Client processes, which have the same number of records together.
pub fn clients(options: &Options) -> Vec<Plot> {
    let mut series = vec![Series::new("stored"), Series::new("written")];
    let records = options.records * options.clients as u64;
    for clients in [1, 4, 16, 64] {
        let cost = cost(FILE, clients as usize, |daemon| {
            Load::new(Receiver::Session, daemon.session(), records / clients)
        });
        say("clients", clients, &cost);
        let took = [cost.stored, cost.written];
        for (series, took) in series.iter_mut().zip(took) {
            series.points.push((clients as f64, cost.rate(took)));
        }
    }
    vec![Plot {
        name: "clients",
        title: "Records a second by the number of client processes",
        x: "client processes",
        y: "records/s",
        series,
    }]
}
