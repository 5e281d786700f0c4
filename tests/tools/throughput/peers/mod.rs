//! Other daemons that take log records and write them to a file, each set up to do that as fast as its manual knows.
//!
//! They get the same records, from as many clients, in the form that they read: `rsyslog.rs`, `syslog_ng.rs` and
//! `otelcol.rs` lines of JSON, once as text and once as fields; `python.rs` frames of the Python package. `written.rs`
//! knows when everything is in the file.

mod otelcol;
mod python;
mod rsyslog;
mod syslog_ng;
mod written;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use distlog_tests::bench::peer::{self, Running};
use distlog_tests::bench::{results, system};

use crate::client_processes::ClientProcesses;
use crate::measure;
use crate::row::Row;

/// Another daemon.
#[derive(Debug)]
pub struct Peer {
    /// Its name, and what it does with a record.
    pub name: &'static str,
    /// How to get it.
    get: &'static str,
    /// Of the records that others get, it gets one in so many: it would take too long.
    share: u64,
    /// What its clients send.
    form: Form,
    /// What each record has once in the file.
    mark: &'static str,
    /// What starts it, if it is installed.
    command: fn(&Place) -> Option<Command>,
}

/// All that we know.
pub const PEERS: &[Peer] = &[
    rsyslog::AS_TEXT,
    rsyslog::AS_FIELDS,
    syslog_ng::AS_TEXT,
    syslog_ng::AS_FIELDS,
    otelcol::AS_TEXT,
    otelcol::AS_FIELDS,
    python::PEER,
];

/// What clients send.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Lines of JSON, over TCP.
    Lines,
    /// JSON of the Python package, over ZeroMQ.
    Frames,
}

/// Where a peer works.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    /// A free one.
    port: u16,
    /// So many records come.
    records: u64,
}

impl Place {
    /// The file that it writes.
    fn output(&self) -> PathBuf {
        self.folder.join("all.jsonl")
    }

    /// Writes its configuration.
    fn configure(&self, text: &str) -> PathBuf {
        let path = self.folder.join("peer.conf");
        std::fs::write(&path, text).expect("the configuration is written");
        path
    }
}

impl Peer {
    /// Measures it.
    ///
    /// # Errors
    /// How to get it, if it is not installed.
    pub fn measure(&self, clients: usize, records: u64) -> Result<Row, &'static str> {
        let each = records / self.share;
        let records = each * clients as u64;
        let folder = results::scratch_folder();
        let port = peer::free_port();
        let place = Place {
            folder: folder.path().to_owned(),
            port,
            records,
        };
        let command = (self.command)(&place).ok_or(self.get)?;
        let daemon = Running::start(command, &place.folder, port);
        let process = daemon.process();
        let each = each.to_string();
        let arguments = match self.form {
            Form::Lines => vec!["lines".into(), format!("127.0.0.1:{port}"), each],
            Form::Frames => {
                let address = format!("tcp://127.0.0.1:{port}");
                vec!["frames".into(), address, each, "json".into()]
            }
        };
        let mut client_processes = ClientProcesses::start(clients, folder.path(), &arguments);
        let (used, used_clients) = (system::cpu(process), client_processes.cpu());
        let begun = system::now();
        client_processes.go();
        client_processes.wait();
        let written = written::wait(&place.output(), self.mark, records);
        let took = Duration::from_nanos(written.saturating_sub(begun));
        let per_million = |time: Duration| time.as_secs_f64() * 1e6 / records as f64;
        let row = Row {
            name: self.name.to_owned(),
            clients,
            records,
            written_per_second: Some(records as f64 / took.as_secs_f64()),
            written_bytes: Some(measure::length(&place.output()) / records.max(1)),
            daemon_cpu_per_million: per_million(system::cpu(process) - used),
            clients_cpu_per_million: per_million(client_processes.cpu() - used_clients),
            peak_mib: system::peak(process),
            ..Row::default()
        };
        client_processes.end();
        Ok(row)
    }
}
