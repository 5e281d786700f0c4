//! A line of the table.

use serde::Serialize;

use crate::probe::Quantiles;

/// What was measured of one daemon in one situation. What it does not do is `None`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Row {
    /// Which daemon, and what it did.
    pub name: String,
    /// Client processes.
    pub clients: usize,
    /// Records of all clients together.
    pub records: u64,
    /// Records a second until all were stored (and acknowledged, on the session receiver).
    pub stored_per_second: Option<f64>,
    /// Records a second until all were in the files.
    pub written_per_second: Option<f64>,
    /// Bytes of a record in the file: the forms differ in how much they say.
    pub written_bytes: Option<u64>,
    /// CPU seconds of the daemon for a million records.
    pub daemon_cpu_per_million: f64,
    /// CPU seconds of the clients for a million records.
    pub clients_cpu_per_million: f64,
    /// The most memory that the daemon had.
    pub peak_mib: u64,
    /// What the daemon's threads were busy with.
    pub busy: Option<String>,
    /// From the log call to the acknowledgement, in microseconds.
    pub ack_micros: Option<Quantiles>,
    /// From the log call to a listener of the live tail, in microseconds.
    pub tail_micros: Option<Quantiles>,
}

/// What stands over the rows.
pub const HEAD: &str = concat!(
    "                                                     stored     written bytes  CPU s / million    peak   ack p50/p99  tail p50/p99\n",
    "                                          records        /s          /s  each   daemon clients     MiB            ms            ms",
);

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = |rate: Option<f64>| rate.map_or("–".into(), |rate| format!("{rate:.0}"));
        let millis = |of: Option<Quantiles>| {
            of.map_or("–".into(), |Quantiles { p50, p99 }| {
                format!("{:.1}/{:.1}", p50 as f64 / 1e3, p99 as f64 / 1e3)
            })
        };
        write!(
            f,
            "{:39} {:>9} {:>10} {:>11} {:>5} {:>8.2} {:>7.2} {:>7} {:>13} {:>13}",
            self.name,
            self.records,
            rate(self.stored_per_second),
            rate(self.written_per_second),
            self.written_bytes
                .map_or("–".into(), |bytes| bytes.to_string()),
            self.daemon_cpu_per_million,
            self.clients_cpu_per_million,
            self.peak_mib,
            millis(self.ack_micros),
            millis(self.tail_micros),
        )?;
        match &self.busy {
            Some(busy) => write!(f, "\n{:41}busy: {busy}", ""),
            None => Ok(()),
        }
    }
}
