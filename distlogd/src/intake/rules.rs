//! The rules of the intake at work: applied to each batch before it is queued, on the thread of its receiver.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use distlog_rules::{Counted, Edited, IntakeRule, IntakeRules};
use distlog_store::MAX_BATCH;
use prometheus_client::metrics::counter::Counter;

use super::Batch;
use crate::self_telemetry::{IntakeCounters, Metrics, RateLimited};

/// How often records that do not fit are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The rules, and what they did.
pub struct Rules {
    rules: IntakeRules,
    /// In their order.
    counters: Vec<IntakeCounters>,
    oversized: Counter,
    report: Mutex<RateLimited>,
}

/// The rules that hold now; `None`: batches stay as they are. Clones share them; a reload changes them.
#[derive(Debug, Clone, Default)]
pub struct CurrentRules(Arc<RwLock<Option<Arc<Rules>>>>);

impl CurrentRules {
    pub(crate) fn new(rules: &[IntakeRule], metrics: &Metrics) -> CurrentRules {
        let current = CurrentRules::default();
        current.set(rules, metrics);
        current
    }

    /// From the next batch on these hold.
    pub(crate) fn set(&self, rules: &[IntakeRule], metrics: &Metrics) {
        let rules = Rules::new(rules, metrics).map(Arc::new);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    pub(crate) fn get(&self) -> Option<Arc<Rules>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Rules {
    /// `None` if there are none.
    fn new(rules: &[IntakeRule], metrics: &Metrics) -> Option<Rules> {
        let counters = rules.iter().map(|rule| metrics.intake_rule(&rule.name));
        (!rules.is_empty()).then(|| Rules {
            counters: counters.collect(),
            rules: IntakeRules::new(rules.to_vec()),
            oversized: metrics.intake_oversized_records.clone(),
            report: Mutex::new(RateLimited::new(1, REPORT_INTERVAL)),
        })
    }

    /// Name and counters of each, in order.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (&str, &IntakeCounters)> {
        let names = self.rules.rules().iter().map(|rule| rule.name.as_str());
        names.zip(&self.counters)
    }

    /// Applies them. The batch keeps its offsets, also if no record is left.
    pub(super) fn apply(&self, batch: &mut Batch) {
        if batch.count == 0 {
            return;
        }
        let mut note = |rule: usize, what: Counted, n: u64| {
            if let Some(counters) = self.counters.get(rule) {
                match what {
                    Counted::Matched => 0,
                    Counted::Dropped => counters.dropped.inc_by(n),
                    Counted::Redacted => counters.redacted.inc_by(n),
                    Counted::Failed => counters.failed_values.inc_by(n),
                };
            }
        };
        let Some(edited) = self.rules.apply(&batch.bytes, MAX_BATCH, &mut note) else {
            return;
        };
        let Edited {
            bytes,
            count,
            left_out,
        } = edited;
        (batch.bytes, batch.count) = (bytes, count);
        batch.traces = None;
        if left_out > 0 {
            self.oversized.inc_by(left_out);
            let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(before) = report.report(left_out) {
                let records = left_out + before;
                tracing::error!(
                    "{records} records were not stored: after what the rules of `intake` changed, their batch would \
                     have more than {MAX_BATCH} bytes"
                );
            }
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rules").field(&self.rules.rules()).finish()
    }
}
