//! A real server of PostgreSQL.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{FullDisk, Process, eventually};

/// The user of the database, and its password.
const USER: &str = "distlog";
const PASSWORD: &str = "hunter2";

/// A running server with a folder of its own, which it leaves when it is dropped. The database `logs` is empty.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    /// Who runs the server: it refuses to be run by root.
    owner: Option<(u32, u32)>,
    folder: PathBuf,
    _private: tempfile::TempDir,
    settings: Vec<String>,
    environment: Vec<(String, PathBuf)>,
    port: u16,
    process: Option<Process>,
}

impl Postgres {
    /// Makes a cluster and starts it, with `settings` like `max_connections=20`.
    ///
    /// # Panics
    /// If the environment variable `DISTLOG_TEST_POSTGRES` does not name the folder of its programs.
    pub fn start(settings: &[&str]) -> Postgres {
        let private = tempfile::tempdir().unwrap();
        let folder = private.path().to_path_buf();
        Postgres::start_in(private, &folder, settings)
    }

    /// As [`Postgres::start`], with the cluster in `folder`, which is within `private` or elsewhere.
    ///
    /// # Panics
    /// As there.
    pub fn start_in(private: tempfile::TempDir, folder: &Path, settings: &[&str]) -> Postgres {
        let programs = std::env::var_os("DISTLOG_TEST_POSTGRES").expect(
            "DISTLOG_TEST_POSTGRES must name the folder of PostgreSQL's programs, as /usr/lib/postgresql/15/bin",
        );
        let owner = other_than_root();
        if let Some((user, group)) = owner {
            chown(private.path(), Some(user), Some(group)).unwrap();
            chown(folder, Some(user), Some(group)).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = Postgres {
            programs: programs.into(),
            owner,
            folder: folder.to_path_buf(),
            _private: private,
            settings: settings
                .iter()
                .map(|setting| (*setting).to_owned())
                .collect(),
            environment: Vec::new(),
            port: listener.local_addr().unwrap().port(),
            process: None,
        };
        drop(listener);
        server.make_cluster();
        server.restart();
        server.sql_in("postgres", "CREATE DATABASE logs");
        server
    }

    fn make_cluster(&self) {
        let password = self.write("password", PASSWORD);
        let made = self
            .command("initdb")
            .args([
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--auth=scram-sha-256",
            ])
            .args(["--username", USER])
            .arg("--pwfile")
            .arg(password)
            .arg("--pgdata")
            .arg(self.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    /// Writes a file that the server can read and nobody else, and gives its path.
    ///
    /// # Panics
    /// If it cannot.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.folder.join(name);
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        if let Some((user, group)) = self.owner {
            chown(&path, Some(user), Some(group)).unwrap();
        }
        path
    }

    /// Makes a folder that the server can write to.
    ///
    /// # Panics
    /// If it cannot.
    pub fn own(&self, folder: &Path) {
        if !folder.exists() {
            fs::DirBuilder::new().mode(0o700).create(folder).unwrap();
        }
        if let Some((user, group)) = self.owner {
            chown(folder, Some(user), Some(group)).unwrap();
        }
    }

    /// Where the cluster is.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(self.programs.join(program.as_ref()));
        command.current_dir(&self.folder);
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts it again where it was, after [`Postgres::kill`], and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub fn restart(&mut self) {
        eventually("a running PostgreSQL", || {
            if self.process.as_mut().is_none_or(Process::has_ended) {
                // After a kill it may find what the last one left in memory, and end.
                let mut command = self.command("postgres");
                command.arg("-D").arg(self.data());
                command.args(["-k", "", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
                // The operating system does not crash here.
                command.args(["-c", "fsync=off", "-c", "shared_buffers=16MB"]);
                for setting in &self.settings {
                    command.args(["-c", setting]);
                }
                command.envs(self.environment.iter().map(|(name, value)| (name, value)));
                self.process = Some(Process::start(&mut command));
            }
            let answer = self.psql("postgres", "SELECT 1");
            let said = self.process.as_ref().map(Process::stderr);
            if answer.status.success() {
                Ok(())
            } else {
                Err((answer, said))
            }
        });
    }

    /// Changes a setting, from the next start on.
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// A disk of the server that can be full, from the next start on.
    pub fn full_disk(&mut self) -> FullDisk {
        let disk = FullDisk::new(&self.folder);
        let environment = disk.environment();
        self.environment = environment
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        disk
    }

    /// What it has said since its last start.
    pub fn said(&self) -> Vec<String> {
        self.process.as_ref().map_or_else(Vec::new, Process::stderr)
    }

    /// Kills it and all its processes without a chance to clean up.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&mut self) {
        let processes = self.processes();
        self.process.as_ref().unwrap().signal("KILL");
        for id in &processes {
            let _ = Command::new("kill").args(["-KILL", id]).output();
        }
        self.process.take().unwrap().wait();
        eventually("the end of the server's processes", || {
            let left = processes.iter().find(|id| is_running(id));
            left.map_or(Ok(()), Err)
        });
    }

    /// Stops all its processes until [`Postgres::thaw`]: connections stay and nothing answers.
    pub fn freeze(&self) {
        self.signal_all("STOP");
    }

    /// Ends what [`Postgres::freeze`] did.
    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    fn signal_all(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name);
        self.signal_children(name);
    }

    fn signal_children(&self, name: &str) {
        for id in self.processes() {
            // It may have ended already.
            let _ = Command::new("kill")
                .args([&format!("-{name}"), &id])
                .output();
        }
    }

    /// The ids of its processes but the first.
    fn processes(&self) -> Vec<String> {
        let id = self.process.as_ref().unwrap().id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        children
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    /// Its port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the database, with its password.
    pub fn url(&self) -> String {
        self.url_at(&format!("127.0.0.1:{}", self.port))
    }

    /// The URL of the database where `host:port` leads to the server.
    pub fn url_at(&self, at: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@{at}/logs")
    }

    /// Asks: rows as lines, columns separated by `|`.
    ///
    /// # Panics
    /// If it is refused.
    pub fn sql(&self, statements: &str) -> String {
        self.sql_in("logs", statements)
    }

    /// Asks, where the answer may be an error.
    ///
    /// # Errors
    /// What the server or psql says.
    pub fn try_sql(&self, statements: &str) -> Result<String, String> {
        let answer = self.psql("logs", statements);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if answer.status.success() {
            Ok(text(&answer.stdout))
        } else {
            Err(text(&answer.stderr))
        }
    }

    fn sql_in(&self, database: &str, statements: &str) -> String {
        let answer = self.psql(database, statements);
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{statements}: {said}");
        String::from_utf8_lossy(&answer.stdout)
            .trim_end()
            .to_owned()
    }

    fn psql(&self, database: &str, statements: &str) -> Output {
        self.session(database)
            .args(["-c", statements])
            .output()
            .unwrap()
    }

    /// A `psql` that is connected to a database.
    pub fn session(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            USER,
            "-d",
            database,
        ]);
        command.args(["-p", &self.port.to_string()]);
        command
            .env("PGPASSWORD", PASSWORD)
            .env("PGCONNECT_TIMEOUT", "5")
            .env("PGTZ", "UTC");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.signal_children("KILL");
        }
    }
}

/// Whether a process is there, and not only waits to be buried.
fn is_running(id: &str) -> bool {
    fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// User and group of whom it runs as, if this is root: `postgres`, or else `nobody`.
fn other_than_root() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)))
}
