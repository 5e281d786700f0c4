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

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::client_processes::ClientProcesses;
use crate::measure;
use crate::row::Row;
use crate::system;

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
        let folder = measure::folder();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let place = Place {
            folder: folder.path().to_owned(),
            port,
            records,
        };
        let command = (self.command)(&place).ok_or(self.get)?;
        let daemon = Running::start(command, &place);
        let process = daemon.0.id();
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

/// A running daemon. Killed when dropped.
struct Running(Child);

impl Running {
    /// Starts it, and waits until it listens.
    fn start(mut command: Command, place: &Place) -> Running {
        let said = place.folder.join("said");
        let file = || File::options().create(true).append(true).open(&said);
        let child = command
            .stdin(Stdio::null())
            .stdout(file().expect("a file for what it says"))
            .stderr(file().expect("a file for what it says"))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut running = Running(child);
        measure::until("a daemon that listens", || {
            if let Ok(Some(status)) = running.0.try_wait() {
                let said = std::fs::read_to_string(&said).unwrap_or_default();
                panic!("{command:?} ended with {status}: {said}");
            }
            TcpStream::connect(("127.0.0.1", place.port)).is_ok()
        });
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The path that a variable of the environment has, or a program of that name where programs are.
fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
