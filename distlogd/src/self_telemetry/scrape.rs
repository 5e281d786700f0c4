//! The figures that are read from the store, the intake and the workers when somebody asks for the metrics.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use distlog_store::{Reader, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::metrics::{Progress, escape};
use super::producer_drops::ProducerDrops;
use crate::intake::Intake;
use crate::query::Engine;

/// Reads the figures when it is asked.
pub(crate) struct Scrape {
    pub(crate) reader: Reader,
    pub(crate) intake: Intake,
    pub(crate) drops: ProducerDrops,
    pub(crate) engine: Engine,
    pub(crate) workers: WorkerList,
}

/// Name and progress of each worker. Clones share the list; a reload changes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct WorkerList(Arc<RwLock<Listed>>);

/// As it was at one moment.
type Listed = Arc<[(String, Arc<Progress>)]>;

impl WorkerList {
    pub(crate) fn set(&self, workers: Vec<(String, Arc<Progress>)>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = workers.into();
    }

    pub(crate) fn get(&self) -> Listed {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

macro_rules! figures {
    ($($kind:ident $name:ident $help:literal $pick:expr;)*) => {
        /// Kind, name, help, and how to get it of the store's statistics and the size of the intake.
        type Figure = (&'static str, &'static str, &'static str, fn(&Stats, u64) -> u64);
        const FIGURES: &[Figure] = &[$((stringify!($kind), stringify!($name), $help, $pick),)*];

        /// Rows for the table in the docs.
        #[cfg(test)]
        pub(super) const READ: &[super::metrics::Row] = &[
            $(super::metrics::Row {
                name: stringify!($name),
                kind: stringify!($kind),
                labels: &[],
                help: $help,
            },)*
            super::metrics::Row { name: LAG.0, kind: "gauge", labels: &["processor"], help: LAG.1 },
            super::metrics::Row { name: QUERIES.0, kind: "gauge", labels: &["state"], help: QUERIES.1 },
            super::metrics::Row {
                name: super::producer_drops::DROPPED.0,
                kind: "counter",
                labels: &["service", "host", "process", "producer", "level"],
                help: super::producer_drops::DROPPED.1,
            },
        ];
    };
}

const LAG: (&str, &str) = (
    "processor_lag_records",
    "Records in the store that the processor has not dealt with yet",
);

const QUERIES: (&str, &str) = (
    "queries",
    "Queries over the store that run, or wait until others end",
);

figures! {
    gauge intake_bytes "Bytes of batches in memory that are not yet durable" |_, bytes| bytes;
    gauge store_segments "Segments of the store" |s, _| s.segments;
    gauge store_bytes "Bytes of the store" |s, _| s.bytes;
    gauge store_records "Records in the store" |s, _| s.kept();
    gauge store_producers "Producers whose position is known" |s, _| s.producers;
    gauge store_unsealed_segments "Segments that wait to be sealed" |s, _| s.unsealed;
    gauge store_row_segments "Sealed segments in rows, to be written anew in columns" |s, _| s.in_rows;
    counter store_stored_records "Records made durable" |s, _| s.records;
    counter store_stored_batches "Batches made durable" |s, _| s.batches;
    counter store_stored_bytes "Bytes of batches made durable" |s, _| s.batch_bytes;
    counter store_syncs "Syncs of the open segment" |s, _| s.syncs;
    counter store_replayed_batches "Batches that the store already had" |s, _| s.replays;
    counter store_gaps "Batches that did not begin at their producer's position" |s, _| s.gaps;
    counter store_no_space "Batches refused because the file system is full" |s, _| s.no_space;
    counter store_write_errors "Failed writes and syncs" |s, _| s.write_errors;
    counter store_seal_errors "Failed attempts to seal a segment" |s, _| s.seal_errors;
    counter store_damaged "Places where the store is damaged" |s, _| s.damaged;
    counter store_damaged_records "Records lost by damage" |s, _| s.damaged_records;
    counter store_truncated_bytes "Bytes of incomplete writes that were cut off at a start" |s, _| s.truncated_bytes;
    counter store_rewritten_segments "Sealed segments written anew: in columns, or without deleted records" |s, _| s.rewritten;
    counter store_expired_segments "Segments removed by retention" |s, _| s.expired_segments;
    counter store_expired_records "Records removed by retention" |s, _| s.expired_records;
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (stats, intake) = (self.reader.stats(), self.intake.bytes() as u64);
        for (kind, name, help, pick) in FIGURES {
            let (name, value) = (format!("distlogd_{name}"), pick(&stats, intake));
            let (gauge, counter) = (gauge(value), ConstCounter::new(value));
            if *kind == "gauge" {
                gauge.encode(encoder.encode_descriptor(
                    &name,
                    help,
                    None,
                    gauge.metric_type(),
                )?)?;
            } else {
                counter.encode(encoder.encode_descriptor(
                    &name,
                    help,
                    None,
                    counter.metric_type(),
                )?)?;
            }
        }
        let name = format!("distlogd_{}", LAG.0);
        let mut lags = encoder.encode_descriptor(&name, LAG.1, None, gauge(0).metric_type())?;
        for (worker, progress) in self.workers.get().iter() {
            let lag = stats
                .end
                .saturating_sub(progress.done.load(Ordering::Relaxed));
            gauge(lag).encode(lags.encode_family(&[("processor", escape(worker))])?)?;
        }
        let name = format!("distlogd_{}", QUERIES.0);
        let mut queries =
            encoder.encode_descriptor(&name, QUERIES.1, None, gauge(0).metric_type())?;
        let (running, waiting) = self.engine.load();
        for (state, number) in [("running", running), ("waiting", waiting)] {
            gauge(number as u64).encode(queries.encode_family(&[("state", state)])?)?;
        }
        self.drops.encode(&mut encoder)
    }
}
