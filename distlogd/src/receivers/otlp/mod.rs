//! The receivers `otlp_grpc` and `otlp_http`: spans and log records of any OpenTelemetry SDK or collector.
//!
//! A request is answered when all of it is durable in the store. While too much is in flight it is refused with a time
//! to retry; a request with spans that comes twice is stored once. Items that cannot be taken are reported in the
//! answer (partial success). Metrics are not taken, and the answer says so.
//!
//! `grpc.rs` and `http.rs` are the two transports (`body.rs`, `json/`: how a request is written by HTTP),
//! `export_service.rs` is behind both; it needs `budget.rs` (memory) and `dedup.rs` (requests that came before).
//! `refusal.rs` says why a request is refused. <https://opentelemetry.io/docs/specs/otlp/>

mod body;
mod budget;
mod dedup;
mod export_service;
mod grpc;
mod http;
pub(crate) mod json;
mod refusal;
#[cfg(test)]
mod refused_tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::bind::BindError;
use crate::access::Tokens;
use crate::config::{Http, Limits};
use crate::listen::{Bound, Guard};
use crate::receiver::{Endpoint, Receiver, ReceiverContext};
use crate::shutdown::Phase;
use export_service::ExportService;

pub(super) use export_service::State;

/// Size limit of a request, uncompressed, in bytes.
const MAX_REQUEST: usize = 16 << 20;
/// Time for requests in flight once the store is closed.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// What differs by transport.
#[derive(Clone)]
enum Transport {
    Grpc,
    Http(Guard),
}

/// One of the two receivers. They share their [`State`].
pub(super) struct Otlp {
    transport: Transport,
    address: String,
    state: State,
    tokens: Option<Tokens>,
    /// Until it is started.
    bound: Option<Bound>,
    serving: Option<(Handle, JoinHandle<()>)>,
}

impl Otlp {
    /// Binds for gRPC; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is in use or is none, or a certificate cannot be used.
    pub(super) fn bind_grpc(
        http: &Http,
        limits: &Limits,
        state: State,
        runtime: &Handle,
    ) -> Result<Otlp, BindError> {
        Otlp::bind(Transport::Grpc, http, limits, state, runtime)
    }

    /// Binds for HTTP; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is in use or is none, or a certificate cannot be used.
    pub(super) fn bind_http(
        http: &Http,
        limits: &Limits,
        state: State,
        runtime: &Handle,
    ) -> Result<Otlp, BindError> {
        let guard = Guard::new(http::OTLP_HTTP, http);
        Otlp::bind(Transport::Http(guard), http, limits, state, runtime)
    }

    fn bind(
        transport: Transport,
        http: &Http,
        limits: &Limits,
        state: State,
        runtime: &Handle,
    ) -> Result<Otlp, BindError> {
        let (receiver, protocol) = match transport {
            Transport::Grpc => (grpc::OTLP_GRPC, grpc::PROTOCOL),
            Transport::Http(_) => (http::OTLP_HTTP, http::PROTOCOL),
        };
        let bound = runtime
            .block_on(Bound::open(receiver, protocol, http, limits))
            .map_err(|reason| BindError::new(&http.bind, reason))?;
        Ok(Otlp {
            transport,
            address: bound.address(),
            state,
            tokens: None,
            bound: Some(bound),
            serving: None,
        })
    }

    /// Each request needs one of these tokens, if there are any.
    pub(super) fn with_tokens(self, tokens: Option<Tokens>) -> Otlp {
        Otlp { tokens, ..self }
    }

    fn name(&self) -> &'static str {
        match self.transport {
            Transport::Grpc => grpc::OTLP_GRPC,
            Transport::Http(_) => http::OTLP_HTTP,
        }
    }
}

impl Receiver for Otlp {
    fn endpoints(&self) -> Vec<Endpoint> {
        vec![Endpoint {
            receiver: self.name(),
            address: self.address.clone(),
        }]
    }

    fn start(&mut self, context: ReceiverContext) -> io::Result<()> {
        let Some(bound) = self.bound.take() else {
            return Ok(());
        };
        let (transport, runtime) = (self.transport.clone(), context.runtime.clone());
        let watched = context.supervisor.watch("the OTLP receiver");
        let shutdown = context.shutdown.clone();
        let (rejected, metrics) = (Arc::clone(&context.rejected), context.metrics.clone());
        let service = ExportService::new(context, self.state.clone(), self.tokens.take());
        let serving = async move {
            let _watched = watched;
            let stop = || shutdown.clone().wait_for(Phase::Receivers);
            let serving = async {
                match transport {
                    Transport::Grpc => {
                        let service = grpc::service(service);
                        bound.serve(service, rejected, metrics, stop).await;
                    }
                    Transport::Http(guard) => {
                        let service = http::service(service, guard);
                        bound.serve(service, rejected, metrics, stop).await;
                    }
                }
            };
            let too_late = async {
                shutdown.clone().wait_for(Phase::Workers).await;
                tokio::time::sleep(CLOSING_TIMEOUT).await;
            };
            tokio::select! {
                () = serving => {}
                // A client that sends half a request, or does not read the answer, is not waited for.
                () = too_late => {}
            }
        };
        self.serving = Some((runtime.clone(), runtime.spawn(serving)));
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.state.in_flight() == 0
    }

    fn wait(&mut self) {
        if let Some((runtime, serving)) = self.serving.take() {
            // The supervisor hears of a panic.
            let _ = runtime.block_on(serving);
        }
    }
}
