//! What is done with what clients say, and with news of the store: between the state machine, the intake and the counters.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use distlog_proto::session::{
    BatchDecision, BatchHeader, Bye, ByeReason, Dropped, EndReason, EndedSession, Hello, Ping,
    Refused, RefusedReason, Sessions, ToClient, ToDaemon,
};
use distlog_proto::{BatchRef, ProducerId, Topic};

use super::super::fit::{Fitting, fit};
use super::super::hall::Hall;
use super::counts::Counts;
use super::line::{Message, Peer};
use super::notices::{Notice, Notices};
use crate::heard::Over;
use crate::intake::{Closed, Stored};
use crate::losses::Whose;

const DOOR: &str = "session";
/// All clients together may have so much under way, in bytes of their rings.
const BUDGET: u64 = 64 << 20;
/// While so much of it waits to become durable nothing more is to be read: clients that keep to their credit never get
/// there.
const FULL: usize = 2 * BUDGET as usize;

/// What the state machine does not know of a session.
struct Client {
    peer: Peer,
    /// For the counters.
    whose: Whose,
}

pub(super) struct Desk {
    hall: Hall,
    counts: Counts,
    notices: Arc<Notices>,
    sessions: Sessions<Peer>,
    clients: HashMap<u64, Client>,
    answers: Vec<(Peer, ToClient<'static>)>,
}

impl Desk {
    pub(super) fn new(hall: Hall, counts: Counts, notices: Arc<Notices>) -> Desk {
        Desk {
            hall,
            counts,
            notices,
            sessions: Sessions::new(BUDGET),
            clients: HashMap::new(),
            answers: Vec::new(),
        }
    }

    /// Whether it would rather not hear more now.
    pub(super) fn is_full(&self) -> bool {
        self.hall.intake.credited() >= FULL
    }

    /// What is to be said since this was asked last.
    pub(super) fn answers(&mut self) -> Vec<(Peer, ToClient<'static>)> {
        std::mem::take(&mut self.answers)
    }

    /// Whether nobody has a session.
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The daemon stops: says so to all.
    pub(super) fn closing(&mut self) {
        self.sessions.closing(&mut self.answers);
    }

    /// Takes the news of the store.
    pub(super) fn hear_of_the_store(&mut self) {
        let now = Instant::now();
        for notice in self.notices.take() {
            match notice {
                Notice::Stands { session, to } => {
                    self.sessions.resume_at(session, to, now, &mut self.answers);
                }
                Notice::Durable { session, to } => {
                    self.sessions.durable(session, to, &mut self.answers);
                }
                Notice::Gap { session } => self.end(
                    session,
                    Refused::new(
                        RefusedReason::UnknownSession,
                        "records of this producer have come another way: say hello again",
                    ),
                ),
                Notice::Refused { session } => self.end(
                    session,
                    Refused::new(RefusedReason::Malformed, "the batch cannot be stored"),
                ),
            }
        }
    }

    /// What is to be done now and then.
    pub(super) fn tick(&mut self) {
        for ended in self.sessions.tick(Instant::now(), &mut self.answers) {
            self.ended(ended);
        }
        // A session that another took the place of is not told of.
        if self.clients.len() > self.sessions.len() {
            let sessions = &self.sessions;
            self.clients
                .retain(|id, _| sessions.producer(*id).is_some());
        }
        self.counts.open.set(self.sessions.len() as u64);
        self.counts.credit.set(self.sessions.granted());
    }

    /// Takes what a client says.
    ///
    /// # Errors
    /// If the daemon stops: the clients hear of it soon.
    pub(super) fn handle(&mut self, message: Message) -> Result<(), Closed> {
        let Message {
            peer,
            address,
            head,
            body,
            frames,
        } = message;
        let said = match ToDaemon::decode(&head) {
            Ok(said) => said,
            Err(_) if Topic::parse(&head).is_ok() => {
                let hint = "messages with a topic are to be sent to the push door, listen.push";
                self.fault("a message for the push door", address.as_deref(), hint);
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
        match (said, body, frames) {
            (ToDaemon::Batch(header), Some(body), 2) => self.batch(&peer, address, header, body),
            (ToDaemon::Hello(hello), None, 1) => self.hello(&peer, address, &hello),
            (ToDaemon::Ping(ping), None, 1) => {
                self.ping(&peer, ping);
                Ok(())
            }
            (ToDaemon::Bye(bye), None, 1) => self.bye(&peer, bye),
            _ => {
                let why = "a batch has 2 frames, all else has 1";
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
        let whose = match introduced(hello) {
            Ok(whose) => whose,
            Err(refused) => {
                self.refuse(peer, address, refused);
                return Ok(());
            }
        };
        let now = Instant::now();
        let asked = match self
            .sessions
            .hello(Arc::clone(peer), hello, now, &mut self.answers)
        {
            Ok(Some(asked)) => asked,
            Ok(None) => return Ok(()),
            Err(refused) => {
                self.refuse(peer, address, refused);
                return Ok(());
            }
        };
        self.counts.welcomed.inc();
        self.hall.heard.note(asked.producer);
        self.hall
            .losses
            .note(asked.producer, &whose, &hello.dropped);
        let peer = Arc::clone(peer);
        self.clients.insert(asked.session, Client { peer, whose });
        let (notices, session) = (Arc::clone(&self.notices), asked.session);
        let answer = Box::new(move |to| notices.put(Notice::Stands { session, to }));
        self.hall.intake.stand(asked.producer, asked.acked, answer)
    }

    fn batch(
        &mut self,
        peer: &Peer,
        address: Option<&str>,
        header: BatchHeader,
        body: Vec<u8>,
    ) -> Result<(), Closed> {
        self.hall.received.message(DOOR, "B", body.len());
        match self.sessions.batch(peer, header, Instant::now()) {
            BatchDecision::Take => {}
            BatchDecision::Replay(ack) => {
                self.counts.replays.inc();
                self.heard(header.session);
                self.answers.push((Arc::clone(peer), ToClient::Ack(ack)));
                return Ok(());
            }
            BatchDecision::Rewind(rewind) => {
                self.counts.rewinds.inc();
                self.heard(header.session);
                let rewind = ToClient::Rewind(rewind);
                self.answers.push((Arc::clone(peer), rewind));
                return Ok(());
            }
            BatchDecision::Ignore => {
                self.counts.rewinds.inc();
                return Ok(());
            }
            BatchDecision::Refused(refused) => {
                self.refuse(peer, address, refused);
                return Ok(());
            }
        }
        let session = header.session;
        let Some(producer) = self.heard(session) else {
            return Ok(());
        };
        let Fitting { mut batch, bad } = match fit(header, producer, body) {
            Ok(fitting) => fitting,
            Err(refused) => {
                self.refuse(peer, address, refused);
                return Ok(());
            }
        };
        if let Some((count, error)) = bad {
            let detail = format!("{count} records of a batch were left out: {error}");
            self.hall.received.refused(DOOR, "B", count);
            self.fault("bad records", address, detail);
        }
        self.hall.received.records(DOOR, "B", batch.count.into());
        let (notices, to) = (Arc::clone(&self.notices), header.to);
        batch.done = Some(Box::new(move |stored| {
            notices.put(match stored {
                Stored::Durable => Notice::Durable { session, to },
                Stored::Gap { .. } => Notice::Gap { session },
                Stored::Refused => Notice::Refused { session },
            });
        }));
        self.hall.intake.submit_credited(batch)
    }

    fn ping(&mut self, peer: &Peer, ping: Ping) {
        let answer = match self.sessions.ping(peer, ping, Instant::now()) {
            Ok(answer) => {
                self.heard(ping.session);
                self.dropped(ping.session, &ping.dropped);
                answer
            }
            Err(refused) => ToClient::Refused(refused),
        };
        self.answers.push((Arc::clone(peer), answer));
    }

    fn bye(&mut self, peer: &Peer, bye: Bye) -> Result<(), Closed> {
        let Some(ended) = self.sessions.bye(peer, bye) else {
            return Ok(());
        };
        if let Some(client) = self.clients.get(&ended.session) {
            let losses = &self.hall.losses;
            losses.note(ended.producer, &client.whose, &bye.dropped);
        }
        self.ended(ended);
        let heard = Arc::clone(&self.hall.heard);
        let how = match bye.reason {
            ByeReason::Moving => {
                heard.away(ended.producer);
                return Ok(());
            }
            ByeReason::Done => Over::Ended,
            ByeReason::Died => Over::Died,
        };
        // Behind all that it sent.
        let over = Box::new(move || heard.over(ended.producer, how));
        self.hall.intake.after(over)
    }

    fn ended(&mut self, ended: EndedSession) {
        self.clients.remove(&ended.session);
        if ended.reason == EndReason::Silent {
            tracing::debug!(producer = %ended.producer, "a client of a session has gone without a word");
        }
    }

    /// Notes that a session was heard; gives its producer.
    fn heard(&self, session: u64) -> Option<ProducerId> {
        let producer = self.sessions.producer(session)?;
        self.hall.heard.note(producer);
        Some(producer)
    }

    fn dropped(&self, session: u64, dropped: &Dropped) {
        if let (Some(producer), Some(client)) =
            (self.sessions.producer(session), self.clients.get(&session))
        {
            self.hall.losses.note(producer, &client.whose, dropped);
        }
    }

    fn fault(&self, what: &'static str, address: Option<&str>, detail: impl Display) {
        self.hall.faults.report(DOOR, what, address, detail);
    }

    /// What a connection said cannot be understood: it has no session any more.
    fn malformed(&mut self, peer: &Peer, detail: &str) {
        self.cut(peer);
        let refused = Refused::new(RefusedReason::Malformed, detail);
        self.answers
            .push((Arc::clone(peer), ToClient::Refused(refused)));
    }

    /// Refuses what a connection asked. What no honest client does is reported, and ends its session.
    fn refuse(&mut self, peer: &Peer, address: Option<&str>, refused: Refused<'static>) {
        let what = match refused.reason {
            RefusedReason::Version => Some("a version that is not known"),
            RefusedReason::Epoch => Some("an epoch that is over"),
            RefusedReason::Malformed => Some("bad message"),
            RefusedReason::Forged => Some("a forged batch"),
            RefusedReason::Busy => Some("one session too many"),
            // Of those that say so to a daemon that was started anew, or to one where they are superseded.
            _ => None,
        };
        if let Some(what) = what {
            self.fault(what, address, &refused.detail);
        }
        if matches!(
            refused.reason,
            RefusedReason::Malformed | RefusedReason::Forged
        ) {
            self.cut(peer);
        }
        self.answers
            .push((Arc::clone(peer), ToClient::Refused(refused)));
    }

    /// Ends the session of a connection, if it has one.
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

/// Whose session a hello asks for.
fn introduced(hello: &Hello<'_>) -> Result<Whose, Refused<'static>> {
    let malformed = |detail: String| Refused::new(RefusedReason::Malformed, detail);
    if hello.acked > hello.head {
        return Err(malformed(format!(
            "a hello cannot say that all before {} is acked and that there are records up to {}",
            hello.acked, hello.head
        )));
    }
    if hello.source.is_empty() {
        return Ok(Whose::default());
    }
    let about = BatchRef::parse(hello.source)
        .map_err(|error| malformed(format!("the source of a hello cannot be read: {error}")))?;
    let source = about.source();
    if source.producer != hello.producer {
        return Err(Refused::new(
            RefusedReason::Forged,
            format!(
                "a hello of producer {} says in its source that it is {}",
                hello.producer, source.producer
            ),
        ));
    }
    Ok(Whose::new(source))
}
