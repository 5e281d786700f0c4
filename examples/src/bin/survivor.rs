//! A program that is killed in the middle of its work, and whose records arrive all the same.
//!
//! With a spool directory the ring is in a file, which the kernel keeps when the process dies. The next process with
//! that directory sends what is in it, in the dead one's name; the daemon shows its open task as lost.
//!
//! ```sh
//! cargo run --release --bin survivor -- --spool ./spool --crash
//! cargo run --release --bin survivor -- --spool ./spool
//! ```
//!
//! No daemon need be there when it dies. `distlogd --drain ./spool` takes the file, too, as does a daemon that has
//! `drain: [./spool]` in its configuration.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use clap::Parser;
use distlog_examples::listen;
use distlog_layer::task;
use tracing::info;
use tracing_subscriber::prelude::*;

#[derive(Parser)]
struct Arguments {
    /// The session receiver of distlogd.
    #[arg(long, default_value = "tcp://127.0.0.1:5011")]
    distlogd: String,
    /// The directory for the spool.
    #[arg(long, default_value = "spool")]
    spool: PathBuf,
    /// Die in the middle of the work, as from `kill -9`.
    #[arg(long)]
    crash: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let (layer, _guard) = distlog_layer::builder()
        .service("survivor")
        .spool(&arguments.spool)
        .connect(&arguments.distlogd)?;
    tracing_subscriber::registry().with(layer).init();

    let work = task!("convert the pictures");
    println!(
        "task {}",
        work.id().map(|id| id.to_string()).unwrap_or_default()
    );
    work.run(|| -> std::io::Result<()> {
        for file in ["cat.png", "dog.png", "owl.png"] {
            info!(file, "converted");
        }
        if arguments.crash {
            let me = std::process::id().to_string();
            Command::new("kill").args(["-9", &me]).status()?;
        }
        Ok(())
    })?;
    // A service goes on, and its layer meanwhile sends what the one before left.
    listen::stopped().await;
    Ok(())
}
