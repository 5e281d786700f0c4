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

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use super::bind::BindError;
use crate::config::Http;
use crate::listen::{Guard, Listening, bind_tcp};
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
    listening: Listening,
    state: State,
    /// Until it is started.
    listeners: Vec<TcpListener>,
    serving: Option<(Handle, JoinHandle<()>)>,
}

impl Otlp {
    /// Binds for gRPC; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is in use or is none.
    pub(super) fn bind_grpc(
        address: &str,
        state: State,
        runtime: &Handle,
    ) -> Result<Otlp, BindError> {
        Otlp::bind(Transport::Grpc, address, state, runtime)
    }

    /// Binds for HTTP; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is in use or is none.
    pub(super) fn bind_http(
        http: &Http,
        state: State,
        runtime: &Handle,
    ) -> Result<Otlp, BindError> {
        let guard = Guard::new(http::OTLP_HTTP, &http.bind, &http.hosts, &http.cors);
        Otlp::bind(Transport::Http(guard), &http.bind, state, runtime)
    }

    fn bind(
        transport: Transport,
        address: &str,
        state: State,
        runtime: &Handle,
    ) -> Result<Otlp, BindError> {
        let (listeners, listening) = runtime
            .block_on(bind_tcp(address))
            .map_err(|error| BindError::new(address, error))?;
        Ok(Otlp {
            transport,
            listening,
            state,
            listeners,
            serving: None,
        })
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
            address: self.listening.to_string(),
        }]
    }

    fn start(&mut self, context: ReceiverContext) -> io::Result<()> {
        let listeners = std::mem::take(&mut self.listeners);
        let (transport, runtime) = (self.transport.clone(), context.runtime.clone());
        let watched = context.supervisor.watch("the OTLP receiver");
        let shutdown = context.shutdown.clone();
        let service = ExportService::new(context, self.state.clone());
        let serving = async move {
            let _watched = watched;
            let mut serving = JoinSet::new();
            for listener in listeners {
                let (service, stop) = (service.clone(), shutdown.clone());
                let stop = stop.wait_for(Phase::Receivers);
                match &transport {
                    Transport::Grpc => serving.spawn(grpc::serve(listener, service, stop)),
                    Transport::Http(guard) => {
                        serving.spawn(http::serve(listener, guard.clone(), service, stop))
                    }
                };
            }
            let too_late = async {
                shutdown.wait_for(Phase::Workers).await;
                tokio::time::sleep(CLOSING_TIMEOUT).await;
            };
            tokio::select! {
                _ = serving.join_all() => {}
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
