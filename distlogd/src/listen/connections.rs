//! The connections of one receiver: how many there may be, and which one is closed when there is no room.
//!
//! Whoever can reach a port can open connections and leave them idle. So at the limit a new connection evicts one that
//! is idle, or whose client stalls: of the address that has most of them, the one that has been so longest. One whose
//! request is being answered is not evicted. An address has at most [`Limits::peer`]; loopback has no limit, since all
//! programs of the machine share it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::pace::Pace;
use crate::config;
use crate::peer::Peer;
use crate::self_telemetry::{Metrics, RateLimited};

/// Requests at once, of all connections; only HTTP/2 has more than one of each.
const MAX_REQUESTS: usize = 2048;
/// Requests at once of one address.
const MAX_PEER_REQUESTS: usize = 512;
/// A client that sends nothing for so long in the middle of a request, or takes nothing of an answer, may be evicted.
const STUCK: Duration = Duration::from_millis(250);
/// A connection that is younger, or was used since, is evicted only after all that are idle longer.
const FRESH: Duration = Duration::from_secs(1);
/// A client that is slower than this counts as stuck, in bytes a second.
const MIN_RATE: u64 = 8 << 10;
/// An answer that nobody takes for so long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for the first request.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// HTTP/2 begins with so many bytes. A client that sent them may let its first request wait.
const PREFACE: u64 = 24;
/// Log lines about evictions: one in so much time.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The limits of a receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections of all.
    pub(crate) all: usize,
    /// Connections of one address.
    pub(crate) peer: usize,
    /// Bytes of one address in a second.
    pub(crate) pace: Option<u64>,
}

impl From<&config::Limits> for Limits {
    fn from(limits: &config::Limits) -> Limits {
        Limits {
            all: limits.connections,
            peer: limits.peer_connections,
            pace: limits.peer_bytes_per_second,
        }
    }
}

/// A connection is one too many, and none can be evicted for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMany {
    /// All together.
    InAll,
    /// Of its address.
    OfPeer,
}

/// The connections of one receiver. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    receiver: &'static str,
    limits: Limits,
    metrics: Metrics,
    /// Times are counted from here.
    epoch: Instant,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    next: u64,
    open: HashMap<u64, Arc<Connection>>,
    peers: HashMap<Peer, Share>,
    /// Requests of all.
    requests: usize,
    reports: RateLimited,
}

/// What one address has.
#[derive(Debug, Default)]
struct Share {
    connections: usize,
    requests: usize,
    pace: Option<Arc<Pace>>,
}

/// What is measured of one connection. Times are in ms since the epoch of its table.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    table: Connections,
    pub(crate) peer: Peer,
    opened: u64,
    /// When it was last used: bytes moved, or a request ended.
    moved: AtomicU64,
    /// Bytes that came.
    received: AtomicU64,
    /// Since when its client takes nothing of what is written; 0: it does.
    blocked: AtomicU64,
    /// Requests that were begun.
    begun: AtomicU64,
    /// Requests that are not answered to the end.
    requests: AtomicUsize,
    /// Of these, those whose body is not there yet, when the last one of them began and how much had come then.
    bodies: AtomicUsize,
    body_since: AtomicU64,
    body_from: AtomicU64,
    close: Notify,
}

/// Why a connection may be evicted. The first ones are evicted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Eviction {
    /// No request came yet.
    HalfOpen,
    /// It has no request.
    Idle,
    /// Its client sends, or takes, too slowly.
    Stuck,
    /// As the first two, but not for long.
    Fresh,
    /// As `Stuck`, but not for long.
    Waiting,
}

impl Eviction {
    /// The value of the label `reason`.
    fn reason(self) -> &'static str {
        match self {
            Eviction::HalfOpen => "half-open",
            Eviction::Idle => "idle",
            Eviction::Stuck | Eviction::Waiting => "stuck",
            Eviction::Fresh => "new",
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Connections {
    pub(crate) fn new(receiver: &'static str, limits: Limits, metrics: Metrics) -> Connections {
        Connections(Arc::new(Inner {
            receiver,
            limits,
            metrics,
            epoch: Instant::now(),
            table: Mutex::new(Table {
                next: 0,
                open: HashMap::new(),
                peers: HashMap::new(),
                requests: 0,
                reports: RateLimited::new(1, REPORT_INTERVAL),
            }),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In ms, never 0.
    fn now(&self) -> u64 {
        ms(self.0.epoch.elapsed()) + 1
    }

    /// Admits a connection, and evicts another one for it at the limit.
    ///
    /// # Errors
    /// If there are too many, and all of them have requests that are being answered.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<Admitted, TooMany> {
        let (peer, now, limits) = (Peer::from(address), self.now(), self.0.limits);
        let mut table = self.lock();
        let of_peer = table.peers.get(&peer).map_or(0, |share| share.connections);
        if !peer.is_loopback() && of_peer >= limits.peer {
            self.evict(&mut table, now, Some(peer))
                .ok_or(TooMany::OfPeer)?;
        } else if table.open.len() >= limits.all {
            self.evict(&mut table, now, None).ok_or(TooMany::InAll)?;
        }
        let id = table.next;
        table.next += 1;
        let connection = Arc::new(Connection {
            id,
            table: self.clone(),
            peer,
            opened: now,
            moved: now.into(),
            received: 0.into(),
            blocked: 0.into(),
            begun: 0.into(),
            requests: 0.into(),
            bodies: 0.into(),
            body_since: 0.into(),
            body_from: 0.into(),
            close: Notify::new(),
        });
        table.open.insert(id, Arc::clone(&connection));
        let share = table.peers.entry(peer).or_default();
        share.connections += 1;
        let rate = limits.pace.filter(|_| !peer.is_loopback());
        let new = || rate.map(|rate| Arc::new(Pace::new(rate)));
        let pace = share.pace.clone().or_else(new);
        share.pace.clone_from(&pace);
        self.count(&table);
        Ok(Admitted { connection, pace })
    }

    /// Evicts one, of that peer or of any. `None` if none can be.
    fn evict(&self, table: &mut Table, now: u64, of: Option<Peer>) -> Option<()> {
        let peers = &table.peers;
        let share = |peer| {
            peers
                .get(&peer)
                .map_or(0, |share: &Share| share.connections)
        };
        let open = table.open.values();
        let evictable = open.filter(|connection| of.is_none_or(|peer| peer == connection.peer));
        let evictable = evictable.filter_map(|connection| {
            let (why, since) = connection.evictable(now)?;
            let most = std::cmp::Reverse(share(connection.peer));
            Some(((why, most, since), Arc::clone(connection)))
        });
        let ((why, ..), connection) = evictable.min_by_key(|(key, _)| *key)?;
        self.close(table, &connection, why.reason());
        if let Some(before) = table.reports.report(1) {
            let (open, before) = (table.open.len() + 1, before + 1);
            let (peer, of_peer) = (connection.peer, share_of(table, connection.peer) + 1);
            tracing::warn!(
                receiver = self.0.receiver,
                "{open} connections are open, {of_peer} of them from {peer}: idle and stalled ones are closed for new ones, {before} \
                 so far (`listen.limits`)"
            );
        }
        Some(())
    }

    fn close(&self, table: &mut Table, connection: &Connection, reason: &'static str) {
        self.remove(table, connection);
        connection.close.notify_one();
        let closed = &self.0.metrics.receiver_closed_connections;
        closed.add([self.0.receiver, reason], 1);
    }

    fn remove(&self, table: &mut Table, connection: &Connection) {
        if table.open.remove(&connection.id).is_none() {
            return;
        }
        if let Some(share) = table.peers.get_mut(&connection.peer) {
            share.connections -= 1;
        }
        forget(table, connection.peer);
        self.count(table);
    }

    fn count(&self, table: &Table) {
        let open = u64::try_from(table.open.len()).unwrap_or(u64::MAX);
        let gauges = &self.0.metrics.receiver_connections;
        gauges.set([self.0.receiver], open);
    }

    /// Closes those without a first request, or whose answer is not taken, for too long.
    pub(crate) fn sweep(&self) {
        let now = self.now();
        let mut table = self.lock();
        let open: Vec<_> = table.open.values().map(Arc::clone).collect();
        for connection in open {
            if let Some(reason) = connection.late(now) {
                self.close(&mut table, &connection, reason);
            }
        }
    }

    /// Closes those of which no request came. Called at shutdown: no client waits for an answer there.
    pub(crate) fn close_half_open(&self) {
        let mut table = self.lock();
        let open: Vec<_> = table.open.values().map(Arc::clone).collect();
        for connection in open {
            if connection.begun.load(Ordering::Acquire) == 0 {
                self.remove(&mut table, &connection);
                connection.close.notify_one();
            }
        }
    }

    /// Counts a request; false if there are too many.
    fn begin(&self, peer: Peer) -> bool {
        let mut table = self.lock();
        let in_all = table.requests;
        let share = table.peers.entry(peer).or_default();
        let too_many = !peer.is_loopback() && share.requests >= MAX_PEER_REQUESTS;
        share.requests += 1;
        table.requests += 1;
        !too_many && in_all < MAX_REQUESTS
    }

    fn end(&self, peer: Peer) {
        let mut table = self.lock();
        table.requests -= 1;
        if let Some(share) = table.peers.get_mut(&peer) {
            share.requests -= 1;
        }
        forget(&mut table, peer);
    }
}

fn share_of(table: &Table, peer: Peer) -> usize {
    table.peers.get(&peer).map_or(0, |share| share.connections)
}

/// Forgets a peer that has nothing.
fn forget(table: &mut Table, peer: Peer) {
    let share = table.peers.get(&peer);
    if share.is_some_and(|share| share.connections == 0 && share.requests == 0) {
        table.peers.remove(&peer);
    }
}

impl Connection {
    /// Whether it can be evicted, and since when it is idle or stalled.
    fn evictable(&self, now: u64) -> Option<(Eviction, u64)> {
        let moved = self.moved.load(Ordering::Acquire);
        if self.requests.load(Ordering::Acquire) == 0 {
            let (why, since) = match self.begun.load(Ordering::Acquire) {
                0 => (Eviction::HalfOpen, self.opened),
                _ => (Eviction::Idle, moved),
            };
            let fresh = now.saturating_sub(since) < ms(FRESH);
            return Some((if fresh { Eviction::Fresh } else { why }, since));
        }
        let since = match self.blocked.load(Ordering::Acquire) {
            0 => self.body_stuck(now, moved)?,
            blocked => blocked,
        };
        let waits = now.saturating_sub(since);
        let stuck = waits >= 2 * ms(FRESH);
        (waits >= ms(STUCK)).then_some((
            if stuck {
                Eviction::Stuck
            } else {
                Eviction::Waiting
            },
            since,
        ))
    }

    /// Since when the bodies of all its requests come too slowly.
    fn body_stuck(&self, now: u64, moved: u64) -> Option<u64> {
        if self.bodies.load(Ordering::Acquire) < self.requests.load(Ordering::Acquire) {
            return None;
        }
        let since = self.body_since.load(Ordering::Acquire);
        let came = self.received.load(Ordering::Acquire);
        let came = came.saturating_sub(self.body_from.load(Ordering::Acquire));
        let takes = now.saturating_sub(since);
        let slow = takes >= ms(FRESH) && came * 1000 < takes * MIN_RATE;
        Some(if slow { since } else { moved })
    }

    /// Why it is to be closed even below the limit.
    fn late(&self, now: u64) -> Option<&'static str> {
        let blocked = self.blocked.load(Ordering::Acquire);
        if blocked != 0 && now.saturating_sub(blocked) >= ms(WRITE_TIMEOUT) {
            return Some("answer not taken");
        }
        let began = self.begun.load(Ordering::Acquire) > 0;
        let said_something = self.received.load(Ordering::Acquire) >= PREFACE;
        let waits = now.saturating_sub(self.opened);
        (!began && !said_something && waits >= ms(FIRST_REQUEST_TIMEOUT)).then_some("no request")
    }

    /// `bytes` came.
    pub(super) fn received(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received.fetch_add(bytes, Ordering::AcqRel);
        self.moved.store(self.table.now(), Ordering::Release);
    }

    /// The client takes what is written, or not.
    pub(super) fn written(&self, taken: bool) {
        if taken {
            self.blocked.store(0, Ordering::Release);
            self.moved.store(self.table.now(), Ordering::Release);
        } else if self.blocked.load(Ordering::Acquire) == 0 {
            self.blocked.store(self.table.now(), Ordering::Release);
        }
    }

    /// A request begins. `has_body`: more of it is to come.
    pub(super) fn begin(self: &Arc<Connection>, has_body: bool) -> Request {
        let admitted = self.table.begin(self.peer);
        self.begun.fetch_add(1, Ordering::AcqRel);
        self.requests.fetch_add(1, Ordering::AcqRel);
        if has_body {
            let came = self.received.load(Ordering::Acquire);
            self.body_from.store(came, Ordering::Release);
            self.body_since.store(self.table.now(), Ordering::Release);
            self.bodies.fetch_add(1, Ordering::AcqRel);
        }
        let body = BodyLeft(has_body.then(|| Arc::clone(self)));
        Request {
            admitted,
            body,
            answering: Answering(Arc::clone(self)),
        }
    }
}

/// A request that was begun.
pub(super) struct Request {
    /// False: it is one too many.
    pub(super) admitted: bool,
    pub(super) body: BodyLeft,
    pub(super) answering: Answering,
}

/// Lives until the body of a request is there, or not wanted.
pub(super) struct BodyLeft(Option<Arc<Connection>>);

impl Drop for BodyLeft {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.bodies.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Lives until a request is answered.
pub(super) struct Answering(Arc<Connection>);

impl Drop for Answering {
    fn drop(&mut self) {
        let connection = &self.0;
        connection
            .moved
            .store(connection.table.now(), Ordering::Release);
        connection.requests.fetch_sub(1, Ordering::AcqRel);
        connection.table.end(connection.peer);
    }
}

/// A connection that was admitted. It counts as long as this lives.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) connection: Arc<Connection>,
    pub(super) pace: Option<Arc<Pace>>,
}

impl Admitted {
    /// Waits until it is to be closed.
    pub(crate) async fn closed(&self) {
        self.connection.close.notified().await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let connections = &self.connection.table;
        connections.remove(&mut connections.lock(), &self.connection);
    }
}
