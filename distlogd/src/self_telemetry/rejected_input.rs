//! Input that was rejected: always counted, reported at a limited rate.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::last_error::{LastError, TimedError};
use super::metrics::Metrics;
use super::rate_limited::{OncePerKey, RateLimited};

/// Log lines in each [`WINDOW`].
const BURST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// Unsupported things that are reported once each.
const MAX_UNSUPPORTED: usize = 64;
/// A peer whose connections are refused is reported once in this time.
const PEER_WINDOW: Duration = Duration::from_secs(60);
/// Peers and reasons that are reported in that time.
const MAX_PEERS: usize = 256;

/// Counts rejected input and reports it with its sender.
#[derive(Debug)]
pub(crate) struct RejectedInput {
    metrics: Metrics,
    faults: Mutex<RateLimited>,
    unsupported: Mutex<OncePerKey>,
    /// Whose connections were refused, and since when that is noted.
    peers: Mutex<(OncePerKey, Instant)>,
    /// Of each receiver.
    last: Mutex<BTreeMap<&'static str, LastError>>,
}

impl RejectedInput {
    pub(crate) fn new(metrics: Metrics) -> RejectedInput {
        RejectedInput {
            metrics,
            faults: Mutex::new(RateLimited::new(BURST, WINDOW)),
            unsupported: Mutex::new(OncePerKey::new(MAX_UNSUPPORTED)),
            peers: Mutex::new((OncePerKey::new(MAX_PEERS), Instant::now())),
            last: Mutex::default(),
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
        let peer = peer.unwrap_or("an unknown peer");
        let fault = format_args!("{reason} from {peer}: {detail}");
        lock(&self.last).entry(receiver).or_default().set(fault);
        if let Some(suppressed) = lock(&self.faults).report(1) {
            if suppressed > 0 {
                tracing::warn!("{suppressed} more rejected inputs were counted but not reported");
            }
            tracing::warn!(receiver, "{reason} from {peer}: {detail}");
        }
    }

    /// Counts a connection that was refused. It is reported once in a while for each peer and reason.
    pub(crate) fn refused_connection(
        &self,
        receiver: &'static str,
        reason: &'static str,
        peer: &str,
        detail: &str,
    ) {
        self.count_only(receiver, reason);
        let fault = format_args!("{reason}, {peer}: {detail}");
        lock(&self.last).entry(receiver).or_default().set(fault);
        let mut peers = lock(&self.peers);
        if peers.1.elapsed() >= PEER_WINDOW {
            *peers = (OncePerKey::new(MAX_PEERS), Instant::now());
        }
        if peers.0.report(format!("{receiver} {reason} {peer}"))
            && let Some(suppressed) = lock(&self.faults).report(1)
        {
            if suppressed > 0 {
                tracing::warn!("{suppressed} more rejected inputs were counted but not reported");
            }
            tracing::warn!(
                receiver,
                "refuses {peer}: {detail} (reported once a minute)"
            );
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

    /// The last fault that a receiver reported.
    pub(crate) fn last(&self, receiver: &str) -> Option<TimedError> {
        lock(&self.last).get(receiver)?.get()
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
