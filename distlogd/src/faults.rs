//! Bad input: counted always, reported at a limited rate.

use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// So many faults are reported one by one in each [`WINDOW`].
const BURST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// So many different things are told once each.
const TOLD: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    door: &'static str,
    what: &'static str,
}

/// Counts what came in and was not good.
#[derive(Debug)]
pub struct Faults {
    counts: Family<Labels, Counter>,
    /// What was told and is not told again.
    told: Mutex<HashSet<(&'static str, String)>>,
    limit: Mutex<Limit>,
}

#[derive(Debug)]
struct Limit {
    since: Instant,
    reported: u32,
    silent: u64,
}

impl Faults {
    /// Registers the counter `distlogd_bad_input_total`.
    pub fn new(registry: &mut Registry) -> Faults {
        let counts = Family::default();
        registry.register(
            "distlogd_bad_input",
            "What came in and could not be taken, in part or whole",
            counts.clone(),
        );
        Faults {
            counts,
            told: Mutex::default(),
            limit: Mutex::new(Limit {
                since: Instant::now(),
                reported: 0,
                silent: 0,
            }),
        }
    }

    /// Counts a fault and, unless there were too many of late, reports it with who sent it.
    pub fn report(
        &self,
        door: &'static str,
        what: &'static str,
        peer: Option<&str>,
        detail: impl fmt::Display,
    ) {
        self.counts.get_or_create(&Labels { door, what }).inc();
        let Ok(mut limit) = self.limit.lock() else {
            return;
        };
        if limit.since.elapsed() >= WINDOW {
            if limit.silent > 0 {
                tracing::warn!(
                    "{} more faults in what came in were counted but not reported",
                    limit.silent
                );
            }
            *limit = Limit {
                since: Instant::now(),
                reported: 0,
                silent: 0,
            };
        }
        if limit.reported < BURST {
            limit.reported += 1;
            let peer = peer.unwrap_or("an unknown peer");
            tracing::warn!(door, "{what} from {peer}: {detail}");
        } else {
            limit.silent += 1;
        }
    }

    /// Counts what cannot be taken and is no fault, such as metrics that come with the traces of a program. It is told once, as
    /// long as not too much else was.
    pub fn note(&self, door: &'static str, what: &'static str, peer: Option<&str>, detail: &str) {
        self.counts.get_or_create(&Labels { door, what }).inc();
        let Ok(mut told) = self.told.lock() else {
            return;
        };
        let peer = peer.unwrap_or("an unknown peer");
        if told.len() < TOLD && told.insert((door, detail.to_owned())) {
            tracing::info!(door, "{what} from {peer}: {detail} (said once)");
        } else {
            tracing::debug!(door, "{what} from {peer}: {detail}");
        }
    }

    /// Counts what came to nothing and concerns nobody, such as a request whose client went away.
    pub fn count_only(&self, door: &'static str, what: &'static str, detail: &str) {
        self.counts.get_or_create(&Labels { door, what }).inc();
        tracing::debug!(door, "{what}: {detail}");
    }

    /// How many of a kind there were.
    pub fn count(&self, door: &'static str, what: &'static str) -> u64 {
        self.counts.get_or_create(&Labels { door, what }).get()
    }
}
