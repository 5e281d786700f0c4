//! A daemon of the run: its folder, its store, its process, and what it says about itself.

use std::io;
use std::path::{Path, PathBuf};

use super::daemon_supervisor::DaemonSupervisor;
use super::metrics;
use super::network::Network;

/// A daemon.
pub struct Daemon {
    name: String,
    folder: PathBuf,
    store: PathBuf,
    network: Option<Network>,
    /// Keeps it running.
    pub supervisor: DaemonSupervisor,
}

impl Daemon {
    /// Makes its folder in that of the run; nothing runs yet. Its store is where it is told. A network leads clients to
    /// it.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new(
        run: &Path,
        name: &str,
        store: PathBuf,
        network: Option<Network>,
    ) -> io::Result<Daemon> {
        let folder = run.join(name);
        std::fs::create_dir_all(folder.join("sink"))?;
        let config = folder.join("distlogd.yaml");
        let supervisor = DaemonSupervisor::new(name, config, &run.join("logs"), network.clone());
        Ok(Daemon {
            name: name.to_owned(),
            folder,
            store,
            network,
            supervisor,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("distlogd.yaml")
    }

    /// Where its store is.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// The file that a processor writes.
    pub fn file(&self) -> PathBuf {
        self.folder.join("all.jsonl")
    }

    /// The folder of its sink.
    pub fn sink(&self) -> PathBuf {
        self.folder.join("sink")
    }

    /// Its file of SQLite.
    pub fn database(&self) -> PathBuf {
        self.folder.join("logs.db")
    }

    /// What leads clients to it.
    pub fn network(&self) -> Option<&Network> {
        self.network.as_ref()
    }

    /// Its metrics, if it is ready to tell.
    fn metrics(&self) -> Option<String> {
        metrics::read(self.supervisor.http()?).ok()
    }

    /// Records in its store.
    pub fn stored(&self) -> Option<u64> {
        metrics::value(&self.metrics()?, "distlogd_store_records")
    }

    /// How many records its processors have not got yet, all together.
    pub fn lag(&self) -> Option<u64> {
        self.sum("distlogd_processor_lag_records")
    }

    /// How many messages of its partitions it has not stored yet, and how many partitions it reads.
    pub fn behind(&self) -> Option<(u64, u64)> {
        Some((
            self.sum("distlogd_source_pending_messages")?,
            self.sum("distlogd_source_partitions")?,
        ))
    }

    fn sum(&self, metric: &str) -> Option<u64> {
        let values = metrics::values(&self.metrics()?, metric);
        (!values.is_empty()).then(|| values.iter().sum())
    }
}
