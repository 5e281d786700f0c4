//! Input that was rejected: always counted, reported at a limited rate.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::metrics::Metrics;
use super::rate_limited::{OncePerKey, RateLimited};

/// Log lines in each [`WINDOW`].
const BURST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// Unsupported things that are reported once each.
const MAX_UNSUPPORTED: usize = 64;

/// Counts rejected input and reports it with its sender.
#[derive(Debug)]
pub(crate) struct RejectedInput {
    metrics: Metrics,
    faults: Mutex<RateLimited>,
    unsupported: Mutex<OncePerKey>,
}

impl RejectedInput {
    pub(crate) fn new(metrics: Metrics) -> RejectedInput {
        RejectedInput {
            metrics,
            faults: Mutex::new(RateLimited::new(BURST, WINDOW)),
            unsupported: Mutex::new(OncePerKey::new(MAX_UNSUPPORTED)),
        }
    }

    /// Counts a fault and, unless there were too many of late, reports it with who sent it.
    pub(crate) fn report(
        &self,
        receiver: &'static str,
        reason: &'static str,
        peer: Option<&str>,
        detail: impl fmt::Display,
    ) {
        self.count_only(receiver, reason);
        if let Some(suppressed) = lock(&self.faults).report(1) {
            if suppressed > 0 {
                tracing::warn!("{suppressed} more rejected inputs were counted but not reported");
            }
            let peer = peer.unwrap_or("an unknown peer");
            tracing::warn!(receiver, "{reason} from {peer}: {detail}");
        }
    }

    /// Counts what is not supported and no fault, such as metrics that come with a program's traces. It is reported
    /// once.
    pub(crate) fn unsupported(
        &self,
        receiver: &'static str,
        reason: &'static str,
        peer: Option<&str>,
        detail: &str,
    ) {
        self.count_only(receiver, reason);
        let peer = peer.unwrap_or("an unknown peer");
        if lock(&self.unsupported).report(format!("{receiver} {detail}")) {
            tracing::info!(receiver, "{reason} from {peer}: {detail} (reported once)");
        } else {
            tracing::debug!(receiver, "{reason} from {peer}: {detail}");
        }
    }

    /// Counts what concerns nobody, such as a request whose client went away.
    pub(crate) fn count_only(&self, receiver: &'static str, reason: &'static str) {
        self.metrics
            .receiver_rejected_inputs
            .add([receiver, reason], 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
