//! Keeps a daemon running, as long as one is wanted, and looks after how it ends.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::children::Running;
use super::network::Network;

/// What starting may take. A build without optimization may read what a burst left for half a minute.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// What stopping may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// One that could not start is started again after so long.
const RESTART_DELAY: Duration = Duration::from_millis(50);
/// Exit codes: stopped; stopped before every processor had everything.
const CLEAN_EXIT_CODES: [i32; 2] = [0, 3];

enum State {
    Absent(Instant),
    /// Since when, and whether it need not be able to.
    Starting(Running, Instant, bool),
    Ready(Running, String),
    Stopping(Running, Instant),
}

pub struct DaemonSupervisor {
    name: String,
    config: PathBuf,
    logs: PathBuf,
    /// Leads clients to it.
    network: Option<Network>,
    started: u64,
    wanted: bool,
    state: State,
}

impl DaemonSupervisor {
    /// Wants none yet. Where there is a network, it leads to the daemon's receiver for sessions.
    pub fn new(
        name: &str,
        config: PathBuf,
        logs: &Path,
        network: Option<Network>,
    ) -> DaemonSupervisor {
        DaemonSupervisor {
            name: name.to_owned(),
            config,
            logs: logs.into(),
            network,
            started: 0,
            wanted: false,
            state: State::Absent(Instant::now()),
        }
    }

    fn lead_to(&self, daemon: Option<&str>) {
        if let Some(network) = &self.network {
            network.lead_to(daemon);
        }
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.wanted = false;
        self.lead_to(None);
        self.state = match std::mem::replace(&mut self.state, State::Absent(Instant::now())) {
            // It was stopped before and may be writing still: that may be cut short, too.
            State::Starting(mut daemon, ..)
            | State::Ready(mut daemon, _)
            | State::Stopping(mut daemon, _) => {
                daemon.kill();
                State::Absent(Instant::now())
            }
            absent @ State::Absent(_) => absent,
        };
    }

    /// Asks it to stop; one that is not ready yet is killed.
    pub fn stop(&mut self) {
        if let State::Ready(..) = self.state {
            self.wanted = false;
            let absent = State::Absent(Instant::now());
            if let State::Ready(daemon, _) = std::mem::replace(&mut self.state, absent) {
                daemon.terminate();
                self.state = State::Stopping(daemon, Instant::now());
            }
        } else {
            self.kill();
        }
    }

    /// Wants one.
    pub fn start(&mut self) {
        self.wanted = true;
    }

    /// Its HTTP address, while it is ready.
    pub fn http(&self) -> Option<&str> {
        match &self.state {
            State::Ready(_, http) => Some(http),
            _ => None,
        }
    }

    /// Whether one is wanted.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether there is none.
    pub fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent(_))
    }

    /// Takes the next step. `excused`: it need not be able to start. Says what is wrong.
    ///
    /// # Errors
    /// What the system says.
    pub fn tick(&mut self, excused: bool) -> std::io::Result<Option<String>> {
        let mut wrong = None;
        let now = Instant::now();
        let absent = State::Absent(now);
        self.state = match std::mem::replace(&mut self.state, absent) {
            State::Absent(since)
                if self.wanted && (self.started == 0 || since.elapsed() >= RESTART_DELAY) =>
            {
                self.started += 1;
                let name = format!("{}-{:04}", self.name, self.started);
                let daemon = Running::daemon(name, &self.logs, &self.config)?;
                State::Starting(daemon, now, excused)
            }
            State::Starting(mut daemon, since, before) => {
                let excused = excused || before;
                let said = daemon.said();
                if said.lines().any(|line| line == "ready") {
                    let address = |receiver: &str| {
                        said.lines()
                            .find_map(|line| line.trim().strip_prefix(receiver))
                            .map(|address| address.trim().to_owned())
                    };
                    self.lead_to(address("session ").as_deref());
                    State::Ready(daemon, address("http ").unwrap_or_default())
                } else if daemon.ended()?.is_some() {
                    if !excused {
                        wrong = Some(format!(
                            "{} did not start: {}",
                            daemon.name,
                            daemon.last_words()
                        ));
                    }
                    State::Absent(now)
                } else if since.elapsed() > START_TIMEOUT {
                    wrong = Some(format!(
                        "{} is not ready: {}",
                        daemon.name,
                        daemon.last_words()
                    ));
                    State::Absent(now)
                } else {
                    State::Starting(daemon, since, excused)
                }
            }
            State::Ready(mut daemon, http) => match daemon.ended()? {
                Some(status) => {
                    wrong = Some(format!(
                        "{} ended by itself, {status}: {}",
                        daemon.name,
                        daemon.last_words()
                    ));
                    self.lead_to(None);
                    State::Absent(now)
                }
                None => State::Ready(daemon, http),
            },
            State::Stopping(mut daemon, since) => match daemon.ended()? {
                Some(status) => {
                    if !status
                        .code()
                        .is_some_and(|code| CLEAN_EXIT_CODES.contains(&code))
                    {
                        let last = daemon.last_words();
                        wrong = Some(format!("{} stopped with {status}: {last}", daemon.name));
                    }
                    self.lead_to(None);
                    State::Absent(now)
                }
                None if since.elapsed() > STOP_TIMEOUT => {
                    let last = daemon.last_words();
                    wrong = Some(format!("{} does not stop: {last}", daemon.name));
                    State::Absent(now)
                }
                None => State::Stopping(daemon, since),
            },
            absent @ State::Absent(_) => absent,
        };
        Ok(wrong)
    }
}
