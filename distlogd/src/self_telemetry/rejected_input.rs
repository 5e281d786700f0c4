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
    /// Each receiver has limits of its own: what one is sent hides no line of another.
    receivers: Mutex<BTreeMap<&'static str, Reports>>,
}

/// What is reported of a receiver.
#[derive(Debug)]
struct Reports {
    faults: RateLimited,
    unsupported: OncePerKey,
    /// Whose connections were refused, and since when that is noted.
    peers: (OncePerKey, Instant),
    last: LastError,
}

impl Default for Reports {
    fn default() -> Reports {
        Reports {
            faults: RateLimited::new(BURST, WINDOW),
            unsupported: OncePerKey::new(MAX_UNSUPPORTED),
            peers: (OncePerKey::new(MAX_PEERS), Instant::now()),
            last: LastError::default(),
        }
    }
}

impl RejectedInput {
    pub(crate) fn new(metrics: Metrics) -> RejectedInput {
        RejectedInput {
            metrics,
            receivers: Mutex::default(),
        }
    }

    /// Counts a fault and, unless its receiver had too many of late, reports it with who sent it.
    pub(crate) fn report(
        &self,
        receiver: &'static str,
        reason: &'static str,
        peer: Option<&str>,
        detail: impl fmt::Display,
    ) {
        self.count_only(receiver, reason);
        let peer = peer.unwrap_or("an unknown peer");
        let suppressed = self.with(receiver, |reports| {
            let fault = format_args!("{reason} from {peer}: {detail}");
            reports.last.set(fault);
            reports.faults.report(1)
        });
        if let Some(suppressed) = suppressed {
            report_suppressed(receiver, suppressed);
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
        let suppressed = self.with(receiver, |reports| {
            let fault = format_args!("{reason}, {peer}: {detail}");
            reports.last.set(fault);
            if reports.peers.1.elapsed() >= PEER_WINDOW {
                reports.peers = (OncePerKey::new(MAX_PEERS), Instant::now());
            }
            let is_new = reports.peers.0.report(format!("{reason} {peer}"));
            is_new.then(|| reports.faults.report(1)).flatten()
        });
        if let Some(suppressed) = suppressed {
            report_suppressed(receiver, suppressed);
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
        if self.with(receiver, |reports| {
            reports.unsupported.report(detail.to_owned())
        }) {
            tracing::info!(receiver, "{reason} from {peer}: {detail} (reported once)");
        } else {
            tracing::debug!(receiver, "{reason} from {peer}: {detail}");
        }
    }

    /// The last fault that a receiver reported.
    pub(crate) fn last(&self, receiver: &str) -> Option<TimedError> {
        self.receivers().get(receiver)?.last.get()
    }

    /// Counts what concerns nobody, such as a request whose client went away.
    pub(crate) fn count_only(&self, receiver: &'static str, reason: &'static str) {
        self.metrics
            .receiver_rejected_inputs
            .add([receiver, reason], 1);
    }

    /// Lines are written when this is over: who writes them may wait for who reads them.
    fn with<T>(&self, receiver: &'static str, work: impl FnOnce(&mut Reports) -> T) -> T {
        work(self.receivers().entry(receiver).or_default())
    }

    fn receivers(&self) -> MutexGuard<'_, BTreeMap<&'static str, Reports>> {
        self.receivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn report_suppressed(receiver: &'static str, suppressed: u64) {
    if suppressed > 0 {
        tracing::warn!(
            receiver,
            "{suppressed} more rejected inputs were counted but not reported"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_receiver_is_sent_hides_no_line_of_another() {
        let rejected = RejectedInput::new(Metrics::default());
        let admitted = |receiver| {
            let admitted = |reports: &mut Reports| reports.faults.report(1).is_some();
            rejected.with(receiver, admitted)
        };
        let burst = (0..100).filter(|_| admitted("push")).count();
        assert!((BURST as usize..100).contains(&burst), "{burst}");
        assert!(admitted("session") && admitted("http"));
    }

    #[test]
    fn the_last_fault_of_each_receiver_is_kept() {
        let rejected = RejectedInput::new(Metrics::default());
        rejected.report("push", "bad", Some("10.0.0.1"), "one");
        rejected.refused_connection("http", "full", "10.0.0.2", "two");
        let last = |receiver| rejected.last(receiver).map(|error| error.message);
        assert_eq!(last("push").as_deref(), Some("bad from 10.0.0.1: one"));
        assert_eq!(last("http").as_deref(), Some("full, 10.0.0.2: two"));
        assert!(last("session").is_none());
    }
}
