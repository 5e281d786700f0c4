//! What the stores must answer, counted while the records are made.

use std::collections::{BTreeMap, BTreeSet};

use crate::generator::{COMMON_WORD, ERROR, RARE_WORD};

/// So many of the newest records with the common word are asked for.
pub const NEWEST: usize = 50;

/// Counts, and records that must be found.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Records by service.
    pub by_service: BTreeMap<String, u64>,
    /// Errors by route.
    pub errors_by_route: BTreeMap<String, u64>,
    /// Messages with the rare word.
    pub rare: BTreeSet<String>,
    /// The newest records with the common word: time and message.
    pub newest: BTreeSet<(u64, String)>,
    /// Messages of the trace that is asked for.
    pub trace: Vec<String>,
    /// Tasks that failed: time of the begin, id of the trace.
    pub failed: BTreeSet<(u64, String)>,
}

impl Expected {
    /// Adds a record.
    pub fn add_record(
        &mut self,
        service: &str,
        route: &str,
        severity: i32,
        time: u64,
        message: &str,
    ) {
        count(&mut self.by_service, service, 1);
        if severity >= ERROR {
            count(&mut self.errors_by_route, route, 1);
        }
        if message.ends_with(RARE_WORD) {
            self.rare.insert(message.to_owned());
        }
        let new = self.newest.len() < NEWEST
            || self
                .newest
                .first()
                .is_some_and(|(oldest, _)| *oldest < time);
        if new && message.contains(COMMON_WORD) {
            self.keep_newest((time, message.to_owned()));
        }
    }

    /// Adds what another connection sent.
    pub fn merge(&mut self, other: Expected) {
        for (service, records) in other.by_service {
            count(&mut self.by_service, &service, records);
        }
        for (route, records) in other.errors_by_route {
            count(&mut self.errors_by_route, &route, records);
        }
        self.rare.extend(other.rare);
        self.trace.extend(other.trace);
        self.failed.extend(other.failed);
        other
            .newest
            .into_iter()
            .for_each(|record| self.keep_newest(record));
    }

    fn keep_newest(&mut self, record: (u64, String)) {
        self.newest.insert(record);
        if self.newest.len() > NEWEST {
            self.newest.pop_first();
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str, records: u64) {
    match counts.get_mut(key) {
        Some(count) => *count += records,
        None => {
            counts.insert(key.to_owned(), records);
        }
    }
}
