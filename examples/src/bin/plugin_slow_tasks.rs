//! A plugin for distlogd in Rust: writes down every task that took too long.
//!
//! In distlogd's configuration:
//!
//! ```yaml
//! processors:
//!   slow: { exec: { command: [plugin_slow_tasks, '200', slow.txt] } }
//! rules:
//!   - when: kind == 'end'
//!     to: [slow]
//! ```
//!
//! distlogd starts it and writes one JSON object in a line, `{"n": 17, "record": {…}}`. The answer `17` says that
//! everything up to there is done; `{"reject": 17, "reason": "…"}` that this one never can be.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, Write};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

/// One line from distlogd.
#[derive(Deserialize)]
struct Entry {
    n: u64,
    record: Record,
}

/// What this plugin looks at; everything else in it is skipped.
#[derive(Deserialize)]
struct Record {
    message: String,
    distlog: Details,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    service: String,
    #[serde(default)]
    outcome: String,
    /// In nanoseconds; only ends have one.
    duration: Option<u64>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [limit, path] = args.as_slice() else {
        eprintln!("usage: plugin_slow_tasks MILLISECONDS FILE");
        return ExitCode::from(2);
    };
    let Ok(limit) = limit.parse::<u64>() else {
        eprintln!("`{limit}` is no number of milliseconds");
        return ExitCode::from(2);
    };
    // What is written to standard error appears in distlogd's log.
    match OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|file| run(limit, file))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(limit: u64, mut file: File) -> std::io::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match serde_json::from_str::<Entry>(&line) {
            Ok(Entry {
                n,
                record: Record { message, distlog },
            }) => {
                let millis = distlog.duration.unwrap_or(0) / 1_000_000;
                if millis >= limit {
                    writeln!(
                        file,
                        "{:>6} ms  {}  {message}  {}",
                        millis, distlog.service, distlog.outcome
                    )?;
                    file.sync_data()?;
                }
                json!(n)
            }
            Err(error) => match serde_json::from_str::<serde_json::Value>(&line) {
                Ok(entry) => json!({ "reject": entry["n"], "reason": error.to_string() }),
                Err(_) => return Err(error.into()),
            },
        };
        // Standard output is flushed at each line.
        println!("{answer}");
    }
    Ok(())
}
