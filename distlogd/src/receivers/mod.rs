//! Where records come in. Each receiver is one file or folder, and its line in [`Receivers::bind`].
//!
//! The trait and what all receivers are given are in [`crate::receiver`]; `bind.rs` binds ZeroMQ sockets. `push.rs` is
//! the ZeroMQ receiver that takes all three encodings and acknowledges nothing, `session/` the one that acknowledges,
//! `otlp/` those for OpenTelemetry by gRPC and HTTP; `dead_spools/` reads what dead processes left in their files,
//! `nats/` a stream that other daemons publish to.
//! `python_batches.rs` makes batches of the single records of encodings J and P; `producer_ids.rs` gives ids to senders
//! that have none; `authorize.rs` checks that batches of encoding B name only their sender's own producer and offsets.

mod authorize;
mod bind;
pub(crate) mod dead_spools;
#[cfg(feature = "nats")]
pub(crate) mod nats;
pub(crate) mod otlp;
mod producer_ids;
mod push;
mod python_batches;
mod session;

use std::io;

use tokio::runtime::Handle;

pub use bind::BindError;
use bind::ZmqSockets;

use crate::access::TokenFiles;
#[cfg(feature = "nats")]
use crate::config::SourceKind;
use crate::config::{Config, Http, NamedSource};
use crate::receiver::{Endpoint, Receiver, ReceiverContext};
use crate::shutdown::{Phase, Shutdown};

/// The receivers of a daemon. Dropped, all of them end.
pub(crate) struct Receivers {
    list: Vec<Box<dyn Receiver>>,
    shutdown: Shutdown,
}

impl Receivers {
    /// Binds those of the configuration; what comes waits in their sockets. `registered` are those made in code.
    ///
    /// # Errors
    /// If an address is in use or is none, or a file of tokens cannot be used.
    pub(crate) fn bind(
        config: &Config,
        registered: Vec<Box<dyn Receiver>>,
        tokens: &mut TokenFiles,
        runtime: &Handle,
        shutdown: Shutdown,
    ) -> Result<Receivers, BindError> {
        let (listen, mut zmq) = (&config.listen, ZmqSockets::new());
        let mut list = registered;
        if !config.drain.is_empty() {
            list.push(Box::new(dead_spools::DeadSpools::new(config.drain.clone())));
        }
        for source in &config.sources {
            list.push(self::source(source));
        }
        if let Some(config) = &listen.session {
            list.push(Box::new(session::Session::bind(&mut zmq, config)?));
        }
        let otlp = otlp::State::default();
        let mut tokens_of = |http: &Http| {
            let path = http.tokens.as_deref();
            let opened = path.map(|path| tokens.open(path)).transpose();
            opened.map_err(|error| BindError::new(&http.bind, error))
        };
        if let Some(http) = &listen.otlp_grpc {
            let state = otlp.clone();
            let bound = otlp::Otlp::bind_grpc(http, &listen.limits, state, runtime)?;
            list.push(Box::new(bound.with_tokens(tokens_of(http)?)));
        }
        if let Some(http) = &listen.otlp_http {
            let bound = otlp::Otlp::bind_http(http, &listen.limits, otlp, runtime)?;
            list.push(Box::new(bound.with_tokens(tokens_of(http)?)));
        }
        if let Some(config) = &listen.push {
            list.push(Box::new(push::Push::bind(&mut zmq, config)?));
        }
        list.extend(zmq.into_zap());
        Ok(Receivers { list, shutdown })
    }

    /// Starts all.
    ///
    /// # Errors
    /// If one does not start.
    pub(crate) fn start(&mut self, context: &ReceiverContext) -> io::Result<()> {
        self.list
            .iter_mut()
            .try_for_each(|receiver| receiver.start(context.clone()))
    }

    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        self.list
            .iter()
            .flat_map(|receiver| receiver.endpoints())
            .collect()
    }

    pub(crate) fn are_stopped(&self) -> bool {
        self.list.iter().all(|receiver| receiver.is_stopped())
    }

    /// Waits until all have ended; see [`Receiver::wait`].
    pub(crate) fn wait(&mut self) {
        self.list.drain(..).for_each(|mut receiver| receiver.wait());
    }
}

/// A receiver that connects out.
fn source(source: &NamedSource) -> Box<dyn Receiver> {
    match source.kind {
        #[cfg(feature = "nats")]
        SourceKind::Nats(ref config) => Box::new(nats::Nats::new(&source.name, config)),
    }
}

impl Drop for Receivers {
    /// A daemon that did not start leaves no port bound.
    fn drop(&mut self) {
        self.shutdown.advance(Phase::Abort);
        self.wait();
    }
}
