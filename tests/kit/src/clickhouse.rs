//! The engine of ClickHouse.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Process, eventually};

/// ClickHouse's engine (`chdb`) behind a server that speaks its HTTP interface, in a process of its own.
#[derive(Debug)]
pub struct ClickHouse {
    folder: PathBuf,
    address: String,
    password: String,
    process: Process,
}

impl ClickHouse {
    /// In a new folder within this one. Its user is `leo`; without a password everybody may do everything.
    ///
    /// # Panics
    /// If the environment variable `DISTLOG_TEST_PYTHON` does not name a Python with chdb.
    pub fn start(folder: &Path, password: &str) -> ClickHouse {
        let folder = folder.join("clickhouse");
        std::fs::create_dir(&folder).unwrap();
        let process = ClickHouse::spawn(&folder, "0", password);
        let mut server = ClickHouse {
            folder,
            address: String::new(),
            password: password.to_owned(),
            process,
        };
        server.address = server.wait_until_ready();
        server
    }

    fn spawn(folder: &Path, port: &str, password: &str) -> Process {
        let python = std::env::var("DISTLOG_TEST_PYTHON")
            .expect("DISTLOG_TEST_PYTHON names a Python with chdb");
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../python/clickhouse_server.py"
        );
        let mut command = Command::new(python);
        command.arg(script).arg(folder).arg(port);
        if !password.is_empty() {
            command.arg(password);
        }
        Process::start(&mut command)
    }

    fn wait_until_ready(&mut self) -> String {
        self.process.expect_stdout("a running server", |line| {
            line.strip_prefix("listening ").map(str::to_owned)
        })
    }

    /// Kills it without a chance to clean up, and starts it again where it was.
    pub fn kill_and_restart(&mut self) {
        self.process.signal("KILL");
        self.process.wait();
        let port = self.address.rsplit(':').next().unwrap();
        self.process = ClickHouse::spawn(&self.folder, port, &self.password);
        self.wait_until_ready();
    }

    /// `host:port` of it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks: rows as lines, columns separated by tabs.
    ///
    /// # Errors
    /// What the server says.
    pub fn ask(&self, sql: &str) -> Result<String, String> {
        let agent = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = agent.build().into();
        let request = agent.post(format!("http://{}/", self.address));
        let request = request.header("x-clickhouse-user", "leo");
        let answer = request.header("x-clickhouse-key", &self.password).send(sql);
        let mut answer = answer.map_err(|error| error.to_string())?;
        let body = answer.body_mut().read_to_string().unwrap();
        if answer.status().is_success() {
            Ok(body.trim_end().to_owned())
        } else {
            Err(body)
        }
    }

    /// Waits until a query is answered so.
    ///
    /// # Panics
    /// If it is not.
    pub fn wait_for(&self, sql: &str, expected: &str) {
        eventually(sql, || {
            let answer = self.ask(sql)?;
            if answer == expected {
                Ok(())
            } else {
                Err(answer)
            }
        });
    }
}
