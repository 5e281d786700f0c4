//! [`ExportWorker`]: the thread that owns the session.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

use distlog_client::{Endpoints, Progress, SessionClient, SpoolDrain, Transport, UnackedRecords};
use distlog_proto::ProducerId;
use distlog_proto::session::ByeReason;
use distlog_spool::SpoolDir;

use super::connect_error::ConnectError;
use super::export_queue::ExportQueue;
use super::export_spool::ExportSpool;
use super::exporter_handle::ExporterHandle;
use super::sessions::Sessions;
use super::settings::Settings;
use super::shared::{Command, ExportError, Shared, lock};

/// How often a session is driven.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Without a session there is nothing to do until the thread is woken.
const IDLE_SLEEP: Duration = Duration::from_secs(3600);
/// For the drain to end after the deadline.
const GRACE: Duration = Duration::from_millis(500);

/// Starts the thread; gives the ends of two exporters.
///
/// # Errors
/// If an endpoint is none, the spool directory cannot be used, or the system gives no thread or pipe.
pub(super) fn start(
    endpoints: Endpoints,
    settings: Settings,
) -> Result<[ExporterHandle; 2], ConnectError> {
    let producer = ProducerId::random();
    let dir = settings.spool.as_ref().map(SpoolDir::open).transpose()?;
    let sessions = Sessions::new(endpoints, &settings);
    let client = sessions.open(producer, dir.is_none())?;
    let shared = Arc::new(Shared::new(producer, settings, dir.as_ref())?);
    let (commands, received) = mpsc::channel();
    let mut worker = ExportWorker {
        commands: received,
        queue: ExportQueue::new(Arc::clone(&shared)),
        shared: Arc::clone(&shared),
        client: Box::new(client),
        drain: None,
        is_started: false,
        is_blocked: false,
        exporters: 2,
        deadline: Instant::now(),
        flushes: Vec::new(),
        shutdowns: Vec::new(),
    };
    let thread = std::thread::Builder::new().name("distlog-export".into());
    let started = thread.spawn(move || {
        worker.drain = dir.and_then(|dir| sessions.drain(dir, Arc::clone(&worker.shared)));
        worker.run();
    });
    if let (Err(_), Some(spool)) = (&started, &shared.spool) {
        // Nobody has exported yet; an empty file would stay.
        let _ = spool.finish();
    }
    started?;
    let handle = || ExporterHandle::new(Arc::clone(&shared), commands.clone());
    Ok([handle(), handle()])
}

/// Owns the queue and the session.
struct ExportWorker {
    commands: Receiver<Command>,
    queue: ExportQueue,
    shared: Arc<Shared>,
    client: Box<SessionClient>,
    drain: Option<SpoolDrain>,
    /// The source is known, or something was exported: no session is opened before.
    is_started: bool,
    /// A batch could not be sent.
    is_blocked: bool,
    /// How many are not shut down.
    exporters: usize,
    /// Until when it ends, once they all are shut down.
    deadline: Instant,
    /// Who waits until everything before an offset is done.
    flushes: Vec<(u64, SyncSender<()>)>,
    /// Who waits for the end.
    shutdowns: Vec<SyncSender<()>>,
}

impl ExportWorker {
    fn run(mut self) {
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.execute(command);
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

    fn execute(&mut self, command: Command) {
        match command {
            Command::Send(export, answer) => self.queue.push(export, answer),
            Command::Flush(answer) => self.flushes.push((self.queue.offsets().head, answer)),
            Command::Shutdown(deadline, answer) => {
                self.exporters = self.exporters.saturating_sub(1);
                self.deadline = deadline;
                // The others need the session yet, so that nobody waits for its end.
                if let Some(answer) = answer {
                    self.shutdowns.push(answer);
                }
                if self.exporters > 0 {
                    self.shutdowns.clear();
                }
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        let timeout = self.shared.settings.timeout;
        let client = &self.client;
        self.queue.expire(now, || match client.last_error() {
            Some(error) => ExportError::NoSession(timeout, error.to_owned()),
            None => ExportError::Timeout(timeout),
        });
    }

    fn work(&mut self, now: Instant) {
        if !self.is_started {
            self.is_started = !self.queue.is_empty() || !lock(&self.shared.source).is_empty();
            if !self.is_started {
                return;
            }
        }
        let progress = loop {
            let progress = self.client.work(&mut self.queue, now);
            if progress != Progress::Sent {
                break progress;
            }
        };
        self.is_blocked = progress == Progress::Blocked;
        let is_connected = self.client.is_connected();
        let known = &self.shared.is_connected;
        known.store(is_connected, Ordering::Relaxed);
    }

    fn answer(&mut self) {
        let queue = &self.queue;
        for (_, answer) in self.flushes.extract_if(.., |(end, _)| queue.is_done(*end)) {
            let _ = answer.send(());
        }
    }

    fn rest(&mut self, now: Instant) {
        let is_wanted = !self.queue.is_empty() || self.shared.spool.is_some();
        let next_attempt = is_wanted.then(|| self.client.next_attempt());
        let poll = match self.client.is_active() {
            true => Some(now + POLL_INTERVAL),
            false => next_attempt,
        };
        let end = (self.exporters == 0).then_some(self.deadline);
        let next = [poll, end, self.queue.deadline()];
        let until = next.into_iter().flatten().min().unwrap_or(now + IDLE_SLEEP);
        let waker = &self.shared.waker;
        waker.begin();
        // A command that came before would have woken nobody.
        let early = self.commands.try_recv().ok();
        let timeout = until.saturating_duration_since(now);
        let woken = early.is_none() && self.client.wait(self.is_blocked, Some(waker), timeout);
        waker.end(woken);
        if let Some(command) = early {
            self.execute(command);
        }
    }

    fn end(self) {
        let spool = self.shared.spool.as_ref();
        // What is left in a spool comes later, and the producer is not over before.
        let is_over = spool.is_none_or(ExportSpool::finish);
        let linger = self.deadline.saturating_duration_since(Instant::now());
        // Waits until ZeroMQ has sent the bye.
        self.client.close(
            is_over.then_some(ByeReason::Done),
            self.queue.dropped(),
            linger,
        );
        if let Some(drain) = self.drain {
            drain.finish(self.deadline, self.deadline + GRACE);
        }
        for answer in self.shutdowns {
            let _ = answer.send(());
        }
    }
}
