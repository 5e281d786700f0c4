//! A program of somebody else that is measured beside ours.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::results::until;

/// A running daemon. Killed when dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it in `folder`, and waits until it listens on `port`.
    ///
    /// # Panics
    /// If it ends before, with what it said.
    pub fn start(mut command: Command, folder: &Path, port: u16) -> Running {
        let said = folder.join("said");
        let file = || File::options().create(true).append(true).open(&said);
        let child = command
            .stdin(Stdio::null())
            .stdout(file().expect("a file for what it says"))
            .stderr(file().expect("a file for what it says"))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut running = Running(child);
        until("a daemon that listens", || {
            if let Ok(Some(status)) = running.0.try_wait() {
                let said = std::fs::read_to_string(&said).unwrap_or_default();
                panic!("{command:?} ended with {status}: {said}");
            }
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        running
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on now.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The path that a variable of the environment has, or a program of that name where programs are.
pub fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
