//! Everything that runs: network, disk, daemon, clients, sink, databases. Carries out orders and looks after what they
//! lead to.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checker::Findings;
use super::children::Running;
use super::client::{Client, LEFT};
use super::daemon_supervisor::DaemonSupervisor;
use super::databases::{Databases, Rows};
use super::disk::Disk;
use super::network::Network;
use super::plan::{ClientOptions, Order, Step};
use super::{metrics, sink};

/// What a client may take to end in order, and whatever else to come about.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at everything.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Between two looks at how far the processors are.
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(100);
/// Of the store's file system, kept free by the daemon, in bytes.
const RESERVE: u64 = 4 << 20;

pub struct Cluster {
    folder: PathBuf,
    threads: u64,
    journal: File,
    begun: Instant,
    network: Network,
    disk: Option<Disk>,
    databases: Option<Databases>,
    full: bool,
    daemon: DaemonSupervisor,
    clients: Vec<Option<Running>>,
    leaving: Vec<(Running, Instant)>,
    runs: u64,
    /// What is wrong.
    pub findings: Findings,
}

impl Cluster {
    /// In an empty folder, for so many clients; nothing runs yet.
    ///
    /// # Errors
    /// If a file or folder cannot be made.
    pub fn new(
        folder: &Path,
        seed: u64,
        clients: usize,
        threads: u64,
        disk: Option<Disk>,
        databases: Option<Databases>,
    ) -> io::Result<Cluster> {
        for name in ["logs", "journals", "sink", "store", "spool"] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        let cluster = Cluster {
            folder: folder.into(),
            threads,
            journal: File::create(folder.join("journal.txt"))?,
            begun: Instant::now(),
            network: Network::new(seed)?,
            disk,
            databases,
            full: false,
            daemon: DaemonSupervisor::new(folder.join("distlogd.yaml"), &folder.join("logs")),
            clients: (0..clients).map(|_| None).collect(),
            leaving: Vec::new(),
            runs: 0,
            findings: Findings::default(),
        };
        std::fs::write(folder.join("distlogd.yaml"), cluster.config()?)?;
        Ok(cluster)
    }

    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store/data")
    }

    /// The file that a processor writes.
    pub fn file(&self) -> PathBuf {
        self.folder.join("all.jsonl")
    }

    /// The folder of the sink.
    pub fn sink(&self) -> PathBuf {
        self.folder.join("sink")
    }

    /// What the databases have.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn rows(&self) -> io::Result<Rows> {
        self.databases
            .as_ref()
            .map_or(Ok(Rows::new()), Databases::read)
    }

    /// The folder of the call journals.
    pub fn journals(&self) -> PathBuf {
        self.folder.join("journals")
    }

    /// Where a client keeps what is not acknowledged. Two of them share each.
    fn spool(&self, slot: usize) -> PathBuf {
        self.folder.join(format!("spool/{}", slot / 2))
    }

    fn spools(&self) -> Vec<PathBuf> {
        (0..self.clients.len())
            .step_by(2)
            .map(|slot| self.spool(slot))
            .collect()
    }

    fn config(&self) -> io::Result<String> {
        let program = std::env::current_exe()?;
        // Into every other one the daemon looks, too; into the rest only clients do.
        let drain: Vec<String> = self
            .spools()
            .iter()
            .skip(1)
            .step_by(2)
            .map(|spool| format!("'{}'", spool.display()))
            .collect();
        let databases = self.databases.as_ref();
        let processors = databases.map_or_else(String::new, Databases::processors);
        let names = databases.map_or(&[][..], Databases::names);
        let names: String = names.iter().map(|name| format!(", {name}")).collect();
        Ok(format!(
            "listen: {{ push: off, session: 'tcp://127.0.0.1:0', otlp_grpc: off, otlp_http: off, http: '127.0.0.1:0' }}
store: {{ path: '{}', reserve: {RESERVE}, keep: {{ size: off, age: off }} }}
drain: [{}]
lost_after: 2s
grace: 5s
processors:
  file: {{ file: {{ path: '{}' }} }}
  sink: {{ exec: {{ command: ['{}', sink, '{}'], in_flight: 1000, timeout: 10s }} }}
{processors}rules:
  - to: [file, sink{names}]
",
            self.store().display(),
            drain.join(", "),
            self.file().display(),
            program.display(),
            self.sink().display(),
        ))
    }

    /// Carries out the steps at their times.
    ///
    /// # Errors
    /// What the system says.
    pub fn follow(&mut self, steps: &[Step]) -> io::Result<()> {
        let begun = Instant::now();
        for step in steps {
            while let Some(left) = step.at.checked_sub(begun.elapsed()) {
                self.tick()?;
                std::thread::sleep(left.min(POLL_INTERVAL));
            }
            self.obey(step.order)?;
            self.tick()?;
        }
        Ok(())
    }

    /// Carries out an order.
    ///
    /// # Errors
    /// What the system says.
    pub fn obey(&mut self, order: Order) -> io::Result<()> {
        self.note(&order.to_string())?;
        match order {
            Order::KillDaemon => self.daemon.kill(&self.network),
            Order::StopDaemon => self.daemon.stop(&self.network),
            Order::StartDaemon => self.daemon.start(),
            Order::KillClient(slot) => {
                if let Some(mut client) = self.clients[slot].take() {
                    client.kill();
                }
            }
            Order::StopClient(slot) => self.dismiss(slot),
            Order::StartClient(slot, client_options) => self.start_client(slot, client_options)?,
            Order::Weather(weather) => self.network.weather(weather),
            Order::Cut => self.network.cut(),
            Order::FillDisk(leave) => {
                self.full = true;
                self.disk.as_ref().map_or(Ok(()), |disk| disk.fill(leave))?;
            }
            Order::FreeDisk => {
                self.disk.as_ref().map_or(Ok(()), Disk::free)?;
                self.full = false;
            }
            Order::KillSink => sink::kill(&self.sink()),
            Order::SinkAway(away) => sink::set_away(&self.sink(), away)?,
            Order::KillDatabase
            | Order::StartDatabase
            | Order::CutDatabase
            | Order::FreezeDatabase(_) => self.obey_database(order),
        }
        Ok(())
    }

    fn obey_database(&mut self, order: Order) {
        let Some(databases) = &mut self.databases else {
            return;
        };
        match order {
            Order::KillDatabase => databases.kill(),
            Order::StartDatabase => databases.restart(),
            Order::FreezeDatabase(frozen) => databases.freeze(frozen),
            _ => databases.cut(),
        }
    }

    /// Writes into the journal.
    ///
    /// # Errors
    /// If that fails.
    pub fn note(&mut self, what: &str) -> io::Result<()> {
        writeln!(
            self.journal,
            "{:>9.3} {what}",
            self.begun.elapsed().as_secs_f64()
        )
    }

    fn start_client(&mut self, slot: usize, client_options: ClientOptions) -> io::Result<()> {
        self.runs += 1;
        let client = Client {
            run: self.runs,
            journals: self.journals(),
            spool: self.spool(slot),
            connect: self.network.address().to_owned(),
            threads: self.threads,
            ring: client_options.ring,
            wait: client_options.waits,
            burst: client_options.burst,
            bursts: client_options.bursts,
        };
        self.note(&format!("run {} in slot {slot}", self.runs))?;
        self.clients[slot] = Some(Running::client(&client, &self.folder.join("logs"))?);
        Ok(())
    }

    fn dismiss(&mut self, slot: usize) {
        if let Some(mut client) = self.clients[slot].take() {
            client.close_input();
            self.leaving.push((client, Instant::now()));
        }
    }

    /// Looks after everything that runs.
    fn tick(&mut self) -> io::Result<()> {
        let mut wrong: Vec<String> = self
            .daemon
            .tick(&self.network, self.full)?
            .into_iter()
            .collect();
        for slot in &mut self.clients {
            if let Some(client) = slot
                && let Some(status) = client.ended()?
            {
                let last = client.last_words();
                wrong.push(format!("{} ended by itself, {status}: {last}", client.name));
                *slot = None;
            }
        }
        let mut at = 0;
        while let Some((client, since)) = self.leaving.get_mut(at) {
            let status = client.ended()?;
            match status.map(|status| status.code()) {
                None if since.elapsed() < TIMEOUT => {
                    at += 1;
                    continue;
                }
                Some(Some(code)) if code == 0 || code == i32::from(LEFT) => {}
                _ => {
                    let last = client.last_words();
                    wrong.push(format!(
                        "{} did not end well, {status:?}: {last}",
                        client.name
                    ));
                }
            }
            self.leaving.remove(at);
        }
        for what in wrong {
            self.note(&what)?;
            self.findings.violation(what);
        }
        Ok(())
    }

    /// Waits until something holds; a violation if it does not come about.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Cluster) -> bool,
    ) -> io::Result<bool> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            self.tick()?;
            if holds(self) {
                return Ok(true);
            }
            if Instant::now() > deadline {
                self.note(what)?;
                self.findings
                    .violation(format!("{what} did not come about within a minute"));
                return Ok(false);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Records in the store, if a daemon is ready to tell.
    pub fn stored(&self) -> Option<u64> {
        let text = metrics::read(self.daemon.http()?).ok()?;
        metrics::value(&text, "distlogd_store_records")
    }

    /// Ends the clients in order, takes what dead ones left, lets everything arrive, and stops the daemon.
    ///
    /// # Errors
    /// What the system says.
    pub fn rest(&mut self) -> io::Result<()> {
        self.wait("a daemon at the end", |cluster| cluster.stored().is_some())?;
        (0..self.clients.len()).for_each(|slot| self.dismiss(slot));
        self.wait("the end of the clients", |cluster| {
            cluster.leaving.is_empty()
        })?;
        self.stop_daemon()?;
        self.drain()?;
        self.obey(Order::StartDaemon)?;
        self.catch_up()?;
        self.stop_daemon()
    }

    /// Waits until the processors have everything, however long that takes, as long as they get on.
    fn catch_up(&mut self) -> io::Result<()> {
        let mut least = u64::MAX;
        while least > 0 {
            let mut now = least;
            let got_on = self.wait("progress of the processors", |cluster| {
                now = cluster.lag().unwrap_or(u64::MAX);
                now < least
            })?;
            if !got_on {
                break;
            }
            least = now;
            std::thread::sleep(CATCH_UP_INTERVAL);
        }
        Ok(())
    }

    /// How many records the processors have not got yet, all together, if a daemon is ready to tell.
    fn lag(&self) -> Option<u64> {
        let text = metrics::read(self.daemon.http()?).ok()?;
        let lag = metrics::values(&text, "distlogd_processor_lag_records");
        (!lag.is_empty()).then(|| lag.iter().sum())
    }

    fn stop_daemon(&mut self) -> io::Result<()> {
        self.obey(Order::StopDaemon)?;
        self.wait("the end of the daemon", |cluster| {
            cluster.daemon.is_absent()
        })?;
        Ok(())
    }

    /// Takes what dead clients left, and nobody else looked after, into the store.
    fn drain(&mut self) -> io::Result<()> {
        let mut spools = self.spools();
        spools.retain(|spool| spool.exists());
        let mut drain = Running::drain(
            &self.folder.join("logs"),
            &self.folder.join("distlogd.yaml"),
            &spools,
        )?;
        self.wait("the end of draining", |_| {
            drain.ended().is_ok_and(|status| status.is_some())
        })?;
        if drain.ended()?.is_none_or(|status| !status.success()) {
            self.findings
                .violation(format!("draining failed: {}", drain.last_words()));
        }
        for path in self.left() {
            self.findings
                .violation(format!("{} was left after draining", path.display()));
        }
        Ok(())
    }

    /// Gives up the store's disk, when nothing runs any more.
    ///
    /// # Errors
    /// If that fails.
    pub fn leave(self) -> io::Result<()> {
        self.disk.map_or(Ok(()), Disk::unmount)
    }

    /// Spool files that are left.
    fn left(&self) -> Vec<PathBuf> {
        self.spools()
            .iter()
            .flat_map(|spool| std::fs::read_dir(spool).into_iter().flatten())
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "spool"))
            .collect()
    }
}
