//! What a door needs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::faults::Faults;
use crate::heard::Heard;
use crate::intake::Intake;
use crate::losses::Losses;
use crate::vital::Vital;

/// What a door needs.
#[derive(Debug, Clone)]
pub struct Hall {
    /// Where batches go.
    pub intake: Intake,
    /// Where bad input is reported.
    pub faults: Arc<Faults>,
    /// Where it is noted who was heard.
    pub heard: Arc<Heard>,
    /// What came in.
    pub received: Received,
    /// What producers dropped.
    pub losses: Losses,
    /// Where it is noted that a door is gone.
    pub vital: Vital,
    /// Set when the door is to be closed.
    pub stop: Arc<AtomicBool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    door: &'static str,
    encoding: &'static str,
}

/// Counts what came in.
#[derive(Debug, Clone, Default)]
pub struct Received {
    records: Family<Labels, Counter>,
    refused: Family<Labels, Counter>,
    messages: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
}

impl Received {
    /// Registers the counters.
    pub fn new(registry: &mut Registry) -> Received {
        let received = Received::default();
        registry.register(
            "distlogd_received_records",
            "Records that came in and were good",
            received.records.clone(),
        );
        registry.register(
            "distlogd_refused_records",
            "Records, by OTLP spans and log records, that were left out of what was taken otherwise",
            received.refused.clone(),
        );
        registry.register(
            "distlogd_received_messages",
            "Messages that came in",
            received.messages.clone(),
        );
        registry.register(
            "distlogd_received_bytes",
            "Bytes of the messages that came in",
            received.bytes.clone(),
        );
        received
    }

    pub(super) fn message(&self, door: &'static str, encoding: &'static str, bytes: usize) {
        let labels = Labels { door, encoding };
        self.messages.get_or_create(&labels).inc();
        self.bytes.get_or_create(&labels).inc_by(bytes as u64);
    }

    pub(super) fn records(&self, door: &'static str, encoding: &'static str, count: u64) {
        self.records
            .get_or_create(&Labels { door, encoding })
            .inc_by(count);
    }

    pub(super) fn refused(&self, door: &'static str, encoding: &'static str, count: u64) {
        self.refused
            .get_or_create(&Labels { door, encoding })
            .inc_by(count);
    }
}
