//! A real daemon.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;

use crate::{Process, eventually};

/// A running daemon with a folder of its own. Killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    process: Process,
    config: String,
    listen: Option<String>,
    /// What the configuration has for it now.
    listens: String,
    push: String,
    session: String,
    otlp: [String; 2],
    http: String,
}

/// As long as it is not known which one is free.
const ANY_PORT: &str = "tcp://localhost:0";
const ANY_TCP: &str = "localhost:0";

impl Daemon {
    /// Starts `program` (with `arguments` before its own) in `folder`: all ports are free ones, the store is there, and
    /// `config` is added to that.
    pub fn start(program: &str, arguments: &[&str], folder: &Path, config: &str) -> Daemon {
        let listen = receivers(ANY_PORT, [ANY_TCP, ANY_TCP]);
        Daemon {
            listen: None,
            ..Daemon::listening(program, arguments, folder, &listen, config)
        }
    }

    /// As [`Daemon::start`], with `listen:` as it is given.
    pub fn listening(
        program: &str,
        arguments: &[&str],
        folder: &Path,
        listen: &str,
        config: &str,
    ) -> Daemon {
        configure(folder, listen, config);
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let process = Daemon::spawn(Path::new(program), &arguments, folder);
        let mut daemon = Daemon {
            program: program.into(),
            arguments,
            folder: folder.into(),
            process,
            config: config.to_owned(),
            listen: Some(listen.to_owned()),
            listens: listen.to_owned(),
            push: String::new(),
            session: String::new(),
            otlp: Default::default(),
            http: String::new(),
        };
        daemon.wait_until_ready();
        daemon
    }

    fn spawn(program: &Path, arguments: &[String], folder: &Path) -> Process {
        Process::start(
            Command::new(program)
                .args(arguments)
                .args(["--config", "distlogd.yaml"])
                .current_dir(folder),
        )
    }

    fn wait_until_ready(&mut self) {
        self.process
            .expect_stderr("a running daemon", |line| (line == "ready").then_some(()));
        let address = |name: &str| {
            let said = self.process.stderr();
            said.iter()
                .find_map(|line| {
                    line.trim()
                        .strip_prefix(name)
                        .map(|rest| rest.trim().to_owned())
                })
                .unwrap()
        };
        self.push = address("push ");
        self.session = address("session ");
        let otlp = address("otlp ");
        let ways = otlp.split(", ").map(|way| way.split(' ').next());
        self.otlp = ways
            .map(|way| way.unwrap().to_owned())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        self.http = address("http ");
    }

    /// Starts it again, after [`Daemon::kill`] or [`Daemon::stop`]. Its receivers for sessions and OTLP are where they
    /// were: clients come back.
    pub fn restart(&mut self) {
        let otlp = self.otlp.each_ref().map(String::as_str);
        let same = receivers(&self.session, otlp);
        self.listens = self.listen.clone().unwrap_or(same);
        configure(&self.folder, &self.listens, &self.config);
        self.process = Daemon::spawn(&self.program, &self.arguments, &self.folder);
        self.wait_until_ready();
    }

    /// Writes another configuration, with `listen:` as it was, for the daemon to read again.
    pub fn reconfigure(&mut self, config: &str) {
        config.clone_into(&mut self.config);
        configure(&self.folder, &self.listens, config);
    }

    /// Kills it without a chance to clean up.
    pub fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.wait();
    }

    /// Asks it to stop, and waits for that.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait()
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Address of the push receiver.
    pub fn push(&self) -> &str {
        &self.push
    }

    /// Address of the session receiver.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Address of the receiver for OTLP by gRPC, `host:port`.
    pub fn otlp_grpc(&self) -> &str {
        &self.otlp[0]
    }

    /// Address of the receiver for OTLP by HTTP, `host:port`.
    pub fn otlp_http(&self) -> &str {
        &self.otlp[1]
    }

    /// The receivers that take batches, as `e2e-client` is told them.
    pub fn receivers(&self) -> [String; 2] {
        [self.push.clone(), format!("session={}", self.session)]
    }

    /// Address of the HTTP receiver.
    pub fn http(&self) -> &str {
        &self.http
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Asks over HTTP: status and body.
    pub fn get(&self, path: &str) -> Result<String, String> {
        let url = format!("{}{path}", self.http);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut response = agent.get(&url).call().map_err(|error| error.to_string())?;
        let body = response
            .body_mut()
            .read_to_string()
            .map_err(|error| error.to_string())?;
        if response.status().is_success() {
            Ok(body)
        } else {
            Err(format!("{}: {body}", response.status()))
        }
    }

    /// Asks over HTTP for JSON.
    pub fn json(&self, path: &str) -> Result<Value, String> {
        serde_json::from_str(&self.get(path)?).map_err(|error| error.to_string())
    }

    /// A metric, by its name and labels as they stand in the answer: `name_total{a="b"}`. 0 if it is not there yet.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").unwrap();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a tree is as `good` wants it, and gives it as JSON.
    pub fn tree(&self, id: &str, good: impl Fn(&Value) -> bool) -> Value {
        eventually("the tree", || {
            let tree = self.json(&format!("/api/v1/tasks/{id}"))?;
            if good(&tree) {
                Ok(tree)
            } else {
                Err(format!("{tree:#}"))
            }
        })
    }

    /// The lines of a file in its folder; none if it is not there.
    pub fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a JSON-lines file has so many lines, and gives them.
    pub fn records(&self, file: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} lines in {file}"), || {
            let lines = self.lines(file);
            if lines.len() < count {
                return Err(format!("{} lines", lines.len()));
            }
            Ok(lines
                .iter()
                .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
                .collect())
        })
    }
}

fn receivers(session: &str, [grpc, http]: [&str; 2]) -> String {
    format!(
        "{{ push: '{ANY_PORT}', session: '{session}', otlp_grpc: '{grpc}', otlp_http: '{http}', http: '{ANY_TCP}' }}"
    )
}

fn configure(folder: &Path, listen: &str, config: &str) {
    let whole = format!("listen: {listen}\n{config}\n");
    std::fs::write(folder.join("distlogd.yaml"), whole).unwrap();
}
