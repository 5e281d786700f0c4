//! Everything that runs: networks, disk, daemons, clients, sinks, databases, the stream with its hubs. Carries out
//! orders and looks after what they lead to.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checker::Findings;
use super::children::Running;
use super::client::{Client, LEFT};
use super::daemon::Daemon;
use super::databases::Databases;
use super::disk::Disk;
use super::network::Network;
use super::order::{ClientOptions, Order, Step};
use super::sink;
use super::stream::Stream;

/// What a client may take to end in order, and whatever else to come about.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at everything.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Of the store's file system, kept free by the daemon, in bytes.
const RESERVE: u64 = 4 << 20;

pub struct Cluster {
    folder: PathBuf,
    threads: u64,
    journal: File,
    begun: Instant,
    disk: Option<Disk>,
    databases: Option<Databases>,
    stream: Option<Stream>,
    full: bool,
    /// Those that take what clients log.
    daemons: Vec<Daemon>,
    clients: Vec<Option<Running>>,
    leaving: Vec<(Running, Instant)>,
    runs: u64,
    /// What is wrong.
    pub findings: Findings,
}

/// What a cluster is made of.
pub struct Parts {
    /// Client processes.
    pub clients: usize,
    /// Threads of each that log.
    pub threads: u64,
    /// Daemons that they log to.
    pub daemons: usize,
    /// Where stores are.
    pub disk: Option<Disk>,
    /// What the daemons write into, or the hubs where there is a stream.
    pub databases: Option<Databases>,
    /// What the daemons publish to.
    pub stream: Option<Stream>,
}

impl Cluster {
    /// In a folder; no daemon and no client runs yet.
    ///
    /// # Errors
    /// If a file or folder cannot be made.
    pub fn new(folder: &Path, seed: u64, parts: Parts) -> io::Result<Cluster> {
        for name in ["logs", "journals", "store", "spool"] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        let daemon = |number: usize| {
            let store = folder.join(format!("store/data-{number}"));
            // Each network has a weather of its own in the same storm.
            let network = Network::new(seed ^ (number as u64) << 32)?;
            Daemon::new(folder, &format!("daemon-{number}"), store, Some(network))
        };
        let cluster = Cluster {
            folder: folder.into(),
            threads: parts.threads,
            journal: File::create(folder.join("journal.txt"))?,
            begun: Instant::now(),
            disk: parts.disk,
            databases: parts.databases,
            stream: parts.stream,
            full: false,
            daemons: (0..parts.daemons).map(daemon).collect::<io::Result<_>>()?,
            clients: (0..parts.clients).map(|_| None).collect(),
            leaving: Vec::new(),
            runs: 0,
            findings: Findings::default(),
        };
        for daemon in &cluster.daemons {
            std::fs::write(daemon.config(), cluster.config(daemon)?)?;
        }
        Ok(cluster)
    }

    /// Those that take what clients log.
    pub fn daemons(&self) -> &[Daemon] {
        &self.daemons
    }

    /// Those that take from the stream, if there is one.
    pub fn hubs(&self) -> &[Daemon] {
        self.stream.as_ref().map_or(&[], |stream| &stream.hubs)
    }

    /// The stream, if there is one.
    pub fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Starts what takes the spools of dead clients into the first store, while no daemon runs.
    ///
    /// # Errors
    /// If the system does not start it.
    pub fn start_draining(&self) -> io::Result<Running> {
        let mut spools = self.spools();
        spools.retain(|spool| spool.exists());
        Running::drain(
            &self.folder.join("logs"),
            &self.daemons[0].config(),
            &spools,
        )
    }

    /// The databases, if there are any.
    pub fn databases(&self) -> Option<&Databases> {
        self.databases.as_ref()
    }

    /// The folder of the call journals.
    pub fn journals(&self) -> PathBuf {
        self.folder.join("journals")
    }

    /// Where a client keeps what is not acknowledged. Two of them share each.
    fn spool(&self, slot: usize) -> PathBuf {
        self.folder.join(format!("spool/{}", slot / 2))
    }

    /// Where all clients keep that.
    pub fn spools(&self) -> Vec<PathBuf> {
        (0..self.clients.len())
            .step_by(2)
            .map(|slot| self.spool(slot))
            .collect()
    }

    fn config(&self, daemon: &Daemon) -> io::Result<String> {
        let program = std::env::current_exe()?;
        // Into every other one the daemon looks, too; into the rest only clients do.
        let drain: Vec<String> = self
            .spools()
            .iter()
            .skip(1)
            .step_by(2)
            .map(|spool| format!("'{}'", spool.display()))
            .collect();
        let (processors, names) = match (&self.stream, &self.databases) {
            (Some(stream), _) => (stream.processor(), &["stream"][..]),
            (None, Some(databases)) => {
                (databases.processors(&daemon.database()), databases.names())
            }
            (None, None) => Default::default(),
        };
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
            daemon.store().display(),
            drain.join(", "),
            daemon.file().display(),
            program.display(),
            daemon.sink().display(),
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
            Order::KillDaemon(number) => self.daemons[number].supervisor.kill(),
            Order::StopDaemon(number) => self.daemons[number].supervisor.stop(),
            Order::StartDaemon(number) => self.daemons[number].supervisor.start(),
            Order::KillClient(slot) => {
                if let Some(mut client) = self.clients[slot].take() {
                    client.kill();
                }
            }
            Order::StopClient(slot) => self.dismiss(slot),
            Order::StartClient(slot, client_options) => self.start_client(slot, client_options)?,
            Order::Weather(weather) => self.networks().for_each(|network| network.weather(weather)),
            Order::Cut => self.networks().for_each(Network::cut),
            Order::FillDisk(leave) => {
                self.full = true;
                self.disk.as_ref().map_or(Ok(()), |disk| disk.fill(leave))?;
            }
            Order::FreeDisk => {
                self.disk.as_ref().map_or(Ok(()), Disk::free)?;
                self.full = false;
            }
            Order::KillSink => {
                let sinks = self.daemons.iter().map(Daemon::sink);
                sinks.for_each(|sink| sink::kill(&sink));
            }
            Order::SinkAway(away) => {
                let mut sinks = self.daemons.iter().map(Daemon::sink);
                sinks.try_for_each(|sink| sink::set_away(&sink, away))?;
            }
            Order::KillDatabase
            | Order::StartDatabase
            | Order::CutDatabase
            | Order::FreezeDatabase(_) => self.obey_database(order),
            Order::KillHub(_)
            | Order::StopHub(_)
            | Order::StartHub(_)
            | Order::KillNode(_)
            | Order::StartNode(_)
            | Order::FreezeNode(..)
            | Order::CutNodes => self.obey_stream(order),
        }
        Ok(())
    }

    fn networks(&self) -> impl Iterator<Item = &Network> {
        self.daemons.iter().filter_map(Daemon::network)
    }

    fn obey_stream(&mut self, order: Order) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        match order {
            Order::KillHub(hub) => stream.hubs[hub].supervisor.kill(),
            Order::StopHub(hub) => stream.hubs[hub].supervisor.stop(),
            Order::StartHub(hub) => stream.hubs[hub].supervisor.start(),
            Order::KillNode(node) => stream.kill(node),
            Order::StartNode(node) => stream.restart(node),
            Order::FreezeNode(node, frozen) => stream.freeze(node, frozen),
            _ => stream.cut(),
        }
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

    /// Asks all clients to end in order, and waits until they have.
    ///
    /// # Errors
    /// What the system says.
    pub fn dismiss_all(&mut self) -> io::Result<bool> {
        (0..self.clients.len()).for_each(|slot| self.dismiss(slot));
        self.wait("the end of the clients", |cluster| {
            cluster.leaving.is_empty()
        })
    }

    fn start_client(&mut self, slot: usize, client_options: ClientOptions) -> io::Result<()> {
        self.runs += 1;
        let client = Client {
            run: self.runs,
            journals: self.journals(),
            spool: self.spool(slot),
            connect: self.addresses(slot),
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

    /// Where a client sends to: each has a daemon of its own, and every other one another, if that does not answer.
    fn addresses(&self, slot: usize) -> Vec<String> {
        let count = self.daemons.len();
        let mut addresses: Vec<String> = self
            .networks()
            .map(|network| network.address().to_owned())
            .collect();
        addresses.rotate_left(slot % count);
        if (slot / count).is_multiple_of(2) {
            addresses.truncate(1);
        }
        addresses
    }

    /// Asks a client to end in order.
    fn dismiss(&mut self, slot: usize) {
        if let Some(mut client) = self.clients[slot].take() {
            client.close_input();
            self.leaving.push((client, Instant::now()));
        }
    }

    /// Looks after everything that runs.
    fn tick(&mut self) -> io::Result<()> {
        let mut wrong = Vec::new();
        let hubs = self.stream.iter_mut().flat_map(|stream| &mut stream.hubs);
        for daemon in self.daemons.iter_mut().chain(hubs) {
            wrong.extend(daemon.supervisor.tick(self.full)?);
        }
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

    /// Records in the stores of the daemons, and in those of the hubs that are to run, if all of these are ready to
    /// tell.
    pub fn stored(&self) -> Option<Vec<u64>> {
        let sum = |daemons: &[Daemon]| {
            let wanted = daemons
                .iter()
                .filter(|daemon| daemon.supervisor.is_wanted());
            wanted.map(Daemon::stored).sum::<Option<u64>>()
        };
        let mut stored = vec![sum(&self.daemons)?];
        if let Some(stream) = &self.stream {
            stored.push(sum(&stream.hubs)?);
        }
        Some(stored)
    }

    /// Gives up the store's disk, when nothing runs any more.
    ///
    /// # Errors
    /// If that fails.
    pub fn leave(self) -> io::Result<()> {
        self.disk.map_or(Ok(()), Disk::unmount)
    }
}
