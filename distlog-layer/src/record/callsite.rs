//! The callsites that a producer's records name by number.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};

use distlog_proto::{Callsite, wire};
use distlog_spool::own_callsite;
use tracing_core::{Event, Metadata};
use tracing_log::NormalizeEvent;

use crate::record::level;
use crate::record::sampling::FORCE;
use crate::ring::Ring;
use distlog_client::internal_log::Reporter;

/// The number of the callsite of this crate's own records.
pub(crate) use distlog_spool::OWN;
/// `log` records can bring targets without end; beyond this many the callsite says the level only.
const MAX_LOG_CALLSITES: usize = 10_000;

/// A callsite's number, and what the layer must know of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Site {
    /// Its number, not 0.
    pub(crate) id: u32,
    /// Whether events there come from the `log` crate and hide their real callsite in their fields.
    pub(crate) is_log: bool,
    /// Whether it has two fields of one name.
    pub(crate) repeats: bool,
    /// Whether its events have a name: `info!(name: "order.received", …)`.
    pub(crate) is_named: bool,
    /// Whether it has a field [`FORCE`].
    pub(crate) may_force: bool,
}

/// All callsites met so far. Threads keep what they use in a cache of their own ([`crate::task::local`]).
pub(crate) struct Callsites {
    known: RwLock<Known>,
    hasher: RandomState,
    /// Keeps them for whoever sends the records after the end of this process.
    ring: Arc<Ring>,
    reporter: Reporter,
}

struct Known {
    by_metadata: HashMap<usize, Site>,
    /// By the hash of what `log` said; 64 random bits do not collide in a program's lifetime.
    by_log: HashMap<u64, u32>,
    /// Each as an entry of `RecordBatch.callsites`, by number.
    encoded: Vec<Arc<[u8]>>,
}

impl Callsites {
    /// Those of the records in a ring.
    pub(crate) fn new(ring: Arc<Ring>) -> Callsites {
        let known = Known {
            by_metadata: HashMap::new(),
            by_log: HashMap::new(),
            // Number 0 means none.
            encoded: vec![Arc::from([])],
        };
        let callsites = Callsites {
            known: RwLock::new(known),
            hasher: RandomState::new(),
            ring,
            reporter: Reporter::default(),
        };
        let own = callsites.write().add(&callsites, |_| own_callsite());
        debug_assert_eq!(own, OWN);
        callsites
    }

    /// The callsite of a span or event. `log` says whether an event is one of the `log` crate's.
    pub(crate) fn of(
        &self,
        metadata: &'static Metadata<'static>,
        log: impl FnOnce() -> bool,
    ) -> Site {
        let place = std::ptr::from_ref(metadata) as usize;
        if let Some(&site) = self.read().by_metadata.get(&place) {
            return site;
        }
        let is_log = log();
        let mut known = self.write();
        // Somebody else may have been faster.
        if let Some(&site) = known.by_metadata.get(&place) {
            return site;
        }
        let id = known.add(self, |id| encode(id, metadata, true));
        let repeats = repeats(metadata);
        let site = Site {
            id,
            is_log,
            repeats,
            is_named: !is_log && metadata.is_event() && is_named(metadata),
            may_force: metadata.fields().field(FORCE).is_some(),
        };
        known.by_metadata.insert(place, site);
        site
    }

    /// The real callsite of an event that came from the `log` crate.
    pub(crate) fn of_log(&self, event: &Event<'_>) -> Option<u32> {
        let metadata = event.normalized_metadata()?;
        let hash = self.hasher.hash_one((
            metadata.level(),
            metadata.target(),
            metadata.file(),
            metadata.line(),
        ));
        if let Some(&id) = self.read().by_log.get(&hash) {
            return Some(id);
        }
        let mut known = self.write();
        if let Some(&id) = known.by_log.get(&hash) {
            return Some(id);
        }
        if known.by_log.len() >= MAX_LOG_CALLSITES {
            return None;
        }
        let id = known.add(self, |id| encode(id, &metadata, false));
        known.by_log.insert(hash, id);
        Some(id)
    }

    /// The callsite as an entry of `RecordBatch.callsites`.
    pub(crate) fn encoded(&self, id: u32) -> Option<Arc<[u8]>> {
        self.read().encoded.get(id as usize).cloned()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Gives it a number. It is kept before anybody knows the number, so that no record outlives its callsite.
    fn add(&mut self, all: &Callsites, encode: impl FnOnce(u32) -> Vec<u8>) -> u32 {
        let id = self.encoded.len() as u32;
        let encoded = encode(id);
        if let Err(error) = all.ring.keep_callsite(id, &encoded) {
            all.reporter.report(format_args!(
                "{error}; should this process be killed, its records will not say where in the code they come from"
            ));
        }
        self.encoded.push(encoded.into());
        id
    }
}

/// Whether a program gave the name: that of an event is else `event src/main.rs:17`.
fn is_named(metadata: &Metadata<'_>) -> bool {
    let place = metadata
        .name()
        .strip_prefix("event ")
        .and_then(|place| place.strip_prefix(metadata.file().unwrap_or_default()))
        .and_then(|line| line.strip_prefix(':'))
        .and_then(|line| line.parse::<u32>().ok());
    !metadata.name().is_empty() && (place.is_none() || place != metadata.line())
}

/// Whether it has two fields of one name: `tracing` takes what a program writes.
fn repeats(metadata: &Metadata<'_>) -> bool {
    let names: Vec<&str> = metadata.fields().iter().map(|field| field.name()).collect();
    (1..names.len()).any(|at| names[..at].contains(&names[at]))
}

/// A callsite as an entry of `RecordBatch.callsites`.
fn encode(id: u32, metadata: &Metadata<'_>, fields: bool) -> Vec<u8> {
    let callsite = Callsite {
        severity: level::severity(*metadata.level()),
        target: metadata.target().to_owned(),
        file: metadata.file().unwrap_or_default().to_owned(),
        line: metadata.line().unwrap_or_default(),
        module: metadata.module_path().unwrap_or_default().to_owned(),
        function: String::new(),
        template: if metadata.is_span() {
            metadata.name().to_owned()
        } else {
            String::new()
        },
    };
    let mut out = Vec::new();
    let names = metadata
        .fields()
        .iter()
        .filter(|_| fields)
        .map(|field| field.name());
    wire::encode::callsite(&mut out, id, &callsite, names);
    out
}
