//! What is printed and drawn.

use distlog_tests::bench::plot::{Plot, Series};

use crate::measure::{Asked, Row};
use crate::query::QUERIES;

/// What stands over the rows.
pub const HEAD: &str = concat!(
    "                                        sent            CPU µs    stored     peak  settled\n",
    "                          records bytes each         /s   each bytes each     MiB        s\n",
    "  question                         first ms   min ms median ms   CPU ms  peak MiB\n",
);

/// What taking cost.
pub fn taken(
    Row {
        store,
        records,
        taken,
        ..
    }: &Row,
) -> String {
    let stored = taken
        .stored_bytes
        .map_or("–".into(), |bytes| format!("{bytes:.1}"));
    format!(
        "{store:22} {records:>10} {:>10.0} {:>10.0} {:>6.2} {stored:>10} {:>7} {:>8.1}",
        taken.sent_bytes, taken.per_second, taken.cpu_micros, taken.peak_mib, taken.settled_seconds
    )
}

/// How long an answer took.
pub fn asked(asked: &Asked) -> String {
    let name = asked.query.name();
    match &asked.failure {
        Some(failure) => format!("  {name:30} {failure}"),
        None => format!(
            "  {name:30} {:>10.1} {:>8.1} {:>9.1} {:>8.1} {:>9}",
            asked.first_ms, asked.min_ms, asked.median_ms, asked.cpu_ms, asked.peak_mib
        ),
    }
}

/// A plot for each question that was answered: the median by the number of records.
pub fn plots(rows: &[Row]) -> Vec<Plot> {
    let plot = |query| {
        let series = ["distlogd", "VictoriaLogs"]
            .into_iter()
            .filter_map(|store| {
                let mut series = Series::new(store);
                for row in rows.iter().filter(|row| row.store == store) {
                    let answers = row
                        .asked
                        .iter()
                        .filter(|asked| asked.query == query && asked.failure.is_none());
                    series
                        .points
                        .extend(answers.map(|asked| (row.records as f64, asked.median_ms)));
                }
                (!series.points.is_empty()).then_some(series)
            });
        let series: Vec<Series> = series.collect();
        (!series.is_empty()).then(|| Plot {
            name: query.plot(),
            title: query.title(),
            x: "log records in the store",
            y: "ms",
            series,
        })
    };
    QUERIES.into_iter().filter_map(plot).collect()
}
