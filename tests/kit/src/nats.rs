//! Real servers of NATS JetStream.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::{Process, eventually};

/// Attempts to find ports that stay free.
const ATTEMPTS: usize = 5;
/// How long a server may take to say something about itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Running servers, one or a cluster, each with a folder of its own. Killed when dropped.
#[derive(Debug)]
pub struct Nats {
    servers: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    configuration: PathBuf,
    port: u16,
    monitor: u16,
    process: Process,
}

/// The ports of one server: for clients, other servers, and to be asked about itself.
pub type Ports = [u16; 3];

impl Nats {
    /// Starts so many servers in `folder`, and waits until they listen. `more` is added to the configuration of each.
    ///
    /// # Panics
    /// If the environment variable `DISTLOG_TEST_NATS_SERVER` does not name the program.
    pub fn start(folder: &Path, servers: usize, more: &str) -> Nats {
        Nats::configured(folder, servers, |number, own, ports| {
            let [client, route, monitor] = ports[number];
            let mut text = format!(
                "server_name: n{number}\nlisten: '127.0.0.1:{client}'\nhttp: '127.0.0.1:{monitor}'\n\
                 jetstream {{ store_dir: '{}', max_mem: 64MB, max_file: 4GB }}\n",
                own.display()
            );
            if servers > 1 {
                let routes: Vec<String> = ports
                    .iter()
                    .map(|[_, route, _]| format!("nats-route://127.0.0.1:{route}"))
                    .collect();
                text += &format!(
                    "cluster {{ name: test, listen: '127.0.0.1:{route}', routes: [{}] }}\n",
                    routes.join(", ")
                );
            }
            text + more
        })
    }

    /// Starts so many servers, each with the configuration that `make` gives for its number, its folder and the ports
    /// of all. It must be named `n0`, `n1`, ….
    ///
    /// # Panics
    /// As [`Nats::start`].
    pub fn configured(
        folder: &Path,
        servers: usize,
        make: impl Fn(usize, &Path, &[Ports]) -> String,
    ) -> Nats {
        for _ in 0..ATTEMPTS {
            // No test can know that a port stays free until the server takes it.
            if let Some(nats) = Nats::attempt(folder, servers, &make) {
                return nats;
            }
        }
        panic!("nats-server did not listen, {ATTEMPTS} times");
    }

    fn attempt(
        folder: &Path,
        servers: usize,
        make: &impl Fn(usize, &Path, &[Ports]) -> String,
    ) -> Option<Nats> {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners: Vec<[TcpListener; 3]> =
            (0..servers).map(|_| [free(), free(), free()]).collect();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let ports: Vec<Ports> = listeners
            .iter()
            .map(|three| three.each_ref().map(port))
            .collect();
        drop(listeners);
        let mut nats = Nats {
            servers: Vec::new(),
        };
        for (number, [client, _, monitor]) in ports.iter().enumerate() {
            let own = folder.join(format!("nats-{number}"));
            std::fs::create_dir_all(&own).unwrap();
            let text = make(number, &own, &ports);
            let configuration = own.join("nats.conf");
            std::fs::write(&configuration, text).unwrap();
            nats.servers.push(Server {
                process: spawn(&configuration),
                configuration,
                port: *client,
                monitor: *monitor,
            });
        }
        for server in &mut nats.servers {
            server.listens().then_some(())?;
        }
        Some(nats)
    }

    /// Addresses of all, as the configuration takes them: a list in YAML.
    pub fn urls(&self) -> String {
        let urls: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("'nats://{}'", server.address()))
            .collect();
        format!("[{}]", urls.join(", "))
    }

    /// `host:port` of one.
    pub fn address(&self, number: usize) -> String {
        self.servers[number].address()
    }

    /// The number of the server that leads a stream; waits until one does.
    pub fn leader(&self, stream: &str) -> usize {
        eventually("a leader", || self.find_leader(stream).ok_or(()))
    }

    /// The number of the server that leads a stream, as the first says that knows one.
    pub fn find_leader(&self, stream: &str) -> Option<usize> {
        self.servers.iter().find_map(|server| {
            let answer = ask(server.monitor).ok()?;
            let accounts = answer["account_details"].as_array()?;
            let mut streams = accounts
                .iter()
                .flat_map(|account| account["stream_detail"].as_array().into_iter().flatten());
            let detail = streams.find(|detail| detail["name"] == stream)?;
            let leader = detail["cluster"]["leader"].as_str()?;
            leader.strip_prefix('n')?.parse().ok()
        })
    }

    /// Stops one until [`Nats::thaw`]: connections stay and nothing answers.
    pub fn freeze(&self, number: usize) {
        self.servers[number].process.signal("STOP");
    }

    /// Ends what [`Nats::freeze`] did.
    pub fn thaw(&self, number: usize) {
        self.servers[number].process.signal("CONT");
    }

    /// Kills one without a chance to clean up.
    pub fn kill(&mut self, number: usize) {
        let server = &mut self.servers[number];
        server.process.signal("KILL");
        server.process.wait();
    }

    /// Starts one again, after [`Nats::kill`].
    pub fn restart(&mut self, number: usize) {
        let server = &mut self.servers[number];
        server.process = spawn(&server.configuration);
        assert!(server.listens(), "{:?}", server.process.stderr());
    }
}

impl Server {
    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Waits until it listens; false if it ended instead, as another program has its port.
    fn listens(&mut self) -> bool {
        eventually("nats-server", || {
            if self.process.has_ended() {
                return Ok(false);
            }
            TcpStream::connect(self.address()).map(|_| true)
        })
    }
}

fn spawn(configuration: &Path) -> Process {
    let program = std::env::var_os("DISTLOG_TEST_NATS_SERVER").expect(
        "DISTLOG_TEST_NATS_SERVER must name the program nats-server: Debian has it, or \
         `go install github.com/nats-io/nats-server/v2@latest`",
    );
    Process::start(Command::new(program).arg("--config").arg(configuration))
}

/// What a server says about its streams.
fn ask(monitor: u16) -> Result<Value, String> {
    let url = format!("http://127.0.0.1:{monitor}/jsz?accounts=true&streams=true&config=true");
    let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIMEOUT));
    let agent: ureq::Agent = agent.build().into();
    let mut response = agent.get(&url).call().map_err(|error| error.to_string())?;
    let body = response
        .body_mut()
        .read_to_string()
        .map_err(|error| error.to_string())?;
    serde_json::from_str(&body).map_err(|error| error.to_string())
}
