//! What the daemon counts, in the format of Prometheus.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::intake::Intake;
use crate::label;
use crate::worker::Progress;
use distlog_store::{Reader, Stats};

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
/// Name, what it is, and how much.
type Figure = (&'static str, &'static str, u64);
/// Of which processor, and how much.
type Labelled<'a> = (&'a str, u64);

/// What the store has, and what it has done. Each figure is named, so that none is forgotten.
fn store_figures(stats: &Stats) -> ([Figure; 5], [Figure; 14]) {
    let Stats {
        segments,
        bytes,
        first,
        end,
        lost,
        producers,
        unsealed,
        records,
        batches,
        batch_bytes,
        syncs,
        replays,
        gaps,
        no_space,
        write_errors,
        seal_errors,
        damaged,
        damaged_records,
        truncated_bytes,
        expired_segments,
        expired_records,
    } = *stats;
    let kept = end.saturating_sub(first).saturating_sub(lost);
    let gauges = [
        ("segments", "Segments of the store", segments),
        ("bytes", "Bytes of the store", bytes),
        ("records", "Records that the store keeps", kept),
        ("producers", "Producers whose position is known", producers),
        (
            "unsealed_segments",
            "Segments that wait to be sealed",
            unsealed,
        ),
    ];
    let counters = [
        ("stored_records", "Records made durable", records),
        ("stored_batches", "Batches made durable", batches),
        ("stored_bytes", "Bytes of batches made durable", batch_bytes),
        ("syncs", "Syncs of the open segment", syncs),
        ("replays", "Batches that the store already had", replays),
        (
            "gaps",
            "Batches that did not begin where their producer stood",
            gaps,
        ),
        (
            "no_space",
            "Batches refused because the file system is full",
            no_space,
        ),
        ("write_errors", "Failed writes and syncs", write_errors),
        (
            "seal_errors",
            "Segments that could not be sealed, each time it was tried",
            seal_errors,
        ),
        (
            "damaged",
            "Places where the store was found damaged",
            damaged,
        ),
        ("damaged_records", "Records lost by damage", damaged_records),
        (
            "truncated_bytes",
            "Bytes that were written in part when the daemon ended, and cut off",
            truncated_bytes,
        ),
        (
            "expired_segments",
            "Segments removed by retention",
            expired_segments,
        ),
        (
            "expired_records",
            "Records removed by retention",
            expired_records,
        ),
    ];
    (gauges, counters)
}

const WORKER_COUNTERS: &[(&str, &str, Pick<Progress>)] = &[
    (
        "taken",
        "Records that the destination took (by OTLP also what becomes part of a span that ends later)",
        |p| get(&p.taken),
    ),
    (
        "rejected",
        "Records that the destination will never take (a span that is rejected by OTLP is one, its end)",
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
        let (gauges, counters) = store_figures(&stats);
        for (name, help, value) in gauges {
            let metric = gauge(value);
            let name = format!("distlogd_store_{name}");
            metric.encode(encoder.encode_descriptor(&name, help, None, metric.metric_type())?)?;
        }
        let metric = gauge(self.intake.bytes() as u64);
        let (name, help) = (
            "distlogd_intake_bytes",
            "Bytes of batches in memory that are not yet durable",
        );
        metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        for (name, help, value) in counters {
            let metric = ConstCounter::new(value);
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
        self.encode_meters(&mut encoder)?;
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

impl Gather {
    /// What processors count beside: each name once, with all that have it.
    fn encode_meters(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut families: BTreeMap<&str, (&str, Vec<Labelled<'_>>)> = BTreeMap::new();
        for (worker, progress) in &self.workers {
            for meter in progress.meters.list() {
                let family = families
                    .entry(meter.name)
                    .or_insert((meter.help, Vec::new()));
                family.1.push((worker, meter.count()));
            }
        }
        for (name, (help, counts)) in families {
            let name = format!("distlogd_processor_{name}");
            let kind = ConstCounter::new(0u64).metric_type();
            let mut family = encoder.encode_descriptor(&name, help, None, kind)?;
            for (worker, count) in counts {
                let labels = [("processor", label::value(worker))];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
