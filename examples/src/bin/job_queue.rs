//! A queue whose messages carry a task id as text.
//!
//! Any channel that carries text will do: here it is the standard input of a worker process. The id is reserved by the
//! one who asks and taken by the one who does the work, so the work has its place in the tree of the request.
//!
//! ```sh
//! cargo run --release --bin job_queue
//! ```

use std::error::Error;
use std::io::{BufRead, Write};
use std::process::{Command, Stdio};

use clap::Parser;
use distlog_examples::listen;
use distlog_layer::{get_foreign_task, import_task, task};
use serde::{Deserialize, Serialize};
use tracing::info;

#[derive(Parser)]
struct Arguments {
    /// The session receiver of distlogd.
    #[arg(long, default_value = "tcp://127.0.0.1:5011")]
    distlogd: String,
    /// Be the worker: take jobs from standard input.
    #[arg(long)]
    worker: bool,
}

#[derive(Serialize, Deserialize)]
struct Job {
    task: String,
    file: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if arguments.worker {
        work(&arguments.distlogd)
    } else {
        ask(&arguments.distlogd)
    }
}

fn ask(distlogd: &str) -> Result<(), Box<dyn Error>> {
    let _guard = listen::log_to(distlogd, "asker")?;
    let mut worker = Command::new(std::env::current_exe()?)
        .args(["--worker", "--distlogd", distlogd])
        .stdin(Stdio::piped())
        .spawn()?;
    let request = task!("convert all pictures");
    println!(
        "task {}",
        request.id().map(|id| id.to_string()).unwrap_or_default()
    );
    request.run(|| -> Result<(), Box<dyn Error>> {
        if let Some(mut queue) = worker.stdin.take() {
            for file in ["cat.png", "dog.png", "empty.png"] {
                let job = Job {
                    task: get_foreign_task().to_string(),
                    file: file.into(),
                };
                writeln!(queue, "{}", serde_json::to_string(&job)?)?;
                info!(file, "queued");
            }
        }
        worker.wait()?;
        Ok(())
    })
}

fn work(distlogd: &str) -> Result<(), Box<dyn Error>> {
    let _guard = listen::log_to(distlogd, "worker")?;
    for line in std::io::stdin().lock().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let converted = import_task!(&job.task, "convert {}", job.file).run(|| convert(&job.file));
        if let Err(error) = converted {
            eprintln!("{}: {error}", job.file);
        }
    }
    Ok(())
}

fn convert(file: &str) -> Result<(), String> {
    if file.starts_with("empty") {
        return Err(format!("{file} holds no picture"));
    }
    info!(width = 640, height = 480, "converted");
    Ok(())
}
