//! What is watched, and what must hold.

use std::time::Duration;

use crate::hub::Hub;
use crate::producer::Producer;
use crate::time::Time;

/// What is seen each 100 ms.
#[derive(Default)]
pub struct Watch {
    pub seen: Vec<Seen>,
    hellos: Vec<u64>,
}

/// What was seen at a time.
pub struct Seen {
    pub at: Time,
    pub connected: usize,
    /// Hellos since the last look, of the hub that has most.
    pub most_hellos: u64,
    /// How long what was acknowledged since the last look has waited, sorted.
    pub waits: Vec<Duration>,
}

impl Watch {
    pub fn look(&mut self, now: Time, clients: &mut [Producer], hubs: &mut [Hub]) {
        let mut waits: Vec<Duration> = clients
            .iter_mut()
            .flat_map(|client| client.records.waits.drain(..))
            .collect();
        waits.sort_unstable();
        self.hellos.resize(hubs.len(), 0);
        let hellos = hubs.iter().zip(&mut self.hellos);
        let most_hellos = hellos
            .map(|(hub, before)| hub.hellos - std::mem::replace(before, hub.hellos))
            .max();
        self.seen.push(Seen {
            at: now,
            connected: clients
                .iter()
                .filter(|client| client.is_connected())
                .count(),
            most_hellos: most_hellos.unwrap_or_default(),
            waits,
        });
    }

    /// The wait that this share of all that was acknowledged between two times did not exceed.
    pub fn wait(&self, from: Time, to: Time, share: f64) -> Duration {
        let seen = self
            .seen
            .iter()
            .filter(|seen| (from..to).contains(&seen.at));
        let mut waits: Vec<Duration> = seen.flat_map(|seen| seen.waits.iter().copied()).collect();
        waits.sort_unstable();
        let at = (waits.len() as f64 * share) as usize;
        waits
            .get(at.min(waits.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }

    /// From this time on, how long it took until that many clients were connected, once they were not.
    pub fn connected(&self, from: Time, clients: usize) -> Option<Duration> {
        let mut later = self.seen.iter().filter(|seen| seen.at >= from);
        if later.all(|seen| seen.connected >= clients) {
            return Some(Duration::ZERO);
        }
        // `later` stands behind the first time that they were not.
        let back = later.find(|seen| seen.connected >= clients);
        back.map(|seen| seen.at - from)
    }

    /// The fewest clients that were connected from this time on.
    pub fn fewest(&self, from: Time) -> usize {
        let seen = self.seen.iter().filter(|seen| seen.at >= from);
        seen.map(|seen| seen.connected).min().unwrap_or_default()
    }

    /// Most hellos that one hub got in a second.
    pub fn storm(&self, from: Time) -> u64 {
        let hellos: Vec<u64> = self
            .seen
            .iter()
            .filter(|seen| seen.at >= from)
            .map(|seen| seen.most_hellos)
            .collect();
        hellos
            .windows(10)
            .map(|second| second.iter().sum())
            .max()
            .unwrap_or_default()
    }
}

/// What became of the records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub logged: u64,
    pub dropped: u64,
    /// Acknowledged, or logged and never stored.
    pub lost: u64,
    /// In one store twice.
    pub twice: u64,
    /// In two stores or more: (producer, offset) tells.
    pub in_two: u64,
}

impl Balance {
    pub fn of(clients: &[Producer], hubs: &[Hub]) -> Balance {
        let mut balance = Balance::default();
        for client in clients {
            let mut all: Vec<(u64, u64)> = Vec::new();
            let stores: Vec<_> = hubs
                .iter()
                .filter_map(|hub| hub.ranges.get(&client.id))
                .collect();
            for ranges in stores {
                balance.twice += ranges.windows(2).filter(|two| two[1].0 < two[0].1).count() as u64;
                all.extend(ranges);
            }
            all.sort_unstable();
            let mut to = 0;
            for (begin, end) in all {
                balance.lost += begin.saturating_sub(to);
                balance.in_two += to.min(end).saturating_sub(begin);
                to = to.max(end);
            }
            balance.lost += client.records.head().saturating_sub(to);
            balance.logged += client.records.head();
            balance.dropped += client.records.dropped;
        }
        let record = crate::producer::RECORD;
        balance.logged /= record;
        balance.lost /= record;
        balance.in_two /= record;
        balance
    }
}

/// The sessions of the hub with the most, ever.
pub fn most_sessions(hubs: &[Hub]) -> usize {
    hubs.iter()
        .map(|hub| hub.most_sessions)
        .max()
        .unwrap_or_default()
}

/// As people read it.
pub fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.1} ms", seconds * 1000.0),
    }
}
