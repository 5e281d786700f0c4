//! The callsites that a producer's records name by number.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};

use distlog_proto::{Callsite, Severity, wire};
use tracing_core::{Event, Metadata};
use tracing_log::NormalizeEvent;

use crate::level;

/// The number of the callsite of this crate's own records.
pub(crate) const OWN: u32 = 1;
/// `log` records can bring targets without end; beyond this many the callsite says the level only.
const MAX_LOG_CALLSITES: usize = 10_000;

/// A callsite's number, and what the layer must know of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Site {
    /// Its number, not 0.
    pub(crate) id: u32,
    /// Whether events there come from the `log` crate and hide their real callsite in their fields.
    pub(crate) is_log: bool,
}

/// All callsites met so far. Threads keep what they use in a cache of their own ([`crate::local`]).
pub(crate) struct Callsites {
    known: RwLock<Known>,
    hasher: RandomState,
}

struct Known {
    by_metadata: HashMap<usize, Site>,
    /// By the hash of what `log` said; 64 random bits do not collide in a program's lifetime.
    by_log: HashMap<u64, u32>,
    /// Each as an entry of `RecordBatch.callsites`, by number.
    encoded: Vec<Arc<[u8]>>,
}

impl Callsites {
    pub(crate) fn new() -> Callsites {
        // Number 0 means none.
        let encoded = vec![Arc::from([]), encode_own()];
        let known = Known {
            by_metadata: HashMap::new(),
            by_log: HashMap::new(),
            encoded,
        };
        Callsites {
            known: RwLock::new(known),
            hasher: RandomState::new(),
        }
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
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known {
            by_metadata,
            encoded,
            ..
        } = &mut *known;
        *by_metadata.entry(place).or_insert_with(|| {
            let id = encoded.len() as u32;
            encoded.push(encode(id, metadata, true));
            Site { id, is_log }
        })
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
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known {
            by_log, encoded, ..
        } = &mut *known;
        if by_log.len() >= MAX_LOG_CALLSITES {
            return None;
        }
        Some(*by_log.entry(hash).or_insert_with(|| {
            let id = encoded.len() as u32;
            encoded.push(encode(id, &metadata, false));
            id
        }))
    }

    /// The callsite as an entry of `RecordBatch.callsites`.
    pub(crate) fn encoded(&self, id: u32) -> Option<Arc<[u8]>> {
        self.read().encoded.get(id as usize).cloned()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A callsite as an entry of `RecordBatch.callsites`.
fn encode(id: u32, metadata: &Metadata<'_>, fields: bool) -> Arc<[u8]> {
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
    out.into()
}

/// The callsite of what this crate itself says.
fn encode_own() -> Arc<[u8]> {
    let own = Callsite {
        severity: Severity::WARN,
        target: env!("CARGO_CRATE_NAME").to_owned(),
        ..Callsite::default()
    };
    let mut out = Vec::new();
    wire::encode::callsite(&mut out, OWN, &own, []);
    out.into()
}
