//! A program that logs numbered records until its standard input ends, or something ends it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use distlog_layer::{Flush, Overflow, Task, task, to};
use tracing::{debug, error, info, trace, warn};
use tracing_subscriber::prelude::*;

use super::call_journal::CallJournal;
use super::random::Random;

/// What the end may take. What is left then is in the spool.
const CLOSE: Duration = Duration::from_secs(5);
/// Nothing that happens here takes longer: a run that waits for room drops nothing.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest text in a record, in bytes.
const FILL: usize = 6000;
/// Exit code: the guard had to leave something to the spool.
pub const LEFT: u8 = 3;

#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Client {
    /// Number of the run.
    #[arg(long)]
    pub run: u64,
    /// Folder of the call journals.
    #[arg(long)]
    pub journals: PathBuf,
    /// Folder of the spool.
    #[arg(long)]
    pub spool: PathBuf,
    /// Addresses of session receivers; it sends to the first that answers.
    #[arg(long, required = true)]
    pub connect: Vec<String>,
    /// Threads that log.
    #[arg(long)]
    pub threads: u64,
    /// Size of the ring in bytes.
    #[arg(long)]
    pub ring: usize,
    /// Wait for room when the ring is full, instead of dropping.
    #[arg(long)]
    pub wait: bool,
    /// Records of a burst, of each thread.
    #[arg(long)]
    pub burst: u64,
    /// Bursts in a second.
    #[arg(long)]
    pub bursts: u64,
}

impl Client {
    /// The arguments that say so.
    pub fn arguments(&self) -> Vec<String> {
        let text = |path: &PathBuf| path.display().to_string();
        let mut arguments: Vec<String> = [
            ("--run", self.run.to_string()),
            ("--journals", text(&self.journals)),
            ("--spool", text(&self.spool)),
            ("--threads", self.threads.to_string()),
            ("--ring", self.ring.to_string()),
            ("--burst", self.burst.to_string()),
            ("--bursts", self.bursts.to_string()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        for address in &self.connect {
            arguments.extend(["--connect".to_owned(), address.clone()]);
        }
        if self.wait {
            arguments.push("--wait".into());
        }
        arguments
    }

    /// Logs.
    pub fn run(self) -> ExitCode {
        let overflow = if self.wait {
            Overflow::Block(TIMEOUT)
        } else {
            Overflow::Drop
        };
        let (layer, guard) = distlog_layer::builder()
            .service("torture")
            .heartbeat(Duration::from_millis(500))
            .failover_timeouts(|timeouts| timeouts.scan = Duration::from_secs(2))
            .spool(&self.spool)
            .ring_bytes(self.ring)
            .overflow(overflow)
            .connect(self.connect.as_slice())
            .unwrap();
        tracing_subscriber::registry().with(layer).init();
        let producer = guard.producer().to_bytes();
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let threads: Vec<_> = (0..self.threads)
            .map(|thread| {
                let journal =
                    CallJournal::new(&self.journals, self.run, thread, producer, self.wait)
                        .unwrap();
                let (client, stop) = (self.clone(), Arc::clone(&stop));
                let work = move || client.log(thread, journal, &stop);
                (journal, std::thread::spawn(work))
            })
            .collect();
        // The end of the input is the order to stop, or the end of whoever could have given it.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        *stop.0.lock().unwrap() = true;
        stop.1.notify_all();
        let journals: Vec<CallJournal> = threads
            .into_iter()
            .map(|(journal, thread)| {
                thread.join().unwrap();
                journal
            })
            .collect();
        let dropped = guard.dropped().total();
        journals.iter().for_each(|journal| journal.close(dropped));
        match guard.close(CLOSE) {
            Flush::Flushed => ExitCode::SUCCESS,
            Flush::Left { records, bytes } => {
                eprintln!("{records} records ({bytes} bytes) are left to the spool");
                ExitCode::from(LEFT)
            }
        }
    }

    fn log(&self, thread: u64, journal: CallJournal, stop: &(Mutex<bool>, Condvar)) {
        let mut random = Random::stream(self.run, thread);
        let fill = "x".repeat(FILL);
        let mut number = 0;
        let mut due = Instant::now();
        loop {
            // What a task says of itself is dropped as any record is, but has no number.
            let burst = self.wait.then(|| task!("burst after {}", number));
            let _entered = burst.as_ref().map(Task::enter);
            for nth in 0..self.burst {
                number += 1;
                let part = (self.wait && nth % 16 == 15).then(|| to!("a part"));
                let _entered = part.as_ref().map(Task::enter);
                // Most are short.
                let length = match random.within(0..=99) {
                    0 => random.within(0..=FILL as u64),
                    _ => random.within(0..=120),
                };
                journal.enter(number);
                self.record(thread, number, &fill[..length as usize]);
                journal.leave(number);
            }
            due += Duration::from_secs(1) / self.bursts as u32;
            let (stopped, more) = stop;
            let (stopped, _) = more
                .wait_timeout_while(
                    stopped.lock().unwrap(),
                    due.saturating_duration_since(Instant::now()),
                    |stopped| !*stopped,
                )
                .unwrap();
            if *stopped {
                return;
            }
        }
    }

    fn record(&self, thread: u64, number: u64, fill: &str) {
        let run = self.run;
        match number % 5 {
            0 => error!(run, thread, number, fill, "an error, {number}"),
            1 => warn!(run, thread, number, fill, "a warning, {number}"),
            2 => info!(run, thread, number, fill, "record {number}"),
            3 => debug!(run, thread, number, fill, "a detail, {number}"),
            _ => trace!(run, thread, number, fill, "a trace, {number}"),
        }
    }
}
