//! [`Outlet`]: the door of a daemon that records leave by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use distlog_proto::ProducerId;
use distlog_proto::session::{ByeReason, Dropped};

use crate::line::Caller;
use crate::push::Push;
use crate::say::Trouble;
use crate::session::Session;
use crate::settings::{Door, Settings};
use crate::socket::{self, Contexts, Error, Sent};
use crate::stock::Stock;
use crate::waker::Waker;

/// A batch of [`Outlet::send`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion<'a> {
    /// It covers the offsets from where the stock stands to this one.
    pub(crate) to: u64,
    pub(crate) bytes: &'a [u8],
}

/// See the module.
pub(crate) enum Outlet {
    /// What is sent is done with.
    Push(Push),
    /// What is sent is kept until it is durable.
    Session(Box<Session>),
}

impl Outlet {
    /// For the records of a producer. `about`: a batch with its source alone. `trouble`: what was said of it already.
    ///
    /// # Errors
    /// The address that cannot be one, or for which the system gives no socket.
    pub(crate) fn open(
        settings: &Settings,
        contexts: &Contexts,
        producer: ProducerId,
        about: &[u8],
        trouble: &Arc<Trouble>,
    ) -> Result<Outlet, (String, Error)> {
        Ok(match &settings.door {
            Door::Push(address) => Outlet::Push(
                Push::open(contexts.of(0), address, settings)
                    .map_err(|error| (address.clone(), error))?,
            ),
            Door::Session(addresses) => {
                let caller = Caller {
                    contexts: contexts.clone(),
                    producer,
                    about: about.to_vec(),
                    heartbeat: settings.heartbeat,
                    trouble: Arc::clone(trouble),
                };
                let session = Session::open(caller, addresses.clone(), settings.patience)?;
                Outlet::Session(Box::new(session))
            }
        })
    }

    /// Receives what is there and does what is due; call it often. The stock may stand elsewhere afterwards.
    pub(crate) fn work(&mut self, stock: &mut impl Stock, now: Instant) {
        if let Outlet::Session(session) = self {
            session.work(stock, now);
        }
    }

    /// Sends a batch without waiting.
    pub(crate) fn send(&mut self, portion: Portion<'_>) -> Sent {
        match self {
            Outlet::Push(push) => push.send(portion.bytes),
            Outlet::Session(session) => session.send(portion.to, portion.bytes),
        }
    }

    /// Whether somebody is there who takes records.
    pub(crate) fn is_reached(&self) -> bool {
        match self {
            Outlet::Push(push) => push.is_connected(),
            Outlet::Session(session) => session.is_joined(),
        }
    }

    /// Whether what is sent can be freed.
    pub(crate) fn forgets(&self) -> bool {
        matches!(self, Outlet::Push(_))
    }

    /// Says that the producer lives, if nothing else did for a while.
    pub(crate) fn beat(&mut self, about: &[u8]) {
        // In a session pings say so.
        if let Outlet::Push(push) = self {
            push.beat(about);
        }
    }

    /// Records of the batch that could not be sent which went out nevertheless.
    pub(crate) fn gone(&self) -> u64 {
        match self {
            Outlet::Push(push) => push.gone(),
            Outlet::Session(_) => 0,
        }
    }

    /// Waits until there is something to do, or the waker is used, for `time` at most. `full`: there is a batch that
    /// could not be sent. Says whether it was the waker.
    pub(crate) fn wait(&self, full: bool, waker: Option<&Waker>, time: Duration) -> bool {
        match self {
            Outlet::Push(push) => socket::wait(push.waits(full), waker, time),
            Outlet::Session(session) => socket::wait(session.waits(full), waker, time),
        }
    }

    /// Ends it, giving libzmq so long. `reason`: what the daemon is told, if anything.
    pub(crate) fn close(self, reason: Option<ByeReason>, dropped: Dropped, linger: Duration) {
        match self {
            Outlet::Push(push) => push.close(linger),
            Outlet::Session(session) => session.close(reason, dropped, linger),
        }
    }
}
