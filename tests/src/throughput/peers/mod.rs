//! Other daemons that take log records and write them to a file, each set up to do that as fast as its manual knows.
//!
//! They get the same records, from as many clients, in the form that they read: `rsyslog.rs` and `syslog_ng.rs` lines of
//! JSON, once as text and once as fields; `python.rs` frames of the Python package.
//! `written.rs` knows when everything is in the file.

mod python;
mod rsyslog;
mod syslog_ng;
mod written;

use std::ffi::OsStr;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::crew::Crew;
use crate::measure;
use crate::row::Row;
use crate::system;

/// Another daemon.
#[derive(Debug)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// How to get it.
    get: &'static str,
    /// Of the records that others get, it gets one in so many: it would take too long.
    share: u64,
    /// What starts it for so many records, if it is installed.
    setup: fn(&Place, u64) -> Option<Setup>,
}

/// All that we know.
pub const PEERS: &[Peer] = &[
    rsyslog::AS_TEXT,
    rsyslog::AS_FIELDS,
    syslog_ng::AS_TEXT,
    syslog_ng::AS_FIELDS,
    python::PEER,
];

/// Where a peer works.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    /// A free one.
    port: u16,
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

/// What starts a peer, and what its clients are started with before and after its address and the count.
struct Setup {
    daemon: Command,
    client: &'static [&'static str],
    address: String,
    encoding: Option<&'static str>,
}

/// A running daemon. Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Peer {
    /// Measures it.
    ///
    /// # Errors
    /// How to get it, if it is not installed.
    pub fn measure(&self, clients: usize, records: u64) -> Result<Row, &'static str> {
        let records = records / self.share;
        let all = records * clients as u64;
        let folder = measure::folder();
        let place = Place {
            folder: folder.path().to_owned(),
            port: free_port(),
        };
        let mut setup = (self.setup)(&place, all).ok_or(self.get)?;
        let said = place.folder.join("peer.log");
        let log = File::create(&said).expect("a file for what it says");
        let again = log.try_clone().expect("the same file twice");
        let child = setup
            .daemon
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again)
            .spawn()
            .expect("a program that is there starts");
        let mut daemon = Running(child);
        let process = daemon.0.id();
        measure::until(self.name, || {
            if let Ok(Some(status)) = daemon.0.try_wait() {
                let said = std::fs::read_to_string(&said).unwrap_or_default();
                panic!("{} ended with {status}: {said}", self.name);
            }
            TcpStream::connect(("127.0.0.1", place.port)).is_ok()
        });

        let count = records.to_string();
        let words = setup.client.iter().copied();
        let words = words
            .chain([setup.address.as_str(), &count])
            .chain(setup.encoding);
        let arguments: Vec<String> = words.map(str::to_owned).collect();
        let mut crew = Crew::start(clients, &place.folder, &arguments);
        let (used, used_clients) = (system::cpu(process), crew.cpu());
        let begun = system::now();
        crew.go();
        let bytes = crew.wait().iter().map(|done| done.bytes).sum();
        let written = written::wait(&place.output(), all, bytes);
        let took = Duration::from_nanos(written.saturating_sub(begun));
        let per_million = |time: Duration| time.as_secs_f64() * 1e6 / all as f64;
        let row = Row {
            name: self.name.to_owned(),
            clients,
            records: all,
            written_per_second: Some(all as f64 / took.as_secs_f64()),
            daemon_cpu_per_million: per_million(system::cpu(process) - used),
            clients_cpu_per_million: per_million(crew.cpu() - used_clients),
            peak_mib: system::peak(process),
            ..Row::default()
        };
        crew.end();
        Ok(row)
    }
}

/// The path that a variable of the environment has, or a program of that name where programs are.
fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn command(program: &Path, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
