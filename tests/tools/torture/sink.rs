//! The destination of an `exec` processor: writes down which records it got, and acknowledges them. It goes away when
//! it is killed, and does not come back while the file `away` is in its folder.

use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::{Command, ExitCode};

use serde::Deserialize;

use super::seen_set::Identity;

const AWAY: &str = "away";
const RUNNING: &str = "running";
/// Files with what was got begin so.
pub const GOT: &str = "got-";

/// One line from the daemon.
#[derive(Deserialize)]
struct Entry {
    n: u64,
    record: Record,
}

#[derive(Deserialize)]
struct Record {
    distlog: Identity,
}

/// Reads from standard input until it ends.
pub fn run(folder: &Path) -> ExitCode {
    match take(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn take(folder: &Path) -> std::io::Result<()> {
    let id = std::process::id();
    std::fs::write(folder.join(RUNNING), id.to_string())?;
    if folder.join(AWAY).exists() {
        return Err(std::io::Error::other("away"));
    }
    // Process ids come again.
    let mut file = (0..)
        .find_map(|nth| {
            let path = folder.join(format!("{GOT}{id}-{nth}"));
            let file = OpenOptions::new().append(true).create_new(true).open(path);
            match file {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => None,
                other => Some(other),
            }
        })
        .unwrap()?;
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let entry: Entry = serde_json::from_str(&line)?;
        file.write_all(&entry.record.distlog.to_bytes())?;
        // Standard output is flushed at each line.
        writeln!(answers, "{}", entry.n)?;
    }
    Ok(())
}

/// Kills the running one, if there is one.
pub fn kill(folder: &Path) {
    let Some(id) = std::fs::read_to_string(folder.join(RUNNING)).ok() else {
        return;
    };
    // It may have ended, and its number may be another's by now.
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let ours = [b"\0sink\0", folder.as_os_str().as_encoded_bytes()].concat();
    if line.windows(ours.len()).any(|part| part == ours) {
        // It may end in between.
        let _ = Command::new("kill").args(["-KILL", &id]).output();
    }
}

/// Takes it away, or lets it come back.
///
/// # Errors
/// If its folder cannot be written.
pub fn set_away(folder: &Path, away: bool) -> std::io::Result<()> {
    if away {
        std::fs::write(folder.join(AWAY), "")?;
        kill(folder);
        Ok(())
    } else {
        std::fs::remove_file(folder.join(AWAY))
    }
}
