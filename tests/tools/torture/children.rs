//! The processes under test: the daemon and the clients. What they say on standard error is kept in files.
//!
//! Each has a pipe for standard input and ends by itself when that ends: none outlives the run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::client::Client;

/// A child, and where it writes to.
#[derive(Debug)]
pub struct Running {
    /// What it is, for messages.
    pub name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(name: String, logs: &Path, arguments: &[String]) -> std::io::Result<Running> {
        let log = logs.join(format!("{name}.log"));
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        Ok(Running { name, child, log })
    }

    /// Starts a daemon with a configuration file.
    ///
    /// # Errors
    /// If the system does not start it.
    pub fn daemon(name: String, logs: &Path, config: &Path) -> std::io::Result<Running> {
        let arguments = ["daemon", "--config", &config.display().to_string()];
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        Running::start(name, logs, &arguments)
    }

    /// Starts what takes the spools of dead processes into the store of a configuration, while no daemon runs.
    ///
    /// # Errors
    /// If the system does not start it.
    pub fn drain(logs: &Path, config: &Path, spools: &[PathBuf]) -> std::io::Result<Running> {
        let mut arguments = vec!["daemon".to_owned()];
        arguments.extend(["--config".to_owned(), config.display().to_string()]);
        for spool in spools {
            arguments.extend(["--drain".to_owned(), spool.display().to_string()]);
        }
        Running::start("drain".to_owned(), logs, &arguments)
    }

    /// Starts a client.
    ///
    /// # Errors
    /// If the system does not start it.
    pub fn client(client: &Client, logs: &Path) -> std::io::Result<Running> {
        let mut arguments = vec!["client".to_owned()];
        arguments.extend(client.arguments());
        Running::start(format!("client-{:06}", client.run), logs, &arguments)
    }

    /// Kills it without a chance to clean up, and waits for that.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end by a signal.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).output();
    }

    /// Ends its standard input.
    pub fn close_input(&mut self) {
        self.child.stdin.take();
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// What the system says.
    pub fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// What it said.
    pub fn said(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of what it said, and where the rest is.
    pub fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(5)..].join(" | ");
        format!("{}: {last}", self.log.display())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
