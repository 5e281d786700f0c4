//! A program under test, and what it prints.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::eventually;

/// A running program. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Process {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        Process {
            child,
            stdout,
            stderr,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has come to its end.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has printed to standard output, by line.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// What it has printed to standard error, by line.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits for a line of standard output for which `find` gives something.
    ///
    /// # Panics
    /// If it does not come, or the program ends before.
    pub fn expect_stdout<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        self.expect(what, |this| {
            this.stdout().iter().find_map(|line| find(line))
        })
    }

    /// Waits for a line of standard error for which `find` gives something.
    ///
    /// # Panics
    /// If it does not come, or the program ends before.
    pub fn expect_stderr<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        self.expect(what, |this| {
            this.stderr().iter().find_map(|line| find(line))
        })
    }

    fn expect<T>(&mut self, what: &str, find: impl Fn(&Process) -> Option<T>) -> T {
        eventually(what, || {
            let ended = self.child.try_wait().unwrap();
            match (find(self), ended) {
                (Some(found), _) => Ok(found),
                (None, Some(status)) if !status.success() => {
                    panic!(
                        "it ended with {status} before {what} came; it printed {:#?} {:#?}",
                        self.stdout(),
                        self.stderr()
                    )
                }
                (None, _) => Err(format!("{:#?} {:#?}", self.stdout(), self.stderr())),
            }
        })
    }

    /// Writes a line to its standard input, which must be a pipe.
    ///
    /// # Panics
    /// If it does not read it.
    pub fn say(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{line}").unwrap();
    }

    /// Sends a signal by its name, like `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let status = eventually("the end of the program", || {
            self.child.try_wait().unwrap().ok_or_else(|| self.stderr())
        });
        // What it printed last is read by then. A program that it started may hold the pipes open, and is not waited
        // for.
        let deadline = Instant::now() + Duration::from_secs(2);
        let is_read = |lines: &Arc<_>| Arc::strong_count(lines) == 1;
        while !(is_read(&self.stdout) && is_read(&self.stderr)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: Option<impl Read + Send + 'static>) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&lines);
    if let Some(from) = from {
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
    }
    lines
}
