//! The client's end of a session.

use std::fmt;
use std::time::{Duration, Instant};

use super::message::*;
use crate::id::ProducerId;

/// Between two pings while something is not acked or may not be sent.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The first of these pings comes so soon when there is no credit.
const ASK_FOR_CREDIT: Duration = Duration::from_millis(100);
/// Nothing arrives for so long after a ping: the daemon is away.
const SILENT_AFTER: Duration = Duration::from_secs(3);
/// No heartbeat is slower: the daemon ends a session in which it hears nothing for a minute.
const SLOWEST: Duration = Duration::from_secs(20);

/// Where a producer stands with a daemon. It says what to send and what may be forgotten.
///
/// Each attempt begins with [`hello`](Client::hello) on a new connection. While it is [joined](Client::is_joined),
/// batches that begin at [`next`](Client::next) may be sent as long as [`may_send`](Client::may_send); what comes is
/// given to [`receive`](Client::receive), after which `next` and [`acked`](Client::acked) may have moved: `next` back
/// (read the same records again) or ahead (the daemon has more than we knew).
#[derive(Debug)]
pub struct Client {
    producer: ProducerId,
    heartbeat: Duration,
    state: State,
    epoch: u64,
    acked: u64,
    next: u64,
    /// The furthest end of a batch sent in this session.
    furthest: u64,
    credit: u64,
    /// When the last message of the daemon arrived.
    last_seen: Instant,
    /// When it was pinged last.
    asked: Instant,
    /// The first ping since its last message.
    unanswered: Option<Instant>,
    /// Since when there was something to take, and nothing was.
    stuck: Option<Instant>,
    levels: LevelsState,
}

/// What the daemon said about levels in this session.
#[derive(Debug, Default)]
struct LevelsState {
    /// The program has a filter for them.
    has_filter: bool,
    /// The version of those that came last; 0: none did.
    version: u64,
    /// What the last ping said of them.
    said: u64,
    /// Those that came since they were asked for.
    arrived: Option<Levels<'static>>,
}

impl LevelsState {
    /// What pings are to say.
    fn word(&self) -> u64 {
        match self.has_filter {
            true => self.version.max(NO_LEVELS),
            false => NO_FILTER,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Disconnected,
    HelloSent,
    Joined { session: u64 },
}

/// An attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The daemon does not answer.
    Silent,
    /// It refuses us.
    Refused(Refused<'static>),
    /// It stops.
    Closing,
    /// It says what cannot be.
    ProtocolViolation(ProtocolViolation),
}

/// What a daemon said that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolViolation {
    what: &'static str,
    said: u64,
    from: u64,
    to: u64,
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionEnd::Silent => f.write_str("it does not answer"),
            SessionEnd::Refused(refused) => write!(f, "it refuses: {}", refused.detail),
            SessionEnd::Closing => f.write_str("it stops"),
            SessionEnd::ProtocolViolation(ProtocolViolation {
                what,
                said,
                from,
                to,
            }) => write!(
                f,
                "it says that {what} {said}, where only {from} to {to} can be"
            ),
        }
    }
}

impl Client {
    /// A producer of which all before `acked` is durable somewhere. While nothing else is to be said it pings each
    /// `heartbeat`, at least each 20 seconds.
    pub fn new(producer: ProducerId, acked: u64, heartbeat: Duration, now: Instant) -> Client {
        Client {
            producer,
            heartbeat: heartbeat.min(SLOWEST),
            state: State::Disconnected,
            epoch: 0,
            acked,
            next: acked,
            furthest: acked,
            credit: 0,
            last_seen: now,
            asked: now,
            unanswered: None,
            stuck: None,
            levels: LevelsState::default(),
        }
    }

    /// Begins an attempt, on a connection that nothing was sent on yet. `epoch` is higher than that of every attempt
    /// before, `head` the offset up to which there are records, `source` a batch with the source alone.
    pub fn hello<'a>(
        &mut self,
        epoch: u64,
        head: u64,
        dropped: Dropped,
        source: &'a [u8],
        now: Instant,
    ) -> Hello<'a> {
        self.state = State::HelloSent;
        self.epoch = epoch;
        self.credit = 0;
        (self.last_seen, self.asked, self.unanswered) = (now, now, Some(now));
        Hello {
            version: VERSION,
            producer: self.producer,
            epoch,
            acked: self.acked,
            head,
            dropped,
            source,
        }
    }

    /// Takes what the daemon says. `head` is the offset up to which there are records.
    ///
    /// # Errors
    /// When the attempt is over; begin another.
    pub fn receive(
        &mut self,
        message: &ToClient<'_>,
        head: u64,
        now: Instant,
    ) -> Result<(), SessionEnd> {
        let over = match (self.state, message) {
            (State::HelloSent, ToClient::Welcome(welcome)) if welcome.epoch == self.epoch => {
                self.welcome(*welcome, head)
            }
            (State::Joined { session }, ToClient::Ack(ack)) if ack.session == session => {
                self.ack(ack.stored_to, ack.credit)
            }
            (State::Joined { session }, ToClient::Rewind(rewind)) if rewind.session == session => {
                self.ack(rewind.stored_to, rewind.credit)
                    .and_then(|()| self.rewind(rewind.received_to))
            }
            (State::Joined { session }, ToClient::Closing(closing))
                if closing.session == session =>
            {
                Err(SessionEnd::Closing)
            }
            (State::Joined { session }, ToClient::Levels(levels)) if levels.session == session => {
                self.take_notice(levels);
                Ok(())
            }
            (State::HelloSent | State::Joined { .. }, ToClient::Refused(refused)) => {
                Err(SessionEnd::Refused(refused.clone().into_owned()))
            }
            // Of another attempt, or said twice.
            _ => return Ok(()),
        };
        (self.last_seen, self.unanswered) = (now, None);
        self.ending(over)
    }

    fn welcome(&mut self, welcome: Welcome, head: u64) -> Result<(), SessionEnd> {
        if welcome.version != VERSION {
            return Err(SessionEnd::Refused(Refused::new(
                RefusedReason::Version,
                format!(
                    "the daemon speaks version {} of the session protocol, this client {VERSION}",
                    welcome.version
                ),
            )));
        }
        let to = welcome.stored_to;
        if to < self.acked || to > head {
            return Err(violation("it has all before", to, self.acked, head));
        }
        self.state = State::Joined {
            session: welcome.session,
        };
        (self.acked, self.next, self.furthest) = (to, to, to);
        self.credit = welcome.credit;
        self.stuck = None;
        // Another daemon counts anew.
        self.levels = LevelsState {
            has_filter: self.levels.has_filter,
            ..LevelsState::default()
        };
        Ok(())
    }

    fn take_notice(&mut self, levels: &Levels<'_>) {
        // It is said again until a ping has its version.
        if levels.version >= FIRST_LEVELS && levels.version != self.levels.version {
            self.levels.version = levels.version;
            self.levels.arrived = Some(levels.clone().into_owned());
        }
    }

    fn ack(&mut self, stored_to: u64, credit: u64) -> Result<(), SessionEnd> {
        if stored_to > self.furthest {
            return Err(violation(
                "it has all before",
                stored_to,
                self.acked,
                self.furthest,
            ));
        }
        // An older word that was overtaken.
        if stored_to < self.acked {
            return Ok(());
        }
        if stored_to > self.acked {
            self.stuck = None;
        }
        self.acked = stored_to;
        self.next = self.next.max(stored_to);
        self.credit = credit;
        Ok(())
    }

    fn rewind(&mut self, received_to: u64) -> Result<(), SessionEnd> {
        if received_to > self.furthest {
            return Err(violation(
                "it received all before",
                received_to,
                self.acked,
                self.furthest,
            ));
        }
        // What is acked was received since.
        if received_to >= self.acked {
            self.next = received_to;
        }
        Ok(())
    }

    fn ending(&mut self, result: Result<(), SessionEnd>) -> Result<(), SessionEnd> {
        if result.is_err() {
            self.state = State::Disconnected;
        }
        result
    }

    /// Looks at the time; gives a ping if one is due. Call it often, each 100 ms at least.
    ///
    /// # Errors
    /// When the attempt is over, since the daemon is silent.
    pub fn check(
        &mut self,
        head: u64,
        dropped: Dropped,
        now: Instant,
    ) -> Result<Option<Ping>, SessionEnd> {
        if self.state == State::Disconnected {
            return Ok(None);
        }
        if let Some(asked) = self.unanswered
            && now.saturating_duration_since(asked) >= SILENT_AFTER
        {
            return self.ending(Err(SessionEnd::Silent)).map(|()| None);
        }
        if head > self.acked {
            self.stuck.get_or_insert(now);
        } else {
            self.stuck = None;
        }
        let State::Joined { session } = self.state else {
            return Ok(None);
        };
        let blocked = head > self.next && !self.may_send();
        let every = match (blocked, head > self.acked) {
            (true, _) if self.unanswered.is_none() => ASK_FOR_CREDIT,
            (true, _) | (_, true) => ASK_EVERY.min(self.heartbeat),
            (false, false) => self.heartbeat,
        };
        let levels = self.levels.word();
        let has_news = levels != self.levels.said;
        if !has_news && now.saturating_duration_since(self.asked) < every {
            return Ok(None);
        }
        self.asked = now;
        self.unanswered.get_or_insert(now);
        self.levels.said = levels;
        Ok(Some(Ping {
            session,
            sent: self.next,
            head,
            dropped,
            levels,
        }))
    }

    /// Whether the program has a filter for levels: the daemon is told, and says levels then.
    pub fn set_levels_filter(&mut self, has_filter: bool) {
        self.levels.has_filter = has_filter;
    }

    /// The levels that came since this was asked last. From the next ping on the daemon takes them for applied.
    pub fn take_levels(&mut self) -> Option<Levels<'static>> {
        self.levels.arrived.take()
    }

    /// Whether the daemon has taken us.
    pub fn is_joined(&self) -> bool {
        matches!(self.state, State::Joined { .. })
    }

    /// All before is durable and may be forgotten.
    pub fn acked(&self) -> u64 {
        self.acked
    }

    /// Where the next batch begins.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether a batch may be sent now.
    pub fn may_send(&self) -> bool {
        self.is_joined() && self.next < self.credit
    }

    /// The header of the next batch, which ends at `to` and is now sent.
    pub fn batch(&mut self, to: u64) -> BatchHeader {
        let header = BatchHeader {
            session: self.session(),
            from: self.next,
            to,
        };
        self.next = to;
        self.furthest = self.furthest.max(to);
        header
    }

    /// Ends the session.
    pub fn bye(&mut self, reason: ByeReason, dropped: Dropped) -> Option<Bye> {
        let session = self.is_joined().then(|| self.session())?;
        self.state = State::Disconnected;
        Some(Bye {
            session,
            reason,
            dropped,
        })
    }

    /// For how long there was something to take and nothing was.
    pub fn stuck_for(&self, now: Instant) -> Duration {
        self.stuck
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn session(&self) -> u64 {
        match self.state {
            State::Joined { session } => session,
            State::Disconnected | State::HelloSent => 0,
        }
    }
}

fn violation(what: &'static str, said: u64, from: u64, to: u64) -> SessionEnd {
    SessionEnd::ProtocolViolation(ProtocolViolation {
        what,
        said,
        from,
        to,
    })
}
