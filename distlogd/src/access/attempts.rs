//! Limits how often an address may try to sign in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::peer::Peer;

/// Attempts of one peer in each [`WINDOW`].
const MAX_ATTEMPTS: u32 = 5;
const WINDOW: Duration = Duration::from_secs(1);
/// Peers that are counted one by one; all others count as one.
const MAX_PEERS: usize = 10_000;

/// Counts the attempts of each peer.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<Option<Peer>, (Instant, u32)>>);

impl Attempts {
    /// Counts an attempt; false if it is one too many.
    pub(crate) fn admit(&self, address: Option<IpAddr>) -> bool {
        let (peer, now) = (address.map(Peer::from), Instant::now());
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: &Instant| now.duration_since(*since) >= WINDOW;
        if peers.len() >= MAX_PEERS {
            peers.retain(|_, (since, _)| !is_over(since));
        }
        let key = match peer {
            Some(_) if peers.len() >= MAX_PEERS && !peers.contains_key(&peer) => None,
            peer => peer,
        };
        let (since, count) = peers.entry(key).or_insert((now, 0));
        if is_over(since) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= MAX_ATTEMPTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_tries_often_stops_nobody_else() {
        let attempts = Attempts::default();
        let peer = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
        let tries = (0..100).filter(|_| attempts.admit(peer(1))).count();
        // It may take longer than a window.
        assert!(tries < 100, "{tries}");
        assert!(attempts.admit(peer(2)));
        for n in 0..2 * MAX_PEERS as u32 {
            attempts.admit(peer(n));
        }
        assert!(attempts.0.lock().unwrap().len() <= MAX_PEERS + 1);
    }

    #[test]
    fn all_addresses_of_one_machine_are_one() {
        let attempts = Attempts::default();
        let v6 = |n: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]));
        for n in 0..100 {
            attempts.admit(v6(n));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), 1);
    }
}
