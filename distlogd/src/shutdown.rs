//! How the daemon stops: one [`Shutdown`] for all its threads and tasks, in phases, and the one kind of waker.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::sync::watch;

/// How far the daemon has stopped. Phases follow each other; none is left again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Phase {
    /// Everything runs.
    #[default]
    Running,
    /// Receivers take nothing new. They still answer who waits for the store.
    Receivers,
    /// The store is closed: receivers give their last answers, workers take what it holds and end.
    Workers,
    /// The grace period is over: everything ends at once.
    Abort,
}

/// The phase that the daemon is in. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    phase: watch::Sender<Phase>,
    wakers: Mutex<Vec<Weak<Waker>>>,
}

impl Shutdown {
    /// Enters a phase, unless a later one was entered, and wakes all that wait for it.
    pub fn advance(&self, phase: Phase) {
        self.0.phase.send_if_modified(|current| {
            let later = *current < phase;
            *current = phase.max(*current);
            later
        });
        let wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|waker| waker.wake());
    }

    /// Whether a phase was entered.
    pub fn reached(&self, phase: Phase) -> bool {
        *self.0.phase.borrow() >= phase
    }

    /// Waits until a phase is entered.
    pub(crate) async fn wait_for(self, phase: Phase) {
        // The sender lives as long as `self`.
        let _ = self
            .0
            .phase
            .subscribe()
            .wait_for(|current| *current >= phase)
            .await;
    }

    /// A waker that is woken by each new phase.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub(crate) fn waker(&self) -> io::Result<Arc<Waker>> {
        let waker = Arc::new(Waker::new()?);
        let mut wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        wakers.retain(|known| known.strong_count() > 0);
        wakers.push(Arc::downgrade(&waker));
        Ok(waker)
    }
}

/// Wakes a thread that polls its file descriptor, beside a socket or alone.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Waker> {
        Ok(Waker(eventfd(
            0,
            EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC,
        )?))
    }

    /// Makes the file descriptor readable until the next [`reset`](Waker::reset).
    pub(crate) fn wake(&self) {
        // It can only fail because the counter is full, and then the file descriptor is readable.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// To be called before looking for work: what comes after it wakes again.
    pub(crate) fn reset(&self) {
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }

    /// Waits until woken, at most so long, and resets.
    pub(crate) fn wait(&self, timeout: Duration) {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let _ = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout));
        self.reset();
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn phases_only_advance_and_wake() {
        let shutdown = Shutdown::default();
        let waker = shutdown.waker().unwrap();
        assert!(shutdown.reached(Phase::Running) && !shutdown.reached(Phase::Receivers));
        let (own, begun) = (shutdown.clone(), Instant::now());
        let thread = std::thread::spawn(move || own.advance(Phase::Workers));
        waker.wait(Duration::from_secs(60));
        thread.join().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(60));
        shutdown.advance(Phase::Receivers);
        assert!(shutdown.reached(Phase::Workers) && !shutdown.reached(Phase::Abort));
    }
}
