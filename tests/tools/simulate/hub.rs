//! A hub: the daemon's real state machine of sessions over a store that is only counted.
//!
//! One server takes messages one after the other; each costs time. The store makes all durable that came since the last
//! sync, in one sync at a time. What is durable survives a kill; of what was being synced the disk has all or nothing.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;
use distlog_proto::session::{BatchDecision, Sessions, ToClient, ToDaemon};

use crate::network::Message;

/// Bytes that all clients of a hub may have under way, as in the daemon.
const CREDIT: u64 = 64 << 20;
/// What a message costs, and each byte of a batch in nanoseconds: 300 MB/s, what one thread of the daemon takes.
const MESSAGE: Duration = Duration::from_micros(10);
const NANOS_A_BYTE: u64 = 3;
/// A sync, and each byte in nanoseconds.
pub const SYNC: Duration = Duration::from_millis(5);
const SYNC_NANOS_A_BYTE: u64 = 2;

/// What a hub wants the world to do.
pub enum Order {
    /// Tell me after so long that the sync is through.
    Synced(Duration),
    /// Send this.
    Say(u64, ToClient<'static>),
}

/// Records of a producer.
#[derive(Clone, Copy)]
struct Batch {
    session: u64,
    producer: ProducerId,
    from: u64,
    to: u64,
}

/// A producer has said hello: where it stands is answered when all before is durable.
#[derive(Clone, Copy)]
struct Question {
    session: u64,
    producer: ProducerId,
    acked: u64,
}

#[derive(Default)]
struct Commit {
    batches: Vec<Batch>,
    questions: Vec<Question>,
}

pub struct Hub {
    pub is_up: bool,
    /// Counts kills: what was planned before one is void.
    pub life: u64,
    /// How long a sync takes.
    pub sync: Duration,
    sessions: Sessions<u64>,
    /// Where the store stands with each producer.
    stored: HashMap<ProducerId, u64>,
    /// Of each producer the ranges of offsets that are stored, each from and to, in order.
    pub ranges: HashMap<ProducerId, Vec<(u64, u64)>>,
    next: Commit,
    syncing: Option<Commit>,
    /// Links with messages that were not read yet.
    pub inbox: VecDeque<usize>,
    pub is_busy: bool,
    pub hellos: u64,
    pub most_sessions: usize,
}

impl Hub {
    pub fn new() -> Hub {
        Hub {
            is_up: true,
            life: 0,
            sync: SYNC,
            sessions: Sessions::new(CREDIT),
            stored: HashMap::new(),
            ranges: HashMap::new(),
            next: Commit::default(),
            syncing: None,
            inbox: VecDeque::new(),
            is_busy: false,
            hellos: 0,
            most_sessions: 0,
        }
    }

    /// How long it takes to read a message.
    pub fn cost(message: &Message) -> Duration {
        MESSAGE + Duration::from_nanos(message.body as u64 * NANOS_A_BYTE)
    }

    /// Handles a message of a connection.
    pub fn handle(&mut self, peer: u64, message: &Message, now: Instant, orders: &mut Vec<Order>) {
        let said = ToDaemon::decode(&message.head).unwrap_or_else(|error| panic!("{error}"));
        let mut answers = Vec::new();
        match said {
            ToDaemon::Hello(hello) => {
                self.hellos += 1;
                match self.sessions.hello(peer, &hello, now, &mut answers) {
                    Ok(Some(asked)) => self.next.questions.push(Question {
                        session: asked.session,
                        producer: asked.producer,
                        acked: asked.acked,
                    }),
                    Ok(None) => {}
                    Err(refused) => answers.push((peer, ToClient::Refused(refused))),
                }
                self.most_sessions = self.most_sessions.max(self.sessions.len());
            }
            ToDaemon::Batch(header) => match self.sessions.batch(&peer, header, now) {
                BatchDecision::Take => {
                    if let Some(producer) = self.sessions.producer(header.session) {
                        self.next.batches.push(Batch {
                            session: header.session,
                            producer,
                            from: header.from,
                            to: header.to,
                        });
                    }
                }
                BatchDecision::Replay(ack) => answers.push((peer, ToClient::Ack(ack))),
                BatchDecision::Rewind(rewind) => answers.push((peer, ToClient::Rewind(rewind))),
                BatchDecision::Ignore => {}
                BatchDecision::Refused(refused) => answers.push((peer, ToClient::Refused(refused))),
            },
            ToDaemon::Ping(ping) => answers.push((
                peer,
                match self.sessions.ping(&peer, ping, now) {
                    Ok(answer) => answer,
                    Err(refused) => ToClient::Refused(refused),
                },
            )),
            ToDaemon::Bye(bye) => _ = self.sessions.bye(&peer, bye),
        }
        self.begin_sync(orders);
        orders.extend(answers.into_iter().map(|(peer, say)| Order::Say(peer, say)));
    }

    fn begin_sync(&mut self, orders: &mut Vec<Order>) {
        let is_idle = self.next.batches.is_empty() && self.next.questions.is_empty();
        if self.syncing.is_some() || is_idle {
            return;
        }
        let commit = std::mem::take(&mut self.next);
        let bytes: u64 = commit
            .batches
            .iter()
            .map(|batch| batch.to - batch.from)
            .sum();
        let time = match bytes {
            // Questions alone need no disk.
            0 => Duration::ZERO,
            _ => self.sync + Duration::from_nanos(bytes * SYNC_NANOS_A_BYTE),
        };
        self.syncing = Some(commit);
        orders.push(Order::Synced(time));
    }

    fn store(&mut self, batches: &[Batch]) {
        for batch in batches {
            let ranges = self.ranges.entry(batch.producer).or_default();
            match ranges.last_mut().filter(|last| last.1 == batch.from) {
                Some(last) => last.1 = batch.to,
                None => ranges.push((batch.from, batch.to)),
            }
            self.stored.insert(batch.producer, batch.to);
        }
    }

    /// The sync is through.
    pub fn synced(&mut self, now: Instant, orders: &mut Vec<Order>) {
        let Some(Commit { batches, questions }) = self.syncing.take() else {
            return;
        };
        self.store(&batches);
        let mut answers = Vec::new();
        for batch in &batches {
            self.sessions.durable(batch.session, batch.to, &mut answers);
        }
        for Question {
            session,
            producer,
            acked,
        } in questions
        {
            let stored = self.stored.entry(producer).or_default();
            // What is before is durable at another hub.
            *stored = acked.max(*stored);
            self.sessions.resume_at(session, *stored, now, &mut answers);
        }
        orders.extend(answers.into_iter().map(|(peer, say)| Order::Say(peer, say)));
        self.begin_sync(orders);
    }

    /// Each 100 ms.
    pub fn tick(&mut self, now: Instant, orders: &mut Vec<Order>) {
        let mut answers = Vec::new();
        self.sessions.tick(now, &mut answers);
        orders.extend(answers.into_iter().map(|(peer, say)| Order::Say(peer, say)));
    }

    /// An answer found no connection.
    pub fn gone(&mut self, peer: u64) {
        if let Some(session) = self.sessions.of_peer(&peer) {
            self.sessions.cut(session);
        }
    }

    /// It stops in order: says so to all.
    pub fn closing(&mut self, orders: &mut Vec<Order>) {
        let mut answers = Vec::new();
        self.sessions.closing(&mut answers);
        orders.extend(answers.into_iter().map(|(peer, say)| Order::Say(peer, say)));
    }

    /// It is killed. `wrote`: what was being synced is on the disk.
    pub fn kill(&mut self, wrote: bool) {
        if let Some(commit) = self.syncing.take().filter(|_| wrote) {
            self.store(&commit.batches);
        }
        self.is_up = false;
        self.life += 1;
        self.sessions = Sessions::new(CREDIT);
        self.next = Commit::default();
        self.inbox.clear();
        self.is_busy = false;
    }
}
