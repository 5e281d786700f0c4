//! [`SessionClient`]: brings the records of a producer to the session receiver of a daemon, whichever of several is
//! there.
//!
//! The first endpoint is the preferred one. Another is tried when no daemon answers, when nothing is acknowledged, when
//! the daemon stops. While the session is with another, preferred endpoints are probed now and then. What is not
//! acknowledged is sent again to the next daemon, so nothing is lost on the way.

use std::time::{Duration, Instant};

use distlog_proto::session::{ByeReason, Dropped, SessionEnd};

use crate::config::SessionConfig;
use crate::connection::Connection;
use crate::curve::Curve;
use crate::endpoints::EndpointError;
use crate::error::SessionError;
use crate::link::{Dial, SendStatus};
use crate::socket::{Dealers, WaitFor, wait};
use crate::transport::{Progress, Transport};
use crate::unacked::{EncodedBatch, Offsets, UnackedRecords};
use crate::waker::Waker;

/// Pause after an attempt that failed; it doubles up to [`max_backoff`](crate::FailoverTimeouts::max_backoff).
const MIN_BACKOFF: Duration = Duration::from_millis(100);
/// The least time that ZeroMQ gets to send a bye.
const MIN_LINGER: Duration = Duration::from_millis(100);
/// Epochs that are skipped at once when the daemon knows a higher one.
const MAX_EPOCH_SKIP: u64 = 1000;

/// A session with one daemon at a time. See [`Transport`].
pub struct SessionClient<D: Dial = Dealers> {
    config: SessionConfig<D>,
    /// Number of the current endpoint.
    current: usize,
    connection: Option<Connection<D::Link>>,
    /// Looks whether the preferred endpoint with the number is back.
    probe: Option<(usize, Connection<D::Link>)>,
    next_attempt: Instant,
    next_probe: Instant,
    /// Attempts since the last good one.
    failures: u32,
    /// The daemon knows this epoch.
    known_epoch: u64,
    /// Why the last attempt ended, if that was not normal.
    last_error: Option<String>,
}

impl SessionClient {
    /// Checks all endpoints and begins to connect. Whether a daemon answers shows later.
    ///
    /// # Errors
    /// If an endpoint cannot be one, the system gives no socket, or libzmq was built without CURVE and there are keys.
    pub fn open(config: SessionConfig) -> Result<SessionClient, EndpointError> {
        if config.dial.curve.is_some() {
            Curve::check_supported()?;
        }
        SessionClient::open_at(config, Instant::now())
    }
}

impl<D: Dial> SessionClient<D> {
    /// As [`SessionClient::open`], by any network, at a time that the caller knows.
    ///
    /// # Errors
    /// If an endpoint cannot be one, or the system gives no socket.
    pub fn open_at(
        config: SessionConfig<D>,
        now: Instant,
    ) -> Result<SessionClient<D>, EndpointError> {
        config.endpoints.check()?;
        // Each of them, so that a mistake in the last shows now and not when it is needed.
        let mut first = None;
        for (number, endpoint) in config.endpoints.iter().enumerate() {
            let connection = Connection::open(&config, (number, endpoint), now);
            let connection = connection.map_err(|source| EndpointError::Refused {
                endpoint: endpoint.to_owned(),
                source,
            })?;
            if number == 0 && !config.is_lazy {
                first = Some(connection);
            }
        }
        Ok(SessionClient {
            config,
            current: 0,
            connection: first,
            probe: None,
            next_attempt: now,
            next_probe: now,
            failures: 0,
            known_epoch: 0,
            last_error: None,
        })
    }

    /// Why there is no session, if that is not normal.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Whether there is a connection, or an attempt at one.
    pub fn is_active(&self) -> bool {
        self.connection.is_some()
    }

    /// When the next attempt begins.
    pub fn next_attempt(&self) -> Instant {
        self.next_attempt
    }

    /// Receives what is there and does what is due. Afterwards the position is where the next batch begins, and what is
    /// durable is freed.
    fn drive(&mut self, records: &mut dyn UnackedRecords, now: Instant) {
        let Offsets { acked, head, .. } = records.offsets();
        let is_wanted = !self.config.is_lazy || head > acked;
        if self.connection.is_none() && is_wanted && now >= self.next_attempt {
            self.attempt(records, now);
        }
        if let Some(connection) = &mut self.connection {
            let absent = self.config.timeouts.absent;
            match connection.work(&self.config, records, absent, now) {
                Ok(()) => self.review(records, now),
                Err(error) => self.failed(error, now),
            }
        }
        if self.current > 0 {
            self.probe_preferred(records, now);
        }
    }

    fn attempt(&mut self, records: &mut dyn UnackedRecords, now: Instant) {
        // The hello then uses a higher one.
        let known = std::mem::take(&mut self.known_epoch);
        if known > 0 {
            for _ in 0..MAX_EPOCH_SKIP {
                if records.next_epoch().is_none_or(|epoch| epoch >= known) {
                    break;
                }
            }
        }
        match Connection::open(
            &self.config,
            (self.current, self.config.endpoints.get(self.current)),
            now,
        ) {
            Ok(connection) => self.connection = Some(connection),
            Err(error) => self.failed(SessionError::NoSocket(error), now),
        }
    }

    /// Leaves a daemon that is absent or stuck, if there is another.
    fn review(&mut self, records: &dyn UnackedRecords, now: Instant) {
        let Some(connection) = &self.connection else {
            return;
        };
        if connection.is_good() {
            (self.failures, self.last_error) = (0, None);
            if let Some(reporter) = &self.config.reporter {
                reporter.recovered();
            }
        }
        if self.config.endpoints.len() == 1 {
            return;
        }
        if connection.absent_for(now) >= self.config.timeouts.absent
            || connection.client().stuck_for(now) >= self.config.timeouts.stuck
        {
            if let Some(connection) = self.connection.take() {
                connection.close(ByeReason::Moving, records.dropped(), MIN_LINGER);
            }
            self.failed(SessionError::Ended(SessionEnd::Silent), now);
        }
    }

    /// The attempt is over: reports what a user must know, and plans the next one.
    fn failed(&mut self, error: SessionError, now: Instant) {
        self.probe = None;
        if self
            .connection
            .take()
            .is_some_and(|connection| connection.is_good())
        {
            self.failures = 0;
        }
        if !error.is_normal() {
            if let Some(reporter) = &self.config.reporter {
                let endpoint = self.config.endpoints.get(self.current);
                reporter.report(format_args!(
                    "no session with {endpoint}: {error}; trying again"
                ));
            }
            self.last_error = Some(error.to_string());
        }
        if let Some(known) = error.known_epoch() {
            self.known_epoch = known;
        }
        let endpoints = self.config.endpoints.len().max(1);
        if !error.retries_same_endpoint() {
            self.current = (self.current + 1) % endpoints;
        }
        // Each endpoint is tried once before the pauses begin.
        let rounds = self.failures / endpoints as u32;
        self.failures = self.failures.saturating_add(1);
        let pause = match rounds.max((!error.is_normal()).into()) {
            0 => Duration::ZERO,
            rounds => {
                let pause = MIN_BACKOFF * (1 << (rounds - 1).min(10));
                pause.min(self.config.timeouts.max_backoff)
            }
        };
        self.next_attempt = now + pause;
        self.next_probe = now + self.config.timeouts.probe;
    }

    /// Probes the endpoints before the current one, one at a time.
    fn probe_preferred(&mut self, records: &mut dyn UnackedRecords, now: Instant) {
        let Some((number, probe)) = &mut self.probe else {
            if self
                .connection
                .as_ref()
                .is_some_and(|connection| connection.is_good())
                && now >= self.next_probe
            {
                self.begin_probe(0, now);
            }
            return;
        };
        let absent = self.config.timeouts.absent;
        let over = probe.work(&self.config, records, absent, now).is_err();
        if probe.client().is_joined() {
            // It is back. Its welcome is of no use: the current daemon may have acknowledged more since the hello. So
            // the current session ends first, then a new hello is sent.
            let number = *number;
            if let Some(connection) = self.connection.take() {
                connection.close(ByeReason::Moving, records.dropped(), MIN_LINGER);
            }
            (self.current, self.probe, self.next_attempt) = (number, None, now);
            self.attempt(records, now);
        } else if over || probe.absent_for(now) >= absent {
            let next = *number + 1;
            self.probe = None;
            match next < self.current {
                true => self.begin_probe(next, now),
                false => self.next_probe = now + self.config.timeouts.probe,
            }
        }
    }

    fn begin_probe(&mut self, number: usize, now: Instant) {
        self.next_probe = now + self.config.timeouts.probe;
        self.probe = Connection::probe(
            &self.config,
            (number, self.config.endpoints.get(number)),
            now,
        )
        .ok()
        .map(|connection| (number, connection));
    }

    /// As [`Transport::work`].
    pub fn work(&mut self, records: &mut dyn UnackedRecords, now: Instant) -> Progress {
        self.drive(records, now);
        let Some(EncodedBatch { to, bytes }) = records.next_batch() else {
            return Progress::Idle;
        };
        let sent = match &mut self.connection {
            Some(connection) => connection.send(to, bytes),
            None => SendStatus::Full,
        };
        match sent {
            SendStatus::Full => Progress::Blocked,
            SendStatus::Sent => {
                records.sent(to);
                Progress::Sent
            }
        }
    }

    /// As [`Transport::is_connected`].
    pub fn is_connected(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.client().is_joined())
    }

    /// The links, and what to wait for on each.
    fn links(&self, blocked: bool) -> impl Iterator<Item = (&D::Link, WaitFor)> {
        let probe = self.probe.as_ref().map(|(_, probe)| probe.waits(false));
        let connection = self.connection.iter();
        connection
            .map(move |connection| connection.waits(blocked))
            .chain(probe)
    }
}

impl Transport for SessionClient {
    fn work(&mut self, records: &mut dyn UnackedRecords, now: Instant) -> Progress {
        SessionClient::work(self, records, now)
    }

    fn is_connected(&self) -> bool {
        SessionClient::is_connected(self)
    }

    fn wait(&self, blocked: bool, waker: Option<&Waker>, timeout: Duration) -> bool {
        // An attempt that nobody waits for may be long overdue: with nothing to send, none is made.
        let timeout = match blocked && self.connection.is_none() {
            true => timeout.min(self.next_attempt.saturating_duration_since(Instant::now())),
            false => timeout,
        };
        wait(self.links(blocked), waker, timeout)
    }

    fn close(self: Box<Self>, reason: Option<ByeReason>, dropped: Dropped, linger: Duration) {
        if let (Some(connection), Some(reason)) = (self.connection, reason) {
            connection.close(reason, dropped, linger.max(MIN_LINGER));
        }
    }
}

#[cfg(test)]
mod tests {
    use distlog_proto::ProducerId;

    use super::*;
    use crate::{Contexts, Dealers, Endpoints, FailoverTimeouts};

    /// A thread that drives it would spin otherwise.
    #[test]
    fn a_client_with_nothing_to_send_sleeps_as_long_as_it_may() {
        let client = SessionClient::open(SessionConfig {
            producer: ProducerId::random(),
            endpoints: Endpoints::from("tcp://127.0.0.1:9"),
            dial: Dealers {
                contexts: Contexts::new(1),
                curve: None,
            },
            heartbeat: Duration::from_secs(5),
            timeouts: FailoverTimeouts::default(),
            is_lazy: true,
            reporter: None,
            levels: None,
        })
        .unwrap();
        let (begun, time) = (Instant::now(), Duration::from_millis(50));
        assert!(!client.wait(false, None, time));
        assert!(begun.elapsed() >= time, "{:?}", begun.elapsed());
    }
}
