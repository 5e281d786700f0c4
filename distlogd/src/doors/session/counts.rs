//! What the session door counts.

use std::sync::atomic::AtomicU64;

use distlog_proto::session::RefusedReason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Clones are the same counters.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Sessions that are open.
    pub(super) open: Gauge<u64, AtomicU64>,
    /// Bytes that clients may have under way.
    pub(super) credit: Gauge<u64, AtomicU64>,
    /// Sessions that began.
    pub(super) welcomed: Counter,
    /// Batches that had been taken before.
    pub(super) replays: Counter,
    /// Batches that were not the next ones.
    pub(super) rewinds: Counter,
    /// Acks said.
    pub(super) acks: Counter,
    /// Answers that could not be sent at once, and were forgotten.
    pub(super) unsent: Counter,
    refused: Family<Reason, Counter>,
}

impl Counts {
    pub(super) fn new(registry: &mut Registry) -> Counts {
        let counts = Counts::default();
        let Counts {
            open,
            credit,
            welcomed,
            replays,
            rewinds,
            acks,
            unsent,
            refused,
        } = &counts;
        let mut add = |name: &str, help: &str, metric: &Counter| {
            registry.register(format!("distlogd_session_{name}"), help, metric.clone());
        };
        add("welcomed", "Sessions that began", welcomed);
        add("replays", "Batches that had been taken before", replays);
        add("rewinds", "Batches that were not the next ones", rewinds);
        add("acks", "Acknowledgements said", acks);
        add(
            "unsent",
            "Answers that could not be sent at once; they are said again when asked for",
            unsent,
        );
        registry.register(
            "distlogd_session_refused",
            "Clients that were refused, by reason",
            refused.clone(),
        );
        registry.register("distlogd_sessions", "Sessions that are open", open.clone());
        registry.register(
            "distlogd_session_credit_bytes",
            "Bytes that clients of sessions may have under way",
            credit.clone(),
        );
        counts
    }

    pub(super) fn refused(&self, reason: RefusedReason) {
        let reason = reason.name();
        self.refused.get_or_create(&Reason { reason }).inc();
    }
}
