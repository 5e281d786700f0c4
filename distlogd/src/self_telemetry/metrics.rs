//! All metrics of the daemon in one table. Names start with `distlogd_`; those of counters end with `_total`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::alert_status::LastAlertStatus;
use super::last_error::LastError;

/// A value that goes up and down.
pub(crate) type Gauge = prometheus_client::metrics::gauge::Gauge<u64, AtomicU64>;

/// A label's value, escaped: the library writes it as it is, and a quote would make the rest of the page unreadable.
type Value = Cow<'static, str>;

/// Counters with the same labels.
#[derive(Debug, Clone)]
pub(crate) struct Counters<const N: usize> {
    labels: [&'static str; N],
    family: Family<[(&'static str, Value); N], Counter>,
    /// The values that have a counter: the library does not list them.
    known: Arc<Mutex<BTreeSet<[Value; N]>>>,
}

impl<const N: usize> Counters<N> {
    fn new(labels: [&'static str; N]) -> Counters<N> {
        Counters {
            labels,
            family: Family::default(),
            known: Arc::default(),
        }
    }

    /// The counter with these values of its labels.
    pub(crate) fn get(&self, values: [Value; N]) -> Counter {
        let mut labels = self.labels.iter();
        let key = values.clone();
        let labels = values.map(|value| (labels.next().copied().unwrap_or_default(), value));
        if let Some(known) = self.family.get(&labels) {
            return known.clone();
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key);
        self.family.get_or_create_owned(&labels)
    }

    /// All counters: the values of their labels, and how far each has counted.
    pub(crate) fn each(&self) -> Vec<([Value; N], u64)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.clone();
        known
            .into_iter()
            .map(|values| (values.clone(), self.get(values).get()))
            .collect()
    }

    /// Adds to the counter with these values of its labels.
    pub(crate) fn add(&self, values: [&'static str; N], n: u64) {
        self.get(values.map(Cow::Borrowed)).inc_by(n);
    }
}

/// Gauges with the same labels.
#[derive(Debug, Clone)]
pub(crate) struct Gauges<const N: usize> {
    labels: [&'static str; N],
    family: Family<[(&'static str, Value); N], Gauge>,
}

impl<const N: usize> Gauges<N> {
    fn new(labels: [&'static str; N]) -> Gauges<N> {
        Gauges {
            labels,
            family: Family::default(),
        }
    }

    /// The gauge with these values of its labels.
    pub(crate) fn get(&self, values: [impl Into<Value>; N]) -> Gauge {
        let mut labels = self.labels.iter();
        let labels = values.map(|value| (labels.next().copied().unwrap_or_default(), value.into()));
        self.family.get_or_create_owned(&labels)
    }

    /// Sets the gauge with these values of its labels.
    pub(crate) fn set(&self, values: [impl Into<Value>; N], value: u64) {
        self.get(values).set(value);
    }
}

/// A text that others chose, as the value of a label.
pub(super) fn escape(text: &str) -> Value {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    escaped.replace('\n', "\\n").into()
}

trait Register {
    fn register(&self, registry: &mut Registry, name: &str, help: &str);
}

impl Register for Counter {
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.clone());
    }
}

impl Register for Gauge {
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.clone());
    }
}

impl<const N: usize> Register for Counters<N>
where
    [(&'static str, Value); N]: Clone + Hash + Eq + Debug,
{
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }
}

impl<const N: usize> Register for Gauges<N>
where
    [(&'static str, Value); N]: Clone + Hash + Eq + Debug,
{
    fn register(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.family.clone());
    }
}

/// A row of the table.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Without `distlogd_`, and without `_total`.
    pub(super) name: &'static str,
    /// `counter` or `gauge`.
    pub(super) kind: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

macro_rules! metrics {
    (@type counter []) => { Counter };
    (@type gauge []) => { Gauge };
    (@type counter [$($label:literal),+]) => { Counters<{ [$($label),+].len() }> };
    (@type gauge [$($label:literal),+]) => { Gauges<{ [$($label),+].len() }> };
    (@new gauge [$($label:literal),+]) => { Gauges::new([$($label),+]) };
    (@new counter [$($label:literal),+]) => { Counters::new([$($label),+]) };
    (@new $kind:ident []) => { Default::default() };
    ($($kind:ident $name:ident [$($label:literal),*] $help:literal;)*) => {
        /// The metrics that are counted while the daemon runs. Those that are read when asked for are in `scrape.rs`.
        #[derive(Debug, Clone)]
        pub struct Metrics {
            $(#[doc = $help] pub(crate) $name: metrics!(@type $kind [$($label),*]),)*
        }

        impl Default for Metrics {
            fn default() -> Metrics {
                Metrics { $($name: metrics!(@new $kind [$($label),*]),)* }
            }
        }

        impl Metrics {
            /// Registers all of them.
            pub(crate) fn new(registry: &mut Registry) -> Metrics {
                let metrics = Metrics::default();
                $(metrics.$name.register(registry, concat!("distlogd_", stringify!($name)), $help);)*
                metrics
            }
        }

        #[cfg(test)]
        pub(super) const COUNTED: &[Row] = &[$(Row {
            name: stringify!($name),
            kind: stringify!($kind),
            labels: &[$($label),*],
            help: $help,
        },)*];
    };
}

metrics! {
    counter receiver_accepted_records ["receiver", "encoding"] "Records that a receiver accepted";
    counter receiver_refused_records ["receiver", "encoding"]
        "Records (OTLP: spans and log records) left out of a batch or request that was accepted otherwise";
    counter receiver_messages ["receiver", "encoding"] "Messages and requests received";
    counter receiver_bytes ["receiver", "encoding"] "Bytes of the messages and requests received";
    counter receiver_rejected_inputs ["receiver", "reason"] "Input and connections that were rejected, whole or in part";
    gauge receiver_connections ["receiver"] "Open connections by TCP";
    counter receiver_closed_connections ["receiver", "reason"]
        "Connections by TCP that were closed to make room for others, or since their time was over";
    counter intake_dropped_records ["rule"] "Records that a rule of `intake` dropped, by drop or sample";
    counter intake_redacted_records ["rule"] "Records in which a rule of `intake` redacted something, the resource aside";
    counter intake_failed_values ["rule"]
        "Values that a rule of `intake` could not set, since a field was missing or of another type";
    counter intake_oversized_records []
        "Records that `intake` had to leave out of their batch, since others in it had grown";
    gauge sessions [] "Open sessions";
    gauge session_credit_bytes [] "Bytes that clients of sessions may have in flight";
    counter session_started [] "Sessions started";
    counter session_replayed_batches [] "Batches of sessions that were stored before";
    counter session_rewinds [] "Batches of sessions that were not the next ones";
    counter session_acks [] "Acknowledgements sent";
    counter session_unsent_replies [] "Replies that could not be sent at once; clients ask again";
    counter session_refused ["reason"] "Clients of sessions that were refused";
    counter dropped_records ["level"] "Records that producers dropped, as they reported since the daemon started";
    counter dead_spools_drained [] "Spools of dead processes that were stored and removed";
    gauge source_partitions ["source"] "Partitions of a stream that the daemon reads";
    gauge source_pending_messages ["source"]
        "Messages in these partitions that the daemon has not stored yet, as it knew some seconds ago";
    gauge dead_spools_failing [] "Spools and directories of `drain` that could not be read at the last look";
    counter tracker_evicted_tasks []
        "Open tasks that are no longer tracked, since too many are open: they are not reported as lost";
    counter processor_sent_records ["processor"]
        "Records that the destination accepted (OTLP: also what becomes part of a span that ends later)";
    counter processor_rejected_records ["processor"]
        "Records that the destination will never accept (OTLP: a rejected span counts as one, its end)";
    counter processor_skipped_records ["processor"] "Records removed before the processor read them";
    counter processor_failed_values ["processor"]
        "Values that rules and the processor could not set, since a field was missing or of another type";
    counter processor_retries ["processor"] "Attempts that failed and are made again";
    gauge trees_open ["processor"] "Trees that wait for their end (`trees:` of a processor)";
    counter trees_decided ["processor", "decision"]
        "Trees that passed since they match (kept) or as a share of the others (sampled), or did not (dropped)";
    counter trees_early ["processor", "reason"]
        "Of these, trees decided before their end was seen: waited for too long (wait), or too many open (limit)";
    counter trees_late_records ["processor", "decision"]
        "Records that came when their tree was decided, and passed (kept) or not (dropped) as it did";
    counter processor_otlp_spans ["processor"] "Spans that the endpoint accepted";
    counter processor_otlp_log_records ["processor"] "Log records that the endpoint accepted";
    counter processor_otlp_requests ["processor"] "Requests that the endpoint accepted";
    counter processor_otlp_bytes ["processor"] "Bytes of the requests that the endpoint accepted, before compression";
    counter processor_otlp_rejected_items ["processor"]
        "Spans and log records rejected in requests that the endpoint accepted otherwise";
    counter processor_otlp_unplaced_events ["processor"] "Events that left without a span, since theirs had ended";
    counter processor_otlp_repeated_ends ["processor"] "Ends of tasks whose span was sent before";
    counter processor_otlp_store_lookups ["processor"] "Tasks whose begin was read from the store when they ended";
    gauge alerts_firing ["processor"] "Alerts that fire now";
    gauge alert_undelivered_notifications ["processor"] "Notifications of alerts that wait until they are delivered";
    counter alert_notifications ["processor", "outcome"]
        "Notifications of alerts: `delivered`, `rejected` by who gets them for good, or `dropped` since too many waited";
    counter alert_failed_attempts ["processor"] "Attempts to deliver a notification that failed and are made again";
    counter alert_late_records ["processor"] "Records that were older than the window when they came: they do not count";
    counter alert_ungrouped_records ["processor"] "Records that do not count, since `by` has too many values";
}

/// The progress of one worker, for the metrics.
#[derive(Debug, Default)]
pub struct Progress {
    /// The number of the record after the last one that is durable at the destination, or skipped.
    pub done: AtomicU64,
    /// The same, where trees that wait count as dealt with.
    pub passed: AtomicU64,
    /// Records that the processor accepted.
    pub sent: Counter,
    /// Records that the destination will never accept.
    pub rejected: Counter,
    /// Records that retention or damage removed before the processor read them.
    pub skipped: Counter,
    /// Values that could not be set.
    pub failed_values: Counter,
    /// Attempts that failed and are made again.
    pub retries: Counter,
    /// Whether the last attempt failed.
    pub failing: AtomicBool,
    /// The last error or rejection.
    pub last_error: LastError,
    /// Of a processor that waits for trees.
    pub trees: Option<Arc<TreeCounters>>,
    /// Of a processor `alert`: what fires.
    pub alert: LastAlertStatus,
}

/// What one processor `alert` counts.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)] // The help of each is in the table.
pub(crate) struct AlertMetrics {
    pub(crate) firing: Gauge,
    pub(crate) undelivered: Gauge,
    pub(crate) delivered: Counter,
    pub(crate) rejected: Counter,
    pub(crate) dropped: Counter,
    pub(crate) failed_attempts: Counter,
    pub(crate) late: Counter,
    pub(crate) ungrouped: Counter,
}

/// What one rule of the intake did.
#[derive(Debug, Clone)]
pub(crate) struct IntakeCounters {
    /// Records that it dropped.
    pub(crate) dropped: Counter,
    /// Records in which it redacted something.
    pub(crate) redacted: Counter,
    /// Values that it could not set.
    pub(crate) failed_values: Counter,
}

/// What one processor that waits for trees has decided.
#[derive(Debug, Default)]
#[allow(missing_docs)] // The help of each is in the table.
pub struct TreeCounters {
    pub open: Gauge,
    pub kept: Counter,
    pub sampled: Counter,
    pub dropped: Counter,
    pub early_wait: Counter,
    pub early_limit: Counter,
    pub late_kept: Counter,
    pub late_dropped: Counter,
}

impl TreeCounters {
    /// The counter of trees that match the condition or not, and pass or not.
    pub(crate) fn decided(&self, matches: bool, passes: bool) -> &Counter {
        match (matches, passes) {
            (true, _) => &self.kept,
            (false, true) => &self.sampled,
            (false, false) => &self.dropped,
        }
    }
}

/// What one processor `otlp` has sent. What is sent again after a failure counts again.
#[cfg(feature = "otlp-export")]
#[derive(Debug, Default)]
#[allow(missing_docs)] // The help of each is in the table.
pub struct OtlpCounters {
    pub spans: Counter,
    pub log_records: Counter,
    pub requests: Counter,
    pub bytes: Counter,
    pub rejected_items: Counter,
    pub unplaced_events: Counter,
    pub repeated_ends: Counter,
    pub store_lookups: Counter,
}

impl Metrics {
    /// The counters of the worker of that processor.
    pub(crate) fn progress(&self, processor: &str) -> Progress {
        let of = |counters: &Counters<1>| counters.get([escape(processor)]);
        Progress {
            done: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            sent: of(&self.processor_sent_records),
            rejected: of(&self.processor_rejected_records),
            skipped: of(&self.processor_skipped_records),
            failed_values: of(&self.processor_failed_values),
            retries: of(&self.processor_retries),
            failing: AtomicBool::new(false),
            last_error: LastError::default(),
            trees: None,
            alert: LastAlertStatus::default(),
        }
    }

    /// What a processor `alert` counts.
    pub(crate) fn alert(&self, processor: &str) -> AlertMetrics {
        let of = |counters: &Counters<1>| counters.get([escape(processor)]);
        let notifications = |outcome: &'static str| {
            let labels = [escape(processor), Cow::Borrowed(outcome)];
            self.alert_notifications.get(labels)
        };
        AlertMetrics {
            firing: self.alerts_firing.get([escape(processor)]),
            undelivered: (self.alert_undelivered_notifications).get([escape(processor)]),
            delivered: notifications("delivered"),
            rejected: notifications("rejected"),
            dropped: notifications("dropped"),
            failed_attempts: of(&self.alert_failed_attempts),
            late: of(&self.alert_late_records),
            ungrouped: of(&self.alert_ungrouped_records),
        }
    }

    /// The counters of the rule of the intake of that name.
    pub(crate) fn intake_rule(&self, name: &str) -> IntakeCounters {
        let of = |counters: &Counters<1>| counters.get([escape(name)]);
        IntakeCounters {
            dropped: of(&self.intake_dropped_records),
            redacted: of(&self.intake_redacted_records),
            failed_values: of(&self.intake_failed_values),
        }
    }

    /// The counters of a processor that waits for trees.
    pub(crate) fn trees(&self, processor: &str) -> TreeCounters {
        let of = |counters: &Counters<2>, what: &'static str| {
            counters.get([escape(processor), Cow::Borrowed(what)])
        };
        TreeCounters {
            open: self.trees_open.get([escape(processor)]),
            kept: of(&self.trees_decided, "kept"),
            sampled: of(&self.trees_decided, "sampled"),
            dropped: of(&self.trees_decided, "dropped"),
            early_wait: of(&self.trees_early, "wait"),
            early_limit: of(&self.trees_early, "limit"),
            late_kept: of(&self.trees_late_records, "kept"),
            late_dropped: of(&self.trees_late_records, "dropped"),
        }
    }

    /// How far a source is: the partitions that it reads, and the messages there that are not stored yet, if it knows.
    #[cfg(feature = "nats")]
    pub(crate) fn source(&self, source: &str, partitions: usize, pending: Option<u64>) {
        let partitions = u64::try_from(partitions).unwrap_or(u64::MAX);
        self.source_partitions.set([escape(source)], partitions);
        if let Some(pending) = pending {
            self.source_pending_messages.set([escape(source)], pending);
        }
    }

    /// The counters of a processor `otlp`.
    #[cfg(feature = "otlp-export")]
    pub(crate) fn otlp(&self, processor: &str) -> OtlpCounters {
        let of = |counters: &Counters<1>| counters.get([escape(processor)]);
        OtlpCounters {
            spans: of(&self.processor_otlp_spans),
            log_records: of(&self.processor_otlp_log_records),
            requests: of(&self.processor_otlp_requests),
            bytes: of(&self.processor_otlp_bytes),
            rejected_items: of(&self.processor_otlp_rejected_items),
            unplaced_events: of(&self.processor_otlp_unplaced_events),
            repeated_ends: of(&self.processor_otlp_repeated_ends),
            store_lookups: of(&self.processor_otlp_store_lookups),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scrape::READ;
    use super::*;

    #[test]
    fn the_docs_list_every_metric() {
        let docs = include_str!("../../../docs/metrics.md");
        let listed: Vec<&str> = docs
            .lines()
            .filter(|line| line.starts_with("| `distlogd_"))
            .collect();
        let rows = COUNTED.iter().chain(READ).map(|row| {
            let total = if row.kind == "counter" { "_total" } else { "" };
            let labels = row.labels.iter().map(|label| format!("`{label}`"));
            let labels = labels.collect::<Vec<_>>().join(", ");
            let (name, kind, help) = (row.name, row.kind, row.help);
            format!("| `distlogd_{name}{total}` | {kind} | {labels} | {help} |")
        });
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        assert_eq!(
            listed,
            rows,
            "docs/metrics.md is to have:\n{}",
            rows.join("\n")
        );
    }

    #[test]
    fn what_ends_a_label_is_escaped() {
        assert_eq!(escape("shop"), "shop");
        assert_eq!(escape("a \"b\"\\c\nd"), "a \\\"b\\\"\\\\c\\nd");
    }
}
