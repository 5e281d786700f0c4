//! The daemon's end of all sessions.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::credit::{Budget, Grant};
use super::epochs::Epochs;
use super::message::*;
use crate::id::{ProducerId, random_u64};

/// A client that says nothing for so long has gone: each pings more often.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// An idle session keeps its credit for so long while others wait for some.
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// Upper bound of open sessions.
const MAX_SESSIONS: usize = 1 << 16;

/// What is said, and to whom.
type Answers<P> = Vec<(P, ToClient<'static>)>;

/// All sessions of a receiver. `P` identifies a connection.
///
/// The receiver gives each message to the method of its kind and sends what these answer. What is taken it gives to the
/// store; when that says that it is durable, the receiver calls [`durable`](Sessions::durable).
#[derive(Debug)]
pub struct Sessions<P> {
    open: HashMap<u64, Session<P>>,
    by_peer: HashMap<P, u64>,
    by_producer: HashMap<ProducerId, u64>,
    epochs: Epochs,
    budget: Budget,
}

#[derive(Debug)]
struct Session<P> {
    peer: P,
    producer: ProducerId,
    epoch: u64,
    /// Whether the store has said where the producer stands.
    welcomed: bool,
    /// The next batch begins here.
    received: u64,
    grant: Grant,
    /// The client has records up to here.
    head: u64,
    /// A rewind was said since the last batch that fitted.
    rewound: bool,
    last_seen: Instant,
    /// When the last batch came, or the credit for the next one was given.
    used: Instant,
    /// It was given credit since the last tick.
    served: bool,
    /// What its last ping said of levels.
    levels: u64,
}

/// A hello was good: ask the store where the producer stands, after everything submitted before is durable, and tell
/// [`Sessions::resume_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingSession {
    /// The session that will be.
    pub session: u64,
    /// Whose.
    pub producer: ProducerId,
    /// All before is durable, here or elsewhere.
    pub acked: u64,
}

/// What to do with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum BatchDecision {
    /// It is the next one: store it.
    Take,
    /// It was taken before. Say this.
    Replay(Ack),
    /// It is not the next one, or beyond the credit. Say this, and forget the batch.
    Rewind(Rewind),
    /// As before, and the client knows already.
    Ignore,
    /// Say this.
    Refused(Refused<'static>),
}

/// A session that ended otherwise than by a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSession {
    /// Which.
    pub session: u64,
    /// Whose.
    pub producer: ProducerId,
    /// How.
    pub reason: EndReason,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The client said so.
    Bye(ByeReason),
    /// Nothing arrived for a minute.
    Silent,
    /// The receiver ended it.
    Cut,
}

impl<P: Clone + Eq + Hash> Sessions<P> {
    /// None yet. `budget` is how many bytes all clients together may have under way.
    pub fn new(budget: u64) -> Sessions<P> {
        Sessions {
            open: HashMap::new(),
            by_peer: HashMap::new(),
            by_producer: HashMap::new(),
            epochs: Epochs::default(),
            budget: Budget::new(budget),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many bytes the clients may have under way, of the budget.
    pub fn granted(&self) -> u64 {
        self.budget.granted()
    }

    /// The producer of a session.
    pub fn producer(&self, session: u64) -> Option<ProducerId> {
        self.open.get(&session).map(|session| session.producer)
    }

    /// A client wants a session. `None`: it said so before on this connection, and the answer is under way. One that is
    /// superseded by it learns so.
    ///
    /// # Errors
    /// What to say to a client that cannot have one.
    pub fn hello(
        &mut self,
        peer: P,
        hello: &Hello<'_>,
        now: Instant,
        answers: &mut Answers<P>,
    ) -> Result<Option<PendingSession>, Refused<'static>> {
        if hello.version != VERSION {
            return Err(Refused::new(
                RefusedReason::Version,
                format!(
                    "this daemon speaks version {VERSION} of the session protocol, the client version {}: \
                     update the older of the two",
                    hello.version
                ),
            ));
        }
        if !hello.producer.is_known() {
            return Err(Refused::new(
                RefusedReason::Malformed,
                "a hello must name its producer",
            ));
        }
        if let Some(session) = self.by_peer.get(&peer).and_then(|id| self.open.get(id))
            && session.producer == hello.producer
            && session.epoch == hello.epoch
        {
            return Ok(None);
        }
        if self.open.len() >= MAX_SESSIONS && !self.by_producer.contains_key(&hello.producer) {
            return Err(Refused::new(
                RefusedReason::Busy,
                format!("this daemon has {MAX_SESSIONS} sessions and opens no more"),
            ));
        }
        if let Err(last) = self.epochs.rise(hello.producer, hello.epoch) {
            return Err(Refused {
                epoch: last,
                ..Refused::new(
                    RefusedReason::Epoch,
                    format!(
                        "epoch {} is not higher than {last}, the last one of producer {}: \
                         is a copy of its spool in use?",
                        hello.epoch, hello.producer
                    ),
                )
            });
        }
        if let Some(&old) = self.by_producer.get(&hello.producer) {
            if let Some(open) = self.open.get(&old).filter(|open| open.peer != peer) {
                let refused = Refused::new(
                    RefusedReason::Superseded,
                    format!("epoch {} of the same producer has taken over", hello.epoch),
                );
                answers.push((open.peer.clone(), ToClient::Refused(refused)));
            }
            self.remove(old);
        }
        // A connection has one session.
        if let Some(&old) = self.by_peer.get(&peer) {
            self.remove(old);
        }
        let id = loop {
            let id = random_u64();
            if id != 0 && !self.open.contains_key(&id) {
                break id;
            }
        };
        let session = Session {
            peer: peer.clone(),
            producer: hello.producer,
            epoch: hello.epoch,
            welcomed: false,
            received: 0,
            grant: Grant::default(),
            head: hello.head,
            rewound: false,
            last_seen: now,
            used: now,
            served: false,
            levels: NO_FILTER,
        };
        self.open.insert(id, session);
        self.by_peer.insert(peer, id);
        self.by_producer.insert(hello.producer, id);
        Ok(Some(PendingSession {
            session: id,
            producer: hello.producer,
            acked: hello.acked,
        }))
    }

    /// The store has everything of the session's producer before `stored_to`, and durably.
    pub fn resume_at(
        &mut self,
        session: u64,
        stored_to: u64,
        now: Instant,
        answers: &mut Answers<P>,
    ) {
        let sessions = self.open.len();
        let Some(open) = self.open.get_mut(&session) else {
            return;
        };
        if open.welcomed {
            return;
        }
        open.welcomed = true;
        open.received = stored_to;
        open.grant = Grant::new(stored_to);
        (open.last_seen, open.used) = (now, now);
        self.budget.refill(session, &mut open.grant, sessions);
        let welcome = Welcome {
            version: VERSION,
            session,
            epoch: open.epoch,
            stored_to,
            credit: open.grant.limit,
        };
        answers.push((open.peer.clone(), ToClient::Welcome(welcome)));
    }

    /// A batch came. If it is to be taken it counts as received.
    pub fn batch(&mut self, peer: &P, header: BatchHeader, now: Instant) -> BatchDecision {
        let BatchHeader { session, from, to } = header;
        let Some(open) = self.of_mut(peer, session) else {
            return BatchDecision::Refused(unknown());
        };
        open.last_seen = now;
        if from >= to {
            return BatchDecision::Refused(Refused::new(
                RefusedReason::Malformed,
                format!("a batch cannot cover the offsets {from} to {to}"),
            ));
        }
        if to <= open.received {
            return BatchDecision::Replay(open.ack(session));
        }
        if from != open.received || from >= open.grant.limit {
            if std::mem::replace(&mut open.rewound, true) && from != open.received {
                return BatchDecision::Ignore;
            }
            return BatchDecision::Rewind(open.rewind(session));
        }
        open.rewound = false;
        open.received = to;
        open.head = open.head.max(to);
        open.used = now;
        BatchDecision::Take
    }

    /// What a session sent is durable up to here. Answers it, and those who waited for the credit.
    pub fn durable(&mut self, session: u64, to: u64, answers: &mut Answers<P>) {
        let sessions = self.open.len();
        if let Some(open) = self.open.get_mut(&session) {
            self.budget.settle(&mut open.grant, to.min(open.received));
            match self.budget.is_exhausted() {
                // Others wait: who logs a little all the time must not hold what it got when it was alone.
                true if open.is_idle() => self.budget.revoke(&mut open.grant, 0),
                true => {
                    let under_way = open.received.saturating_sub(open.grant.durable);
                    self.budget.share(&mut open.grant, under_way, sessions);
                }
                false => {}
            }
            if !(self.budget.is_exhausted() && open.is_idle()) {
                self.budget.refill(session, &mut open.grant, sessions);
            }
            answers.push((open.peer.clone(), ToClient::Ack(open.ack(session))));
        }
        self.serve(answers);
    }

    /// A client asks.
    ///
    /// # Errors
    /// What to say if it has no session.
    pub fn ping(
        &mut self,
        peer: &P,
        ping: Ping,
        now: Instant,
    ) -> Result<ToClient<'static>, Refused<'static>> {
        let sessions = self.open.len();
        let id = ping.session;
        let exhausted = self.budget.is_exhausted();
        let Some(open) = self
            .open
            .get_mut(&id)
            .filter(|open| open.welcomed && open.peer == *peer)
        else {
            return Err(unknown());
        };
        open.last_seen = now;
        open.head = ping.head;
        open.levels = ping.levels;
        if open.is_idle() {
            match exhausted {
                true => self.budget.revoke(&mut open.grant, 0),
                false => self.budget.shrink(&mut open.grant, sessions),
            }
        }
        if !(exhausted && open.is_idle()) {
            let before = open.grant.limit;
            self.budget.refill(id, &mut open.grant, sessions);
            open.served |= open.grant.limit > before && !open.is_idle();
        }
        if ping.sent > open.received {
            // It is on its way no more: what was sent before the ping has come before it.
            return Ok(ToClient::Rewind(open.rewind(id)));
        }
        Ok(ToClient::Ack(open.ack(id)))
    }

    /// The sessions whose programs have a filter for levels and have not said that they apply this version: say it to
    /// them, when it is new and after each ping.
    pub fn behind_levels(&self, version: u64) -> impl Iterator<Item = (u64, &P)> {
        let behind = move |open: &Session<P>| ![NO_FILTER, version].contains(&open.levels);
        let sessions = self.open.iter().filter(move |(_, open)| behind(open));
        sessions.map(|(session, open)| (*session, &open.peer))
    }

    /// Whether a session is among these.
    pub fn is_behind_levels(&self, session: u64, version: u64) -> bool {
        let open = self.open.get(&session);
        open.is_some_and(|open| ![NO_FILTER, version].contains(&open.levels))
    }

    /// A client leaves. `None` if it has no session.
    pub fn bye(&mut self, peer: &P, bye: Bye) -> Option<EndedSession> {
        self.of_mut(peer, bye.session)?;
        self.take(bye.session, EndReason::Bye(bye.reason))
    }

    /// Ends a session whose client cannot be reached, or is not to be trusted.
    pub fn cut(&mut self, session: u64) -> Option<EndedSession> {
        self.take(session, EndReason::Cut)
    }

    /// The session of a connection.
    pub fn of_peer(&self, peer: &P) -> Option<u64> {
        self.by_peer.get(peer).copied()
    }

    /// What is to be done now and then (each 100 ms): hands out credit that was freed or lies idle; gives the sessions
    /// whose clients have gone.
    pub fn tick(&mut self, now: Instant, answers: &mut Answers<P>) -> Vec<EndedSession> {
        let silent: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, open)| now.saturating_duration_since(open.last_seen) >= GONE_AFTER)
            .map(|(id, _)| *id)
            .collect();
        let ended = silent
            .into_iter()
            .filter_map(|id| self.take(id, EndReason::Silent))
            .collect();
        if self.budget.is_exhausted() {
            for (id, open) in &mut self.open {
                if std::mem::take(&mut open.served) {
                    open.used = now;
                }
                // Also one that says that it has records: who may send them does so at once, unless it was stopped.
                let idle = open.received == open.grant.durable
                    && now.saturating_duration_since(open.used) >= IDLE_AFTER;
                if idle && open.grant.limit > open.grant.durable {
                    self.budget.revoke(&mut open.grant, 0);
                    answers.push((open.peer.clone(), ToClient::Ack(open.ack(*id))));
                }
            }
        }
        self.serve(answers);
        ended
    }

    /// The daemon stops: says so to all.
    pub fn closing(&mut self, answers: &mut Answers<P>) {
        for (session, open) in &self.open {
            let closing = Closing { session: *session };
            answers.push((open.peer.clone(), ToClient::Closing(closing)));
        }
    }

    fn serve(&mut self, answers: &mut Answers<P>) {
        let sessions = self.open.len();
        while let Some(id) = self.budget.next() {
            if let Some(open) = self.open.get_mut(&id) {
                self.budget.serve(&mut open.grant, sessions);
                open.served = true;
                answers.push((open.peer.clone(), ToClient::Ack(open.ack(id))));
            }
        }
    }

    fn of_mut(&mut self, peer: &P, session: u64) -> Option<&mut Session<P>> {
        self.open
            .get_mut(&session)
            .filter(|open| open.welcomed && open.peer == *peer)
    }

    fn take(&mut self, session: u64, reason: EndReason) -> Option<EndedSession> {
        let producer = self.remove(session)?;
        Some(EndedSession {
            session,
            producer,
            reason,
        })
    }

    fn remove(&mut self, session: u64) -> Option<ProducerId> {
        let open = self.open.remove(&session)?;
        self.budget.release(session, &open.grant);
        if self.by_peer.get(&open.peer) == Some(&session) {
            self.by_peer.remove(&open.peer);
        }
        if self.by_producer.get(&open.producer) == Some(&session) {
            self.by_producer.remove(&open.producer);
        }
        Some(open.producer)
    }
}

impl<P> Session<P> {
    fn ack(&self, session: u64) -> Ack {
        Ack {
            session,
            stored_to: self.grant.durable,
            credit: self.grant.limit,
        }
    }

    fn rewind(&self, session: u64) -> Rewind {
        Rewind {
            session,
            received_to: self.received,
            stored_to: self.grant.durable,
            credit: self.grant.limit,
        }
    }

    /// Whether nothing of it is under way, nor about to be.
    fn is_idle(&self) -> bool {
        self.received == self.grant.durable && self.head <= self.received
    }
}

fn unknown() -> Refused<'static> {
    Refused::new(
        RefusedReason::UnknownSession,
        "the session is not, or no longer, one of this connection: say hello again",
    )
}
