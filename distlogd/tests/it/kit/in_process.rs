//! A daemon within this process, and what it stored.

use std::path::Path;

use distlog_proto::{BatchRef, ProducerId, RecordRef};
use distlog_store::{Batches, Reader};
use distlogd::daemon::{Builder, Config, Daemon};

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
