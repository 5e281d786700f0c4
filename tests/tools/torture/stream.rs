//! A stream of NATS JetStream on three servers, and the hubs behind it. Daemons publish to the stream; hubs share its
//! partitions and write into the databases.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use distlog_testkit::{Nats, Proxy};

use super::daemon::Daemon;
use super::databases::{Databases, RETRY};
use super::order::Node;

/// What names the program of the servers.
pub const PROGRAM: &str = "DISTLOG_TEST_NATS_SERVER";
/// Daemons that publish.
pub const AGENTS: usize = 2;
/// Hubs, of which the last one comes and goes.
pub const HUBS: usize = 3;
/// Partitions of the stream, and replicas of each message.
pub const PARTITIONS: u64 = 8;
const SERVERS: usize = 3;
const STREAM: &str = "distlog";

/// The stream and the hubs.
pub struct Stream {
    nats: Nats,
    /// What leads clients to each server, and can be cut.
    proxies: Vec<Proxy>,
    /// The servers that are killed or frozen, by what they were before.
    away: [Option<usize>; 2],
    /// The hubs.
    pub hubs: Vec<Daemon>,
}

impl Stream {
    /// Starts the servers in the folder of the run; no hub runs yet.
    ///
    /// # Errors
    /// If a file or folder cannot be made.
    pub fn start(run: &Path, databases: &Databases) -> io::Result<Stream> {
        let proxies = Mutex::new(Vec::new());
        let nats = Nats::configured(run, SERVERS, |number, own, ports| {
            let mut proxies = proxies.lock().unwrap_or_else(PoisonError::into_inner);
            // Another attempt has other ports.
            proxies.truncate(number);
            let [client, route, monitor] = ports[number];
            let proxy = Proxy::start(client);
            let routes: Vec<String> = ports
                .iter()
                .map(|[_, route, _]| format!("nats-route://127.0.0.1:{route}"))
                .collect();
            let text = format!(
                "server_name: n{number}\nlisten: '127.0.0.1:{client}'\nclient_advertise: '{}'\n\
                 http: '127.0.0.1:{monitor}'\njetstream {{ store_dir: '{}', max_mem: 64MB, max_file: 16GB }}\n\
                 cluster {{ name: torture, listen: '127.0.0.1:{route}', routes: [{}] }}\n",
                proxy.at(),
                own.display(),
                routes.join(", ")
            );
            proxies.push(proxy);
            text
        });
        let mut stream = Stream {
            nats,
            proxies: proxies.into_inner().unwrap_or_else(PoisonError::into_inner),
            away: [None; 2],
            hubs: Vec::new(),
        };
        for number in 0..HUBS {
            let name = format!("hub-{number}");
            let hub = Daemon::new(run, &name, run.join(&name).join("store"), None)?;
            std::fs::write(hub.config(), stream.config(&hub, databases))?;
            stream.hubs.push(hub);
        }
        Ok(stream)
    }

    fn urls(&self) -> String {
        let urls: Vec<String> = self
            .proxies
            .iter()
            .map(|proxy| format!("'nats://{}'", proxy.at()))
            .collect();
        format!("[{}]", urls.join(", "))
    }

    /// The line of the processor of those that publish.
    pub fn processor(&self) -> String {
        format!(
            "  stream: {{ nats: {{ url: {}, stream: {STREAM}, partitions: {PARTITIONS}, replicas: {SERVERS} }}, {RETRY} }}\n",
            self.urls()
        )
    }

    fn config(&self, hub: &Daemon, databases: &Databases) -> String {
        format!(
            "listen: {{ push: off, session: off, otlp_grpc: off, otlp_http: off, http: '127.0.0.1:0' }}
store: {{ path: '{}', keep: {{ size: off, age: off }} }}
sources: {{ stream: {{ nats: {{ url: {}, stream: {STREAM}, group: hub, lease: 2s }} }} }}
grace: 5s
processors:
{}rules:
  - to: [{}]
",
            hub.store().display(),
            self.urls(),
            databases.processors(&hub.database()),
            databases.names().join(", "),
        )
    }

    /// The server that is meant now, unless it is away.
    fn choose(&self, node: Node) -> Option<usize> {
        let is_away = |number: &usize| self.away.contains(&Some(*number));
        let leader = self.nats.find_leader(STREAM);
        let mut there = (0..SERVERS).filter(|number| !is_away(number));
        match node {
            Node::Leader => leader
                .filter(|leader| !is_away(leader))
                .or_else(|| there.next()),
            Node::Follower => there.find(|number| Some(*number) != leader),
        }
    }

    /// Kills a server without a chance to clean up.
    pub fn kill(&mut self, node: Node) {
        if let Some(number) = self.choose(node) {
            self.away[node as usize] = Some(number);
            self.nats.kill(number);
        }
    }

    /// Starts it again.
    pub fn restart(&mut self, node: Node) {
        if let Some(number) = self.away[node as usize].take() {
            self.nats.restart(number);
        }
    }

    /// Stops a server, or lets it go on: connections stay, and nothing answers.
    pub fn freeze(&mut self, node: Node, frozen: bool) {
        if !frozen {
            let number = self.away[node as usize].take();
            number.into_iter().for_each(|number| self.nats.thaw(number));
        } else if let Some(number) = self.choose(node) {
            self.away[node as usize] = Some(number);
            self.nats.freeze(number);
        }
    }

    /// Cuts all connections of agents and hubs to the servers.
    pub fn cut(&self) {
        self.proxies.iter().for_each(|proxy| _ = proxy.cut());
    }

    /// Messages that no hub has stored yet, if every partition is read.
    pub fn pending(&self) -> Option<u64> {
        let behind: Option<Vec<(u64, u64)>> = self.hubs.iter().map(Daemon::behind).collect();
        let (mut pending, mut partitions) = (0, 0);
        for (messages, read) in behind? {
            pending += messages;
            partitions += read;
        }
        (partitions == PARTITIONS).then_some(pending)
    }
}
