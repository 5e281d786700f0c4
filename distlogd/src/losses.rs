//! What producers dropped before it reached us: each says how much since it began.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use distlog_proto::session::Dropped;
use distlog_proto::{ProducerId, wire::SourceRef};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;

use crate::label;

/// So many producers have a counter of their own.
const SHOWN: usize = 1000;
/// Of so many it is known how much of what they say was counted already.
const KNOWN: usize = 1 << 16;
/// Texts are kept up to this length, in bytes: strangers may send longer ones.
const MAX_TEXT: usize = 256;

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Who a producer is, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whose {
    /// Its service, else the name of its program.
    pub service: String,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub process_id: u64,
}

impl Whose {
    /// As its records have it.
    pub fn new(source: &SourceRef<'_>) -> Whose {
        let service = match source.service {
            "" => source.process_name,
            service => service,
        };
        Whose {
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

/// What was dropped, by producer and in all. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Losses(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<ProducerId, Loss>,
    /// Those of `known`, oldest first.
    order: VecDeque<ProducerId>,
    total: Dropped,
}

#[derive(Debug)]
struct Loss {
    whose: Whose,
    dropped: Dropped,
}

impl Losses {
    /// Registers the counters.
    pub fn new(registry: &mut Registry) -> Losses {
        let losses = Losses::default();
        registry.register_collector(Box::new(losses.clone()));
        losses
    }

    /// A producer says how many records it dropped since it began, by level.
    pub fn note(&self, producer: ProducerId, whose: &Whose, dropped: &Dropped) {
        if dropped.iter().all(|count| *count == 0) {
            return;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State {
            known,
            order,
            total,
        } = &mut *state;
        let loss = known.entry(producer).or_insert_with(|| {
            order.push_back(producer);
            Loss {
                whose: whose.clone(),
                dropped: Dropped::default(),
            }
        });
        for ((total, counted), said) in total.iter_mut().zip(&mut loss.dropped).zip(dropped) {
            // A word that was overtaken says less.
            *total = total.saturating_add(said.saturating_sub(*counted));
            *counted = (*counted).max(*said);
        }
        if order.len() > KNOWN
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
    }

    /// How many were dropped in all, by level.
    pub fn total(&self) -> Dropped {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Collector for Losses {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = ConstCounter::new(0u64).metric_type();
        let help = "Records that producers dropped, as they said since the daemon started";
        let mut all = encoder.encode_descriptor("distlogd_dropped_records", help, None, kind)?;
        for (level, count) in LEVELS.iter().zip(state.total) {
            let labels = [("level", *level)];
            ConstCounter::new(count).encode(all.encode_family(&labels)?)?;
        }
        let name = "distlogd_producer_dropped_records";
        let help = "Records that a producer dropped since it began (the newest 1000 that did)";
        let mut each = encoder.encode_descriptor(name, help, None, kind)?;
        for producer in state.order.iter().rev().take(SHOWN) {
            let Some(Loss { whose, dropped }) = state.known.get(producer) else {
                continue;
            };
            let (id, process) = (producer.to_string(), whose.process_id.to_string());
            let (service, host) = (label::value(&whose.service), label::value(&whose.host));
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
    use super::*;

    fn id(n: u128) -> ProducerId {
        ProducerId::from_bytes((n + 1).to_be_bytes())
    }

    #[test]
    fn what_is_said_again_is_counted_once() {
        let losses = Losses::default();
        let whose = Whose::default();
        losses.note(id(1), &whose, &[0; 5]);
        losses.note(id(1), &whose, &[1, 0, 5, 0, 0]);
        losses.note(id(1), &whose, &[1, 0, 5, 0, 0]);
        losses.note(id(1), &whose, &[1, 0, 3, 0, 0]);
        losses.note(id(1), &whose, &[1, 0, 9, 0, 2]);
        losses.note(id(2), &whose, &[0, 1, 0, 0, u64::MAX]);
        assert_eq!(losses.total(), [1, 1, 9, 0, u64::MAX]);
    }

    #[test]
    fn no_name_breaks_the_page() {
        let mut registry = Registry::default();
        let losses = Losses::new(&mut registry);
        let whose = Whose {
            service: "sh\"op\n".into(),
            host: "DOMAIN\\here".into(),
            process_id: 7,
        };
        losses.note(id(1), &whose, &[1, 0, 0, 0, 0]);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let whole = r#"{service="sh\"op\n",host="DOMAIN\\here",process="7","#;
        assert!(text.contains(whole), "{text}");
    }

    #[test]
    fn however_many_drop_only_the_newest_have_their_own_counter() {
        let mut registry = Registry::default();
        let losses = Losses::new(&mut registry);
        let whose = Whose {
            service: "shop".into(),
            host: "here".into(),
            process_id: 7,
        };
        for n in 0..KNOWN as u128 + 10 {
            losses.note(id(n), &whose, &[0, 0, 1, 0, 0]);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("distlogd_producer_dropped_records_total"))
            .collect();
        assert_eq!(lines.len(), SHOWN);
        assert!(text.contains(&format!(
            "distlogd_dropped_records_total{{level=\"info\"}} {}",
            KNOWN + 10
        )));
        let newest = format!(
            "service=\"shop\",host=\"here\",process=\"7\",producer=\"{}\",level=\"info\"",
            id(KNOWN as u128 + 9)
        );
        assert!(lines.iter().any(|line| line.contains(&newest)), "{newest}");
        assert!(losses.0.lock().unwrap().known.len() <= KNOWN);
    }
}
