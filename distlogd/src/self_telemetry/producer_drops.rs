//! Records that producers dropped before they reached the daemon. Each producer reports its own count since it began.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use distlog_proto::session::Dropped;
use distlog_proto::{ProducerId, wire::SourceRef};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use super::metrics::{Metrics, escape};

/// Producers that have a counter of their own: those that dropped records last.
const MAX_SHOWN: usize = 1000;
/// Producers of which it is known how much was counted already.
const MAX_PRODUCERS: usize = 1 << 16;
/// Texts are cut to this length, in bytes: strangers may send longer ones.
const MAX_TEXT: usize = 256;

/// Name and help of the metric by producer.
pub(super) const DROPPED: (&str, &str) = (
    "producer_dropped_records",
    "Records that a producer dropped since it began (the newest 1000 producers that did)",
);

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Who a producer is, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerInfo {
    /// Its service, else the name of its program.
    pub service: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub process_id: u64,
}

impl ProducerInfo {
    /// As its records have it.
    pub fn new(source: &SourceRef<'_>) -> ProducerInfo {
        let service = match source.service {
            "" => source.process_name,
            service => service,
        };
        ProducerInfo {
            service: cut(service).to_owned(),
            host: cut(source.host).to_owned(),
            process_id: source.process_id,
        }
    }
}

fn cut(text: &str) -> &str {
    (0..=MAX_TEXT)
        .rev()
        .find_map(|end| text.get(..end))
        .filter(|_| text.len() > MAX_TEXT)
        .unwrap_or(text)
}

/// Records dropped, by producer. Clones share it.
#[derive(Debug, Clone)]
pub struct ProducerDrops {
    metrics: Metrics,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    producers: HashMap<ProducerId, Drops>,
    /// Those of `producers`, oldest first.
    order: VecDeque<ProducerId>,
}

#[derive(Debug)]
struct Drops {
    info: ProducerInfo,
    dropped: Dropped,
}

impl ProducerDrops {
    /// Counts the totals in `metrics`.
    pub(crate) fn new(metrics: Metrics) -> ProducerDrops {
        LEVELS
            .iter()
            .for_each(|level| metrics.dropped_records.add([level], 0));
        let state = Arc::default();
        ProducerDrops { metrics, state }
    }

    /// A producer reports how many records it dropped since it began, by level.
    pub(crate) fn note(&self, producer: ProducerId, info: &ProducerInfo, dropped: &Dropped) {
        if dropped.iter().all(|count| *count == 0) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { producers, order } = &mut *state;
        let drops = producers.entry(producer).or_insert_with(|| {
            order.push_back(producer);
            Drops {
                info: info.clone(),
                dropped: Dropped::default(),
            }
        });
        for ((level, counted), reported) in LEVELS.into_iter().zip(&mut drops.dropped).zip(dropped)
        {
            // A report that was overtaken has a lower count.
            let more = reported.saturating_sub(*counted);
            let total = self.metrics.dropped_records.get([level.into()]);
            // The counter does not wrap, whatever producers report.
            total.inc_by(more.min(u64::MAX - total.get()));
            *counted += more;
        }
        if order.len() > MAX_PRODUCERS
            && let Some(oldest) = order.pop_front()
        {
            producers.remove(&oldest);
        }
    }

    /// Records that a producer dropped, by level, where there are any.
    pub(crate) fn of(&self, producer: ProducerId) -> BTreeMap<String, u64> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let drops = state.producers.get(&producer).map(|drops| drops.dropped);
        let levels = LEVELS.iter().zip(drops.unwrap_or_default());
        levels
            .filter(|(_, count)| *count > 0)
            .map(|(level, count)| ((*level).to_owned(), count))
            .collect()
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.order.is_empty() {
            return Ok(());
        }
        let kind = ConstCounter::new(0u64).metric_type();
        let name = format!("distlogd_{}", DROPPED.0);
        let mut each = encoder.encode_descriptor(&name, DROPPED.1, None, kind)?;
        for producer in state.order.iter().rev().take(MAX_SHOWN) {
            let Some(Drops { info, dropped }) = state.producers.get(producer) else {
                continue;
            };
            let (id, process) = (producer.to_string(), info.process_id.to_string());
            let (service, host) = (escape(&info.service), escape(&info.host));
            for (level, count) in LEVELS.iter().zip(dropped).filter(|(_, count)| **count > 0) {
                let labels = [
                    ("service", &*service),
                    ("host", &*host),
                    ("process", &process),
                    ("producer", &id),
                    ("level", level),
                ];
                ConstCounter::new(*count).encode(each.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::registry::Registry;

    use super::*;

    /// The page of metrics that shows them.
    fn page(drops: &ProducerDrops, registry: Registry) -> String {
        #[derive(Debug)]
        struct Page(ProducerDrops);
        impl Collector for Page {
            fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
                self.0.encode(&mut encoder)
            }
        }
        let mut registry = registry;
        registry.register_collector(Box::new(Page(drops.clone())));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    fn id(n: u128) -> ProducerId {
        ProducerId::from_bytes((n + 1).to_be_bytes())
    }

    #[test]
    fn what_is_said_again_is_counted_once() {
        let metrics = Metrics::default();
        let drops = ProducerDrops::new(metrics.clone());
        let info = ProducerInfo::default();
        drops.note(id(1), &info, &[0; 5]);
        drops.note(id(1), &info, &[1, 0, 5, 0, 0]);
        drops.note(id(1), &info, &[1, 0, 5, 0, 0]);
        drops.note(id(1), &info, &[1, 0, 3, 0, 0]);
        drops.note(id(1), &info, &[1, 0, 9, 0, 2]);
        drops.note(id(2), &info, &[0, 1, 0, 0, u64::MAX]);
        let total = LEVELS.map(|level| metrics.dropped_records.get([level.into()]).get());
        assert_eq!(total, [1, 1, 9, 0, u64::MAX]);
    }

    #[test]
    fn no_name_breaks_the_page() {
        let mut registry = Registry::default();
        let drops = ProducerDrops::new(Metrics::new(&mut registry));
        let info = ProducerInfo {
            service: "sh\"op\n".into(),
            host: "DOMAIN\\here".into(),
            process_id: 7,
        };
        drops.note(id(1), &info, &[1, 0, 0, 0, 0]);
        let text = page(&drops, registry);
        let whole = r#"{service="sh\"op\n",host="DOMAIN\\here",process="7","#;
        assert!(text.contains(whole), "{text}");
    }

    #[test]
    fn however_many_drop_only_the_newest_have_their_own_counter() {
        let mut registry = Registry::default();
        let drops = ProducerDrops::new(Metrics::new(&mut registry));
        let info = ProducerInfo {
            service: "shop".into(),
            host: "here".into(),
            process_id: 7,
        };
        for n in 0..MAX_PRODUCERS as u128 + 10 {
            drops.note(id(n), &info, &[0, 0, 1, 0, 0]);
        }
        let text = page(&drops, registry);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("distlogd_producer_dropped_records_total"))
            .collect();
        assert_eq!(lines.len(), MAX_SHOWN);
        assert!(text.contains(&format!(
            "distlogd_dropped_records_total{{level=\"info\"}} {}",
            MAX_PRODUCERS + 10
        )));
        let newest = format!(
            "service=\"shop\",host=\"here\",process=\"7\",producer=\"{}\",level=\"info\"",
            id(MAX_PRODUCERS as u128 + 9)
        );
        assert!(lines.iter().any(|line| line.contains(&newest)), "{newest}");
        assert!(drops.state.lock().unwrap().producers.len() <= MAX_PRODUCERS);
    }
}
