//! A daemon within this process, and what it stored.

use std::path::Path;

use distlog_proto::{BatchRef, ProducerId, RecordRef};
use distlog_store::{Batches, Reader};
use distlogd::daemon::{Builder, Config, Daemon};
use tempfile::TempDir;

use super::push_socket;
use super::session_client::{Client, id};

/// All receivers on free ports, the store in a folder.
pub fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.listen.otlp_grpc = None;
    config.listen.otlp_http = None;
    config.listen.push = Some("tcp://127.0.0.1:0".into());
    config.listen.session = Some("tcp://127.0.0.1:0".into());
    config.listen.http = Some("127.0.0.1:0".into());
    config.store.path = folder.join("store");
    config.store.reserve = 0;
    config
}

/// A daemon in a folder of its own, and the ZeroMQ context of its clients.
pub struct Running {
    pub daemon: Daemon,
    pub context: zmq::Context,
    config: Config,
    _folder: TempDir,
}

impl Running {
    pub fn start() -> Running {
        Running::start_with(|_| {})
    }

    /// `change` changes its configuration.
    pub fn start_with(change: impl FnOnce(&mut Config)) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        Running {
            daemon: Builder::new().start(&config).unwrap(),
            context: zmq::Context::new(),
            config,
            _folder: folder,
        }
    }

    /// Stops the daemon and starts another one with its store.
    pub fn restart(self) -> Running {
        self.daemon.stop();
        Running {
            daemon: Builder::new().start(&self.config).unwrap(),
            ..self
        }
    }

    pub fn stop(self) {
        self.daemon.stop();
    }

    pub fn push_socket(&self) -> zmq::Socket {
        push_socket(self.daemon.address("push").unwrap())
    }

    /// A connection of producer `n` to the session receiver.
    pub fn connect(&self, n: u8) -> Client {
        Client::connect(&self.context, &self.daemon, id(n))
    }

    /// Likewise, and it is welcomed.
    pub fn join(&self, n: u8, epoch: u64) -> Client {
        Client::join(&self.context, &self.daemon, id(n), epoch)
    }

    pub fn metric(&self, name: &str) -> u64 {
        metric(&self.daemon, name)
    }

    /// Offset and message of all stored records of producer `n`.
    pub fn stored(&self, n: u8) -> Vec<(u64, String)> {
        stored(self.daemon.reader(), id(n))
    }
}

pub fn start(folder: &Path) -> Daemon {
    Builder::new().start(&config(folder)).unwrap()
}

pub fn get(daemon: &Daemon, path: &str) -> String {
    let address = daemon.address("http").unwrap();
    let mut response = ureq::get(format!("http://{address}{path}")).call().unwrap();
    response.body_mut().read_to_string().unwrap()
}

/// A metric by name and labels as they stand there; 0 if it is not there yet.
pub fn metric(daemon: &Daemon, name: &str) -> u64 {
    get(daemon, "/metrics")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
        .unwrap_or(0)
}

/// Hands over all records in the store.
pub fn each_stored(reader: &Reader, mut take: impl FnMut(&RecordRef<'_>)) {
    let mut cursor = reader.cursor(1);
    let mut batches = Batches::new();
    loop {
        cursor.next_batches(&mut batches, 1 << 20).unwrap();
        if batches.is_empty() {
            return;
        }
        for (_, bytes) in batches.iter() {
            let batch = BatchRef::parse(bytes).unwrap();
            batch.records().for_each(|record| take(&record.unwrap()));
        }
    }
}

/// Offset and message of all records in the store that are of a producer.
pub fn stored(reader: &Reader, producer: ProducerId) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    each_stored(reader, |record| {
        if record.source.producer == producer {
            all.push((record.offset, record.message.to_owned()));
        }
    });
    all
}
