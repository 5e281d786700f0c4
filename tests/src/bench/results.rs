//! Where results go, and what is needed on the way.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::system::Machine;

/// Nothing that is awaited takes longer.
pub const TIMEOUT: Duration = Duration::from_secs(300);

/// This program.
pub fn program() -> PathBuf {
    std::env::current_exe().expect("this program has a path")
}

/// A folder that is gone when it is dropped. On the disk where the program was built: what is in memory alone, as
/// `/tmp` may be, costs nothing to make durable.
pub fn scratch_folder() -> tempfile::TempDir {
    tempfile::tempdir_in(folder()).expect("a folder")
}

/// Where results are written: `target/bench`.
pub fn folder() -> PathBuf {
    let program = program();
    let target = program.ancestors().nth(2).expect("cargo's target folder");
    let results = target.join("bench");
    std::fs::create_dir_all(&results).expect("a folder for the results");
    results
}

/// Waits for a condition.
pub fn until(what: &str, mut good: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !good() {
        assert!(Instant::now() < deadline, "{what}: waited for too long");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Writes results as an array of objects, each with the machine that it was measured on.
///
/// # Errors
/// If the file cannot be written.
pub fn write_json<T: Serialize>(path: &Path, results: &[T]) -> std::io::Result<()> {
    #[derive(Serialize)]
    struct On<'a, T> {
        #[serde(flatten)]
        result: &'a T,
        machine: &'a Machine,
    }
    let machine = &Machine::this();
    let all: Vec<_> = results
        .iter()
        .map(|result| On { result, machine })
        .collect();
    let mut file = std::fs::File::create(path)?;
    serde_json::to_writer_pretty(&mut file, &all)?;
    writeln!(file)
}
