//! [`Courier`]: the thread that owns the socket.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::builder::Settings;
use super::handle::{Command, Failure, Handle, Shared};
use super::line::{Line, Trial};
use super::queue::Queue;
use super::socket::{Address, wait};

/// Pause after an attempt that failed, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A session is looked after so often.
const LOOK: Duration = Duration::from_millis(100);
/// Without one there is nothing to do until the thread is woken.
const SLEEP: Duration = Duration::from_secs(3600);
/// What a bye may take on its way, at least.
const LAST_WORD: Duration = Duration::from_millis(100);

/// Starts the thread; gives the ends of two exporters.
///
/// # Errors
/// If the system gives no thread or pipe.
pub(super) fn start(address: Address, settings: Settings) -> std::io::Result<[Handle; 2]> {
    let shared = Arc::new(Shared::new(settings)?);
    let (commands, heard) = mpsc::channel();
    let courier = Courier {
        address,
        commands: heard,
        queue: Queue::new(Arc::clone(&shared)),
        shared: Arc::clone(&shared),
        line: None,
        epoch: 0,
        acked: 0,
        next_attempt: Instant::now(),
        failures: 0,
        trouble: None,
        exporters: 2,
        deadline: Instant::now(),
        flushes: Vec::new(),
        leaving: Vec::new(),
    };
    std::thread::Builder::new()
        .name("distlog-export".into())
        .spawn(move || courier.run())?;
    let handle = || Handle::new(Arc::clone(&shared), commands.clone());
    Ok([handle(), handle()])
}

/// See the module.
struct Courier {
    address: Address,
    commands: Receiver<Command>,
    queue: Queue,
    shared: Arc<Shared>,
    line: Option<Line>,
    epoch: u64,
    /// All before is durable.
    acked: u64,
    next_attempt: Instant,
    /// Attempts since the last good one.
    failures: u32,
    /// Why the last one ended, if that was not normal.
    trouble: Option<String>,
    /// How many have not left.
    exporters: usize,
    /// Until when it ends, once they all have left.
    deadline: Instant,
    /// Who waits until all before an offset is done.
    flushes: Vec<(u64, SyncSender<()>)>,
    /// Who waits for the end.
    leaving: Vec<SyncSender<()>>,
}

impl Courier {
    fn run(mut self) {
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            let now = Instant::now();
            self.expire(now);
            self.work(now);
            self.answer();
            if self.exporters == 0 && (self.queue.is_empty() || now >= self.deadline) {
                return self.end();
            }
            self.rest(now);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Send(parcel, answer) => self.queue.push(parcel, answer),
            Command::Flush(say) => self.flushes.push((self.queue.head(self.acked), say)),
            Command::Leave(deadline, say) => {
                self.exporters = self.exporters.saturating_sub(1);
                self.deadline = deadline;
                // The others need the session yet, so that nobody waits for its end.
                if let Some(say) = say {
                    self.leaving.push(say);
                }
                if self.exporters > 0 {
                    self.leaving.clear();
                }
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let timeout = self.shared.settings.timeout;
        let trouble = &self.trouble;
        self.queue.expire(now, || match trouble {
            Some(trouble) => Failure::Trouble(timeout, trouble.clone()),
            None => Failure::Timeout(timeout),
        });
    }

    fn work(&mut self, now: Instant) {
        if self.line.is_none() && !self.queue.is_empty() && now >= self.next_attempt {
            self.epoch += 1;
            match self.address.connect() {
                Ok(socket) => {
                    let line = Line::new(socket, &self.shared, self.epoch, self.acked, now);
                    self.line = Some(line);
                }
                Err(error) => self.failed(error.into(), now),
            }
        }
        let Some(line) = &mut self.line else { return };
        let worked = line.work(&self.shared, &mut self.queue, now);
        self.acked = self.acked.max(line.client().acked());
        if line.is_good() {
            (self.failures, self.trouble) = (0, None);
        }
        if let Err(trial) = worked {
            self.failed(trial, now);
        }
    }

    fn failed(&mut self, trial: Trial, now: Instant) {
        self.line = None;
        self.epoch = self.epoch.max(trial.known_epoch().unwrap_or_default());
        if !trial.is_normal() {
            self.trouble = Some(trial.to_string());
        }
        let pause = match self.failures {
            0 if trial.is_normal() => Duration::ZERO,
            failures => PAUSE.1.min(PAUSE.0 * (1 << failures.min(10))),
        };
        self.failures = self.failures.saturating_add(1);
        self.next_attempt = now + pause;
    }

    fn answer(&mut self) {
        let queue = &self.queue;
        for (_, say) in self.flushes.extract_if(.., |(end, _)| queue.is_done(*end)) {
            let _ = say.send(());
        }
    }

    fn rest(&self, now: Instant) {
        let next_attempt = (!self.queue.is_empty()).then_some(self.next_attempt);
        let look = match self.line {
            Some(_) => Some(now + LOOK),
            None => next_attempt,
        };
        let end = (self.exporters == 0).then_some(self.deadline);
        let next = [look, end, self.queue.deadline()];
        let until = next.into_iter().flatten().min().unwrap_or(now + SLEEP);
        let socket = self.line.as_ref().map(Line::waits);
        wait(
            socket,
            &self.shared.waker,
            until.saturating_duration_since(now),
        );
    }

    fn end(mut self) {
        let linger = self.deadline.saturating_duration_since(Instant::now());
        if let Some(line) = self.line.take() {
            line.leave(&self.shared, linger.max(LAST_WORD));
        }
        // Waits until the bye is on its way.
        drop(self.address);
        for say in self.leaving {
            let _ = say.send(());
        }
    }
}
