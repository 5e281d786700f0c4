//! A Python program beside a Rust one, in one tree.
//!
//! The Rust program reserves a child of its task and passes its id to Python, which logs below it with the package
//! `distlog` as published; Python hands an id back, and the Rust program takes that over in turn.
//!
//! ```sh
//! pip install distlog==0.1.dev0 pyzmq six
//! cargo run --release --bin two_languages
//! ```

use std::error::Error;
use std::process::Command;

use clap::Parser;
use distlog_examples::listen;
use distlog_layer::{get_foreign_task, import_task, task};
use tracing::info;

#[derive(Parser)]
struct Arguments {
    /// The session receiver of distlogd.
    #[arg(long, default_value = "tcp://127.0.0.1:5011")]
    distlogd: String,
    /// Its push receiver, which Python's records go to.
    #[arg(long, default_value = "tcp://127.0.0.1:5010")]
    push: String,
    /// A Python that has the packages distlog, pyzmq and six.
    #[arg(long, default_value = "python3")]
    python: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments {
        distlogd,
        push,
        python,
    } = Arguments::parse();
    let _guard = listen::log_to(&distlogd, "rust")?;
    let report = task!("write the report");
    println!(
        "task {}",
        report.id().map(|id| id.to_string()).unwrap_or_default()
    );
    report.run(|| -> Result<(), Box<dyn Error>> {
        info!("asking Python for the figures");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/figures.py");
        let answer = Command::new(python)
            .args([script, &push, &get_foreign_task().to_string()])
            .output()?;
        if !answer.status.success() {
            return Err(String::from_utf8_lossy(&answer.stderr).into_owned().into());
        }
        let answer = String::from_utf8(answer.stdout)?;
        let (id, sum) = answer
            .trim()
            .split_once(' ')
            .ok_or("Python did not answer with an id and a sum")?;
        import_task!(id, "print the sum").in_scope(|| info!(sum, "printed"));
        Ok(())
    })
}
