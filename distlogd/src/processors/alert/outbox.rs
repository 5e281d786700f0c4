//! Notifications on their way to one destination: a queue and a thread, which tries the first one until it is taken. So
//! they arrive in order, and a destination that is away delays nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::notification::{Notification, Writer};
use super::target::{Outcome, Target};
use crate::escape::one_line;
use crate::self_telemetry::{AlertMetrics, Progress, RateLimited};
use crate::shutdown::Shutdown;

/// So many wait at most. Then the oldest goes, and is counted.
const MAX_WAITING: usize = 10_000;
/// How long it waits after a failure: twice as long after each more, up to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(60)];

/// What the thread works with.
pub(super) struct Parts {
    pub(super) target: Target,
    pub(super) writer: Arc<Writer>,
    pub(super) metrics: AlertMetrics,
    pub(super) progress: Arc<Progress>,
    pub(super) shutdown: Shutdown,
}

/// The queue of one destination. Dropping it ends its thread, after the attempt that it is at.
pub(super) struct Outbox {
    /// Its destination, to know what waited for it after a restart.
    pub(super) name: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Notification>,
    /// The first one is being delivered.
    is_busy: bool,
    /// Whether some left since it was asked what waits.
    has_left: bool,
    is_stopping: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    /// Starts its thread; `waiting` is what waited before a restart.
    ///
    /// # Errors
    /// If there is no thread.
    pub(super) fn start(
        name: String,
        waiting: Vec<Notification>,
        parts: Parts,
    ) -> std::io::Result<Outbox> {
        let shared = Arc::new(Shared::default());
        shared.lock().waiting.extend(waiting);
        let (own, shown) = (Arc::clone(&shared), name.clone());
        let thread = std::thread::Builder::new()
            .name("alert".into())
            .spawn(move || run(&own, &shown, &parts))?;
        Ok(Outbox {
            name,
            shared,
            thread: Some(thread),
        })
    }

    /// Hands it a notification. How many were dropped for it.
    pub(super) fn submit(&self, notification: Notification) -> u64 {
        let mut queue = self.shared.lock();
        queue.waiting.push_back(notification);
        let mut dropped = 0;
        while queue.waiting.len() > MAX_WAITING {
            let oldest = usize::from(queue.is_busy);
            queue.waiting.remove(oldest);
            dropped += 1;
        }
        self.shared.changed.notify_all();
        dropped
    }

    /// What is not delivered yet.
    pub(super) fn waiting(&self) -> Vec<Notification> {
        let mut queue = self.shared.lock();
        queue.has_left = false;
        queue.waiting.iter().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Whether some left since [`Outbox::waiting`] was asked last.
    pub(super) fn has_left(&self) -> bool {
        self.shared.lock().has_left
    }

    /// Whether none leaves and none has left.
    pub(super) fn is_settled(&self) -> bool {
        let queue = self.shared.lock();
        !queue.is_busy && !queue.has_left
    }

    /// Ends it after the attempt that it is at, for which it waits so long.
    pub(super) fn stop(&self, patience: Duration) {
        let mut queue = self.shared.lock();
        queue.is_stopping = true;
        self.shared.changed.notify_all();
        let busy = |queue: &mut Queue| queue.is_busy;
        let waited = (self.shared.changed).wait_timeout_while(queue, patience, busy);
        drop(waited);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
        if let Some(thread) = self.thread.take() {
            // It is at an attempt, which has its own time limit and ends when the daemon is to stop at once.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, name: &str, parts: &Parts) {
    let mut failure = RateLimited::once();
    let mut pause = PAUSES[0];
    let processor = parts.writer.name();
    while let Some(notification) = next(shared) {
        let outcome = parts
            .target
            .deliver(&parts.writer, &notification, &parts.shutdown);
        let mut queue = shared.lock();
        queue.is_busy = false;
        match outcome {
            Outcome::Later { reason, after } => {
                parts.metrics.failed_attempts.inc();
                let reason = format!("{name}: {}", one_line(&reason));
                parts.progress.last_error.set(&reason);
                if failure.report(1).is_some() {
                    tracing::warn!(processor, "{reason}; tried again until it works");
                }
                shared.changed.notify_all();
                let until = Instant::now() + after.unwrap_or(pause);
                pause = (pause * 2).min(PAUSES[1]);
                while !queue.is_stopping && Instant::now() < until {
                    let left = until.saturating_duration_since(Instant::now());
                    let waited = shared.changed.wait_timeout(queue, left);
                    (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            }
            Outcome::Never { reason } => {
                parts.metrics.rejected.inc();
                let reason = one_line(&reason).to_string();
                parts
                    .progress
                    .last_error
                    .set(format_args!("{name}: {reason}"));
                let line = notification.line();
                let line = one_line(&line);
                tracing::warn!(processor, "{name} never takes `{line}`: {reason}");
            }
            Outcome::Delivered => {
                parts.metrics.delivered.inc();
                if failure.over() {
                    tracing::info!(processor, "{name} works again");
                }
            }
        }
        pause = PAUSES[0];
        queue.waiting.pop_front();
        queue.has_left = true;
        drop(queue);
        shared.changed.notify_all();
    }
}

/// The next one to be delivered; `None`: it stops.
fn next(shared: &Shared) -> Option<Notification> {
    let mut queue = shared.lock();
    loop {
        if queue.is_stopping {
            return None;
        }
        if let Some(first) = queue.waiting.front().cloned() {
            queue.is_busy = true;
            return Some(first);
        }
        let waited = shared.changed.wait(queue);
        queue = waited.unwrap_or_else(PoisonError::into_inner);
    }
}
