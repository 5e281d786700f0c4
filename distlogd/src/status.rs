//! How the daemon does: what the metrics, the tracker and the store know, put together for people and programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use distlog_store::{Reader, Retention};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deletions::{Deletion, Deletions};
use crate::intake::{CurrentRules, Intake, now};
use crate::liveness::{Liveness, Presence, ProducerEnd};
use crate::receiver::Endpoint;
use crate::self_telemetry::{
    AlertStatus, IntakeCounters, Metrics, ProducerDrops, Progress, RejectedInput, Report,
    TimedError, WorkerList, reports,
};
use crate::storage::StorageError;
use crate::tracker::{Producer, Producers};

/// How the daemon does. All counts are since it started.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub process_id: u32,
    /// Now, in ns since the epoch.
    pub time_ns: u64,
    /// How long it has run.
    pub uptime_ns: u64,
    /// Where it answers.
    pub http: Option<String>,
    /// Ways in.
    pub receivers: Vec<ReceiverStatus>,
    /// What rules did before records were stored, in order.
    #[serde(default)]
    pub intake: Vec<IntakeRuleStatus>,
    /// Destinations.
    pub processors: Vec<ProcessorStatus>,
    /// Who wrote records; the newest first.
    pub producers: Vec<ProducerStatus>,
    /// Producers that are known and not listed.
    pub more_producers: usize,
    /// What is kept.
    pub store: StoreStatus,
    /// The database that is viewed; `null`: this is a daemon.
    #[serde(default)]
    pub view: Option<ViewStatus>,
    /// What is being deleted.
    #[serde(default)]
    pub deletions: Vec<Deletion>,
    /// What it warned of in the last 15 minutes, the newest first.
    #[serde(default)]
    pub reports: Vec<Report>,
}

/// A way in.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReceiverStatus {
    /// Its name in the configuration.
    pub receiver: String,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Records that it accepted.
    pub accepted_records: u64,
    /// Records left out of what was accepted otherwise.
    pub refused_records: u64,
    /// Input that was rejected, whole or in part.
    pub rejected_inputs: u64,
    /// The last fault of its input.
    pub last_error: Option<TimedError>,
}

/// A rule of the intake.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct IntakeRuleStatus {
    /// Its name, or its number.
    pub rule: String,
    /// Records that it dropped.
    pub dropped_records: u64,
    /// Records in which it redacted something, the resource aside.
    pub redacted_records: u64,
    /// Values that it could not set.
    pub failed_values: u64,
}

/// A destination.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProcessorStatus {
    /// Its name.
    pub processor: String,
    /// Records in the store that it has not dealt with yet.
    pub lag_records: u64,
    /// How long ago the oldest of them was received.
    pub lag_ns: u64,
    /// Records that the destination accepted.
    pub sent_records: u64,
    /// Records that it will never accept.
    pub rejected_records: u64,
    /// Records removed before they were read.
    pub skipped_records: u64,
    /// Values that rules could not set.
    #[serde(default)]
    pub failed_values: u64,
    /// Attempts that failed and are made again.
    pub retries: u64,
    /// Whether the last attempt failed.
    pub failing: bool,
    /// The last error or rejection.
    pub last_error: Option<TimedError>,
    /// Of a processor `alert`: what fires; `null` of others.
    #[serde(default)]
    pub alert: Option<AlertStatus>,
    /// What it decided about trees; `null`: it gets records one by one.
    #[serde(default)]
    pub trees: Option<TreesStatus>,
}

/// What a processor that waits for trees has decided.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TreesStatus {
    /// Trees that wait for their end.
    pub open: u64,
    /// Trees that passed since they match.
    pub kept: u64,
    /// Trees that passed as a share of the others.
    pub sampled: u64,
    /// Trees that did not pass.
    pub dropped: u64,
    /// Trees that were decided before their end was seen: they had waited for too long, or too many were open.
    pub early: u64,
}

/// Who wrote records.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ProducerStatus {
    /// Its id.
    pub producer: String,
    /// Its service, else the name of its program.
    pub service: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub process_id: u64,
    /// `open`, `exited`, `died`, or `moved` to another daemon.
    pub state: String,
    /// When something of it came last, in ns since the epoch.
    pub last_seen_ns: u64,
    /// Its records that were stored.
    pub records: u64,
    /// Records that it dropped since it began, by level.
    pub dropped: BTreeMap<String, u64>,
}

/// A database that is viewed, which daemons fill. What a daemon has beside (receivers, processors, producers, a store)
/// is empty then.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ViewStatus {
    /// Which it is, as `PostgreSQL at db.example:5432/logs, schema distlog`.
    pub database: String,
    /// Time of its oldest record, in ns since the epoch; `null`: it is empty.
    pub oldest_ns: Option<u64>,
    /// Time of its newest record, in ns since the epoch.
    pub newest_ns: Option<u64>,
}

/// How it does, with at most so many producers.
pub type StatusFn = Arc<dyn Fn(usize) -> Result<Status, StorageError> + Send + Sync>;

/// What is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct StoreStatus {
    /// Its directory.
    pub path: String,
    /// Number of the oldest record.
    pub first: u64,
    /// The number that the next record gets.
    pub end: u64,
    /// Records in it, without those that were deleted and are out of its files.
    pub records: u64,
    /// When the oldest was received, in ns since the epoch.
    pub oldest_ns: Option<u64>,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Bytes that it may have; `null`: no limit.
    pub keep_bytes: Option<u64>,
    /// How old records may become; `null`: no limit.
    pub keep_age_ns: Option<u64>,
    /// Bytes that are free in its file system.
    pub free_bytes: Option<u64>,
    /// Bytes in memory that are not yet durable.
    pub pending_bytes: u64,
    /// Its files, the open one included.
    pub segments: u64,
    /// Segments that wait to be sealed.
    pub unsealed_segments: u64,
    /// Places where it is damaged.
    pub damaged_places: u64,
    /// Records lost by damage.
    pub damaged_records: u64,
    /// Batches refused because the file system is full.
    pub no_space: u64,
    /// Failed writes and syncs.
    pub write_errors: u64,
    /// Failed attempts to seal a segment.
    pub seal_errors: u64,
}

/// Where the figures are.
pub struct Sources {
    pub(crate) reader: Reader,
    pub(crate) intake: Intake,
    pub(crate) rules: CurrentRules,
    pub(crate) metrics: Metrics,
    pub(crate) rejected: Arc<RejectedInput>,
    pub(crate) drops: ProducerDrops,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) producers: Arc<Producers>,
    pub(crate) deletions: Arc<Deletions>,
    pub(crate) workers: WorkerList,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) http: Option<String>,
    pub(crate) host: String,
    pub(crate) path: PathBuf,
    pub(crate) retention: Retention,
    pub(crate) started: Instant,
}

impl Sources {
    /// How the daemon does now, with at most so many producers.
    pub fn read(&self, producers: usize) -> Status {
        let time = now();
        let (newest, known) = self.producers.newest(producers);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.host.clone(),
            process_id: std::process::id(),
            time_ns: time,
            uptime_ns: nanos(self.started.elapsed()),
            http: self.http.clone(),
            receivers: self.receivers(),
            intake: self.intake_rules(),
            processors: self.processors(time),
            more_producers: known - newest.len(),
            producers: newest.iter().map(|one| self.producer(one, time)).collect(),
            store: self.store(),
            view: None,
            deletions: self.deletions.pending(),
            reports: reports(),
        }
    }

    /// Those that listen, in their order, and those that counted something.
    fn receivers(&self) -> Vec<ReceiverStatus> {
        let mut found: Vec<ReceiverStatus> = Vec::new();
        let mut of = |name: &str, note: &mut dyn FnMut(&mut ReceiverStatus)| {
            let at = found.iter().position(|one| one.receiver == name);
            let at = at.unwrap_or_else(|| {
                found.push(ReceiverStatus {
                    receiver: name.to_owned(),
                    last_error: self.rejected.last(name),
                    ..ReceiverStatus::default()
                });
                found.len() - 1
            });
            note(&mut found[at]);
        };
        for endpoint in &self.endpoints {
            let address = &endpoint.address;
            of(endpoint.receiver, &mut |one| {
                one.addresses.push(address.clone())
            });
        }
        for ([name, _], n) in self.metrics.receiver_accepted_records.each() {
            of(&name, &mut |one| one.accepted_records += n);
        }
        for ([name, _], n) in self.metrics.receiver_refused_records.each() {
            of(&name, &mut |one| one.refused_records += n);
        }
        for ([name, _], n) in self.metrics.receiver_rejected_inputs.each() {
            of(&name, &mut |one| one.rejected_inputs += n);
        }
        // It takes no records, and is told of where somebody was refused.
        let http = found.iter_mut().find(|one| one.receiver == "http");
        if let Some(one) = http {
            one.addresses.extend(self.http.clone());
        }
        found
    }

    fn intake_rules(&self) -> Vec<IntakeRuleStatus> {
        let rules = self.rules.get();
        let rules = rules.iter().flat_map(|rules| rules.counted());
        let status = |(name, counters): (&str, &IntakeCounters)| IntakeRuleStatus {
            rule: name.to_owned(),
            dropped_records: counters.dropped.get(),
            redacted_records: counters.redacted.get(),
            failed_values: counters.failed_values.get(),
        };
        rules.map(status).collect()
    }

    fn processors(&self, time: u64) -> Vec<ProcessorStatus> {
        let end = self.reader.end();
        let status = |(name, progress): &(String, Arc<Progress>)| {
            let done = progress.done.load(Ordering::Relaxed);
            let lag_records = end.saturating_sub(done);
            let oldest = (lag_records > 0).then(|| self.received(done)).flatten();
            ProcessorStatus {
                processor: name.clone(),
                lag_records,
                lag_ns: oldest.map_or(0, |received| time.saturating_sub(received)),
                sent_records: progress.sent.get(),
                rejected_records: progress.rejected.get(),
                skipped_records: progress.skipped.get(),
                failed_values: progress.failed_values.get(),
                retries: progress.retries.get(),
                failing: progress.failing.load(Ordering::Relaxed),
                last_error: progress.last_error.get(),
                alert: progress.alert.get(),
                trees: progress.trees.as_ref().map(|trees| TreesStatus {
                    open: trees.open.get(),
                    kept: trees.kept.get(),
                    sampled: trees.sampled.get(),
                    dropped: trees.dropped.get(),
                    early: trees.early_wait.get() + trees.early_limit.get(),
                }),
            }
        };
        self.workers.get().iter().map(status).collect()
    }

    fn producer(&self, one: &Producer, time: u64) -> ProducerStatus {
        let (state, silence) = match self.liveness.known(one.id) {
            None => ("open", None),
            Some(Presence::Silent(silence)) => ("open", Some(silence)),
            Some(Presence::Moved) => ("moved", None),
            Some(Presence::Ended(ProducerEnd::Exited, at)) => ("exited", Some(at.elapsed())),
            Some(Presence::Ended(ProducerEnd::Died, _)) => ("died", None),
        };
        let seen = silence.map_or(0, |silence| time.saturating_sub(nanos(silence)));
        ProducerStatus {
            producer: one.id.to_string(),
            service: one.info.service.clone(),
            host: one.info.host.clone(),
            process_id: one.info.process_id,
            state: state.to_owned(),
            last_seen_ns: seen.max(one.received),
            records: one.records,
            dropped: self.drops.of(one.id),
        }
    }

    fn store(&self) -> StoreStatus {
        let stats = self.reader.stats();
        let (keep_bytes, keep_age) = self.retention.kept();
        // A file system that does not say so has no number.
        let free = rustix::fs::statvfs(&self.path);
        StoreStatus {
            path: self.path.display().to_string(),
            first: stats.first,
            end: stats.end,
            records: stats.kept(),
            oldest_ns: self.received(stats.first),
            bytes: stats.bytes,
            keep_bytes,
            keep_age_ns: keep_age.map(nanos),
            free_bytes: free
                .ok()
                .map(|free| free.f_bavail.saturating_mul(free.f_frsize)),
            pending_bytes: self.intake.bytes() as u64,
            segments: stats.segments,
            unsealed_segments: stats.unsealed,
            damaged_places: stats.damaged,
            damaged_records: stats.damaged_records,
            no_space: stats.no_space,
            write_errors: stats.write_errors,
            seal_errors: stats.seal_errors,
        }
    }

    /// When the first record from a number on was received.
    fn received(&self, number: u64) -> Option<u64> {
        let mut from = self.reader.consumer_from(number);
        let chunk = from.read(1).ok()?;
        let found = chunk
            .encoded_batches()
            .find(|(head, _)| head.end() > number)?;
        Some(found.0.received)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
