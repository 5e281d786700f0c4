//! How many bytes a second a peer may send (`peer_bytes_per_second`).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Bytes that one peer may send in a second, over all its connections: who sends more is read later.
#[derive(Debug)]
pub(super) struct Pace {
    /// In bytes a second.
    rate: f64,
    /// Bytes that may be read at once, negative when too many were read; and since when.
    left: Mutex<(f64, Instant)>,
}

impl Pace {
    pub(super) fn new(rate: u64) -> Pace {
        #[allow(clippy::cast_precision_loss)] // A rate need not be exact.
        let rate = rate.max(1) as f64;
        Pace {
            rate,
            left: Mutex::new((rate, Instant::now())),
        }
    }

    /// `bytes` were read.
    fn took(&self, bytes: usize) {
        #[allow(clippy::cast_precision_loss)]
        let bytes = bytes as f64;
        self.left.lock().unwrap_or_else(PoisonError::into_inner).0 -= bytes;
    }

    /// How long nothing is to be read.
    fn pause(&self) -> Option<Duration> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (bytes, since) = *left;
        // What was not used in a second is not kept.
        let bytes = (bytes + self.rate * (now - since).as_secs_f64()).min(self.rate);
        *left = (bytes, now);
        (bytes < 0.0).then(|| Duration::from_secs_f64(-bytes / self.rate))
    }
}

/// The pace of one connection.
#[derive(Debug)]
pub(super) struct Paced {
    pace: Arc<Pace>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(super) fn new(pace: Arc<Pace>) -> Paced {
        Paced { pace, pause: None }
    }

    /// Ready when something may be read.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.pace.pause() {
                Some(pause) => self.pause = Some(Box::pin(sleep(pause))),
                None => return Poll::Ready(()),
            }
        }
    }

    pub(super) fn took(&self, bytes: usize) {
        self.pace.took(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_more_is_read_later() {
        let pace = Pace::new(1000);
        assert_eq!(pace.pause(), None);
        pace.took(1000);
        assert!(pace.pause().is_none(), "as much as a second allows");
        pace.took(1_000_000);
        let pause = pace.pause().unwrap().as_secs();
        assert!((900..=1000).contains(&pause), "{pause}");
    }
}
