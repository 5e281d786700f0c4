//! Handles the clients' messages and the store's events: between the state machine, the intake and the metrics.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use distlog_proto::session::{
    BatchDecision, BatchHeader, Bye, ByeReason, Dropped, EndReason, EndedSession, Hello, NO_FILTER,
    NO_LEVELS, Ping, Refused, RefusedReason, Sessions, ToClient, ToDaemon,
};
use distlog_proto::wire::DecodeError;
use distlog_proto::{BatchRef, ProducerId, Topic};

use super::super::authorize::{Authorized, authorize};
use super::message::{Message, Peer};
use super::store_events::{StoreEvent, StoreEvents};
use crate::access::curve::REVOKED;
use crate::intake::{Closed, Stored};
use crate::liveness::ProducerEnd;
use crate::receiver::{Checked, ReceiverContext};
use crate::self_telemetry::ProducerInfo;

const SESSION: &str = "session";
/// Bytes that all clients together may have in flight, counted as in their rings.
const CREDIT_BUDGET: u64 = 64 << 20;
/// Nothing more is read while so many bytes are not yet durable. Clients that keep to their credit never reach it.
const MAX_PENDING_BYTES: usize = 2 * CREDIT_BUDGET as usize;

/// What the state machine does not know of a session.
struct Client {
    peer: Peer,
    /// For the metrics.
    info: ProducerInfo,
}

pub(super) struct Handler {
    context: ReceiverContext,
    events: Arc<StoreEvents>,
    sessions: Sessions<Peer>,
    clients: HashMap<u64, Client>,
    replies: Vec<(Peer, ToClient<'static>)>,
    /// The version of levels that was said to all.
    levels: u64,
}

impl Handler {
    pub(super) fn new(context: ReceiverContext, events: Arc<StoreEvents>) -> Handler {
        Handler {
            context,
            events,
            sessions: Sessions::new(CREDIT_BUDGET),
            clients: HashMap::new(),
            replies: Vec::new(),
            levels: NO_LEVELS,
        }
    }

    /// Whether no more messages should be read now.
    pub(super) fn is_full(&self) -> bool {
        self.context.intake.credited() >= MAX_PENDING_BYTES
    }

    /// The replies since this was called last.
    pub(super) fn replies(&mut self) -> Vec<(Peer, ToClient<'static>)> {
        std::mem::take(&mut self.replies)
    }

    /// Whether there is no session.
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Tells all clients that the daemon stops.
    pub(super) fn closing(&mut self) {
        self.sessions.closing(&mut self.replies);
    }

    /// Takes the store's events.
    pub(super) fn store_events(&mut self) {
        let now = Instant::now();
        for event in self.events.take() {
            match event {
                StoreEvent::ResumeAt { session, offset } => {
                    self.sessions
                        .resume_at(session, offset, now, &mut self.replies);
                }
                StoreEvent::Durable { session, to } => {
                    self.sessions.durable(session, to, &mut self.replies);
                }
                StoreEvent::Gap { session } => self.end(
                    session,
                    Refused::new(
                        RefusedReason::UnknownSession,
                        "records of this producer came by another connection: say hello again",
                    ),
                ),
                StoreEvent::Refused { session } => self.end(
                    session,
                    Refused::new(RefusedReason::Malformed, "the batch cannot be stored"),
                ),
            }
        }
    }

    /// Ends sessions that are silent, and updates the gauges.
    pub(super) fn tick(&mut self) {
        for ended in self.sessions.tick(Instant::now(), &mut self.replies) {
            self.ended(ended);
        }
        self.say_levels();
        // A session that another one replaced is not among those that ended.
        if self.clients.len() > self.sessions.len() {
            let sessions = &self.sessions;
            self.clients
                .retain(|id, _| sessions.producer(*id).is_some());
        }
        let metrics = &self.context.metrics;
        metrics.sessions.set(self.sessions.len() as u64);
        metrics.session_credit_bytes.set(self.sessions.granted());
    }

    /// Says levels that are new to all that have a filter for them.
    fn say_levels(&mut self) {
        let version = self.context.levels.version();
        if self.levels == version {
            return;
        }
        self.levels = version;
        let behind = self.sessions.behind_levels(version);
        let behind: Vec<u64> = behind.map(|(session, _)| session).collect();
        for session in behind {
            self.say_levels_to(session);
        }
    }

    fn say_levels_to(&mut self, session: u64) {
        let producer = self.sessions.producer(session);
        if let Some((producer, client)) = producer.zip(self.clients.get(&session)) {
            let levels = &self.context.levels;
            let levels = levels.levels_for(session, producer, &client.info.service);
            let peer = Arc::clone(&client.peer);
            self.replies.push((peer, ToClient::Levels(levels)));
        }
    }

    /// Handles a client's message; `checked` is what was found in its batch.
    ///
    /// # Errors
    /// If the daemon stops. The clients get a closing message soon.
    pub(super) fn handle(
        &mut self,
        message: Message,
        checked: Option<Result<Checked, DecodeError>>,
    ) -> Result<(), Closed> {
        let Message {
            peer,
            address,
            refused,
            head,
            body,
            frames,
        } = message;
        if let Some(detail) = refused {
            self.fault(REVOKED, address.as_deref(), &detail);
            self.cut(&peer);
            let refused = Refused::new(RefusedReason::Unauthorized, detail);
            self.replies.push((peer, ToClient::Refused(refused)));
            return Ok(());
        }
        let said = match ToDaemon::decode(&head) {
            Ok(said) => said,
            Err(_) if Topic::parse(&head).is_ok() => {
                let hint = "messages with a topic are to be sent to the push receiver, listen.push";
                self.fault("a message for push", address.as_deref(), hint);
                self.malformed(&peer, hint);
                return Ok(());
            }
            Err(error) => {
                self.fault("bad message", address.as_deref(), error);
                self.malformed(&peer, &format!("the message cannot be read: {error}"));
                return Ok(());
            }
        };
        let address = address.as_deref();
        match (said, body.zip(checked), frames) {
            (ToDaemon::Batch(header), Some(batch), 2) => self.batch(&peer, address, header, batch),
            (ToDaemon::Hello(hello), None, 1) => self.hello(&peer, address, &hello),
            (ToDaemon::Ping(ping), None, 1) => {
                self.ping(&peer, ping);
                Ok(())
            }
            (ToDaemon::Bye(bye), None, 1) => self.bye(&peer, bye),
            _ => {
                let why = "a batch has 2 frames, any other message 1";
                let detail = format!("{why}; this message has {frames}");
                self.fault("wrong number of frames", address, &detail);
                self.malformed(&peer, &detail);
                Ok(())
            }
        }
    }

    fn hello(
        &mut self,
        peer: &Peer,
        address: Option<&str>,
        hello: &Hello<'_>,
    ) -> Result<(), Closed> {
        let now = Instant::now();
        let answered = producer_info(hello).and_then(|info| {
            let (peer, replies) = (Arc::clone(peer), &mut self.replies);
            let asked = self.sessions.hello(peer, hello, now, replies)?;
            Ok((info, asked))
        });
        let (info, asked) = match answered {
            Ok((info, Some(asked))) => (info, asked),
            Ok((_, None)) => return Ok(()),
            Err(refused) => {
                self.refuse(peer, address, refused);
                return Ok(());
            }
        };
        self.context.metrics.session_started.inc();
        self.context.liveness.note_seen(asked.producer);
        let drops = &self.context.drops;
        drops.note(asked.producer, &info, &hello.dropped);
        // Its first ping says whether it has a filter.
        self.context.levels.note(asked.producer, &info, NO_FILTER);
        let peer = Arc::clone(peer);
        self.clients.insert(asked.session, Client { peer, info });
        let (events, session) = (Arc::clone(&self.events), asked.session);
        let answer = move |offset| events.put(StoreEvent::ResumeAt { session, offset });
        let intake = &self.context.intake;
        intake.resume_offset(asked.producer, asked.acked, Box::new(answer))
    }

    fn batch(
        &mut self,
        peer: &Peer,
        address: Option<&str>,
        header: BatchHeader,
        (bytes, checked): (Vec<u8>, Result<Checked, DecodeError>),
    ) -> Result<(), Closed> {
        self.context.received(SESSION, "B", 1, bytes.len());
        match self.sessions.batch(peer, header, Instant::now()) {
            BatchDecision::Take => {}
            BatchDecision::Replay(ack) => {
                self.context.metrics.session_replayed_batches.inc();
                self.seen(header.session);
                self.replies.push((Arc::clone(peer), ToClient::Ack(ack)));
                return Ok(());
            }
            BatchDecision::Rewind(rewind) => {
                self.context.metrics.session_rewinds.inc();
                self.seen(header.session);
                let rewind = ToClient::Rewind(rewind);
                self.replies.push((Arc::clone(peer), rewind));
                return Ok(());
            }
            BatchDecision::Ignore => {
                self.context.metrics.session_rewinds.inc();
                return Ok(());
            }
            BatchDecision::Refused(refused) => {
                self.refuse(peer, address, refused);
                return Ok(());
            }
        }
        let session = header.session;
        let Some(producer) = self.seen(session) else {
            return Ok(());
        };
        let validated = checked.and_then(|checked| checked.into_validated(bytes));
        let Authorized {
            mut batch,
            left_out,
        } = match authorize(header, producer, validated) {
            Ok(authorized) => authorized,
            Err(refused) => {
                self.refuse(peer, address, refused);
                return Ok(());
            }
        };
        if let Some(left_out) = left_out {
            self.context.refused(SESSION, "B", left_out.records);
            self.fault("bad records", address, left_out);
        }
        self.context.accepted(SESSION, "B", batch.count.into());
        let (events, to) = (Arc::clone(&self.events), header.to);
        batch.done = Some(Box::new(move |stored| {
            events.put(match stored {
                Stored::Durable => StoreEvent::Durable { session, to },
                Stored::Gap { .. } => StoreEvent::Gap { session },
                Stored::Refused => StoreEvent::Refused { session },
            });
        }));
        self.context.intake.submit_credited(batch)
    }

    fn ping(&mut self, peer: &Peer, ping: Ping) {
        let answer = match self.sessions.ping(peer, ping, Instant::now()) {
            Ok(answer) => {
                self.seen(ping.session);
                self.dropped(ping.session, &ping.dropped);
                self.note_levels(ping);
                answer
            }
            Err(refused) => ToClient::Refused(refused),
        };
        self.replies.push((Arc::clone(peer), answer));
    }

    /// Notes which levels a program applies, and says those of now if these are others.
    fn note_levels(&mut self, ping: Ping) {
        let (session, levels) = (ping.session, &self.context.levels);
        let producer = self.sessions.producer(session);
        if let Some((producer, client)) = producer.zip(self.clients.get(&session)) {
            levels.note(producer, &client.info, ping.levels);
        }
        if self.sessions.is_behind_levels(session, levels.version()) {
            self.say_levels_to(session);
        }
    }

    fn bye(&mut self, peer: &Peer, bye: Bye) -> Result<(), Closed> {
        let Some(ended) = self.sessions.bye(peer, bye) else {
            return Ok(());
        };
        if let Some(client) = self.clients.get(&ended.session) {
            let drops = &self.context.drops;
            drops.note(ended.producer, &client.info, &bye.dropped);
        }
        self.ended(ended);
        let liveness = Arc::clone(&self.context.liveness);
        let end = match bye.reason {
            ByeReason::Moving => {
                liveness.note_moved(ended.producer);
                return Ok(());
            }
            ByeReason::Done => ProducerEnd::Exited,
            ByeReason::Died => ProducerEnd::Died,
        };
        // Readers of the store see all that it sent before.
        let note = Box::new(move || liveness.note_end(ended.producer, end));
        self.context.intake.after(note)
    }

    fn ended(&mut self, ended: EndedSession) {
        self.clients.remove(&ended.session);
        self.context.levels.forget(ended.producer);
        if ended.reason == EndReason::Silent {
            tracing::debug!(producer = %ended.producer, "a client of a session has disconnected without a bye");
        }
    }

    /// Notes that a session's producer is alive; gives the producer.
    fn seen(&self, session: u64) -> Option<ProducerId> {
        let producer = self.sessions.producer(session)?;
        self.context.liveness.note_seen(producer);
        Some(producer)
    }

    fn dropped(&self, session: u64, dropped: &Dropped) {
        if let (Some(producer), Some(client)) =
            (self.sessions.producer(session), self.clients.get(&session))
        {
            self.context.drops.note(producer, &client.info, dropped);
        }
    }

    fn fault(&self, reason: &'static str, address: Option<&str>, detail: impl Display) {
        self.context
            .rejected
            .report(SESSION, reason, address, detail);
    }

    /// A connection's message cannot be read: its session ends.
    fn malformed(&mut self, peer: &Peer, detail: &str) {
        self.cut(peer);
        let refused = Refused::new(RefusedReason::Malformed, detail);
        self.replies
            .push((Arc::clone(peer), ToClient::Refused(refused)));
    }

    /// Refuses a request. A fault of the client is reported; a malformed or forged batch also ends its session.
    fn refuse(&mut self, peer: &Peer, address: Option<&str>, refused: Refused<'static>) {
        let reason = match refused.reason {
            RefusedReason::Version => Some("unknown version"),
            RefusedReason::Epoch => Some("stale epoch"),
            RefusedReason::Malformed => Some("bad message"),
            RefusedReason::Forged => Some("forged batch"),
            RefusedReason::Busy => Some("too many sessions"),
            // Normal after a restart of the daemon, or for a client that was superseded.
            _ => None,
        };
        if let Some(reason) = reason {
            self.fault(reason, address, &refused.detail);
        }
        if matches!(
            refused.reason,
            RefusedReason::Malformed | RefusedReason::Forged
        ) {
            self.cut(peer);
        }
        self.replies
            .push((Arc::clone(peer), ToClient::Refused(refused)));
    }

    /// Ends the session of a connection, if there is one.
    pub(super) fn cut(&mut self, peer: &Peer) {
        let ended = self
            .sessions
            .of_peer(peer)
            .and_then(|session| self.sessions.cut(session));
        if let Some(ended) = ended {
            self.ended(ended);
        }
    }

    /// Ends a session and says why.
    fn end(&mut self, session: u64, refused: Refused<'static>) {
        let Some(client) = self.clients.get(&session) else {
            return;
        };
        let peer = Arc::clone(&client.peer);
        // The connection may have another one by now.
        if self.sessions.of_peer(&peer) == Some(session) {
            self.refuse(&peer, None, refused);
            self.cut(&peer);
        }
    }
}

/// Who asks for a session.
fn producer_info(hello: &Hello<'_>) -> Result<ProducerInfo, Refused<'static>> {
    let malformed = |detail: String| Refused::new(RefusedReason::Malformed, detail);
    if hello.acked > hello.head {
        return Err(malformed(format!(
            "hello: acked offset {} is beyond the end of the records, {}",
            hello.acked, hello.head
        )));
    }
    if hello.source.is_empty() {
        return Ok(ProducerInfo::default());
    }
    let about = BatchRef::parse(hello.source)
        .map_err(|error| malformed(format!("hello: the source cannot be read: {error}")))?;
    let source = about.source();
    if source.producer != hello.producer {
        return Err(Refused::new(
            RefusedReason::Forged,
            format!(
                "hello: producer {} has a source that names {}",
                hello.producer, source.producer
            ),
        ));
    }
    Ok(ProducerInfo::new(source))
}
