//! What the daemon counts, in the format of Prometheus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::intake::Intake;
use crate::label;
use crate::store::{Reader, Stats};
use crate::worker::Progress;

/// Reads the counters of the store and of the workers when it is asked.
pub struct Gather {
    /// The store.
    pub reader: Reader,
    /// The way into it.
    pub intake: Intake,
    /// Name and progress of each worker.
    pub workers: Vec<(String, Arc<Progress>)>,
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

/// Takes one figure out of many.
type Pick<T> = fn(&T) -> u64;

const STORE_GAUGES: &[(&str, &str, Pick<Stats>)] = &[
    ("segments", "Segments of the store", |s| s.segments),
    ("bytes", "Bytes of the store", |s| s.bytes),
    ("records", "Records that the store keeps", |s| {
        s.end.saturating_sub(s.first).saturating_sub(s.lost)
    }),
    ("producers", "Producers whose position is known", |s| {
        s.producers
    }),
    (
        "unsealed_segments",
        "Segments that wait to be sealed",
        |s| s.unsealed,
    ),
];

const STORE_COUNTERS: &[(&str, &str, Pick<Stats>)] = &[
    ("stored_records", "Records made durable", |s| s.records),
    ("stored_bytes", "Bytes of batches made durable", |s| {
        s.batch_bytes
    }),
    ("syncs", "Syncs of the open segment", |s| s.syncs),
    ("replays", "Batches that the store already had", |s| {
        s.replays
    }),
    (
        "no_space",
        "Batches refused because the file system is full",
        |s| s.no_space,
    ),
    ("write_errors", "Failed writes and syncs", |s| {
        s.write_errors
    }),
    ("damaged", "Places where the store was found damaged", |s| {
        s.damaged
    }),
    ("damaged_records", "Records lost by damage", |s| {
        s.damaged_records
    }),
    ("expired_records", "Records removed by retention", |s| {
        s.expired_records
    }),
];

const WORKER_COUNTERS: &[(&str, &str, Pick<Progress>)] = &[
    ("taken", "Records durable at the destination", |p| {
        get(&p.taken)
    }),
    (
        "rejected",
        "Records that the destination will never take",
        |p| get(&p.rejected),
    ),
    (
        "skipped",
        "Records removed before the processor took them",
        |p| get(&p.skipped),
    ),
    ("retries", "Attempts that failed and are made again", |p| {
        get(&p.retries)
    }),
];

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

impl Collector for Gather {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.reader.stats();
        for (name, help, pick) in STORE_GAUGES {
            let metric = gauge(pick(&stats));
            let name = format!("distlogd_store_{name}");
            metric.encode(encoder.encode_descriptor(&name, help, None, metric.metric_type())?)?;
        }
        let metric = gauge(self.intake.bytes() as u64);
        let (name, help) = (
            "distlogd_intake_bytes",
            "Bytes of batches in memory that are not yet durable",
        );
        metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        for (name, help, pick) in STORE_COUNTERS {
            let metric = ConstCounter::new(pick(&stats));
            let name = format!("distlogd_store_{name}");
            metric.encode(encoder.encode_descriptor(&name, help, None, metric.metric_type())?)?;
        }
        for (name, help, pick) in WORKER_COUNTERS {
            let name = format!("distlogd_processor_{name}");
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
            for (worker, progress) in &self.workers {
                let labels = [("processor", label::value(worker))];
                ConstCounter::new(pick(progress)).encode(family.encode_family(&labels)?)?;
            }
        }
        let kind = gauge(0).metric_type();
        let help = "Records in the store that the processor has not yet dealt with";
        let mut family = encoder.encode_descriptor("distlogd_processor_lag", help, None, kind)?;
        for (worker, progress) in &self.workers {
            let labels = [("processor", label::value(worker))];
            gauge(stats.end.saturating_sub(get(&progress.done)))
                .encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
