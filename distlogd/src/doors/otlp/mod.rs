//! The OTLP door: spans and log records of any OpenTelemetry SDK or collector, by gRPC and by HTTP.
//!
//! A request is answered when all of it is durable in the store. While too much is under way it is refused with a hint when to
//! come again, and clients do so; a request with spans that comes twice is stored once. Items that cannot be taken are refused one by one, in
//! the answer of a request that is taken otherwise (partial success). Metrics are not taken, and the answer says so.
//!
//! `grpc.rs` and `http.rs` are the two ways in (`body.rs`, `json.rs`: how a request is written by HTTP), `reception.rs` is where
//! they meet; it needs `budget.rs` (memory), `seen.rs` (requests that came before) and `runs.rs` (producers). `refusal.rs` says why a
//! request is not taken. <https://opentelemetry.io/docs/specs/otlp/>

mod body;
mod budget;
mod grpc;
mod http;
mod json;
mod reception;
mod refusal;
mod runs;
mod seen;

use std::iter;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::bind::OpenError;
use super::hall::Hall;
use crate::config::Http;
use crate::listen::{Guard, Listening, bind_tcp};
use reception::Reception;

/// No request may have more, written out, in bytes.
const MAX_REQUEST: usize = 16 << 20;
/// How long requests under way are waited for when the store is closed.
const FINISH: Duration = Duration::from_secs(1);

/// What the door is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// Takes no new connections, and answers what is under way.
    Closing,
    /// Nobody can be answered any more.
    Closed,
}

/// OTLP doors that are bound, and the runtime that they are bound in.
pub struct Bound {
    runtime: Runtime,
    grpc: Option<(Vec<TcpListener>, Listening)>,
    http: Option<(Vec<TcpListener>, Listening)>,
    guard: Option<Guard>,
}

/// Open OTLP doors.
#[derive(Debug)]
pub struct Otlp {
    grpc: Option<Listening>,
    http: Option<Listening>,
    phase: watch::Sender<Phase>,
    reception: Reception,
    thread: JoinHandle<()>,
}

impl Bound {
    /// Binds; port 0 takes a free one. `None`: not by that way.
    ///
    /// # Errors
    /// If an address is in use or is none, or the system gives no runtime.
    pub fn new(grpc: Option<&str>, http: Option<&Http>) -> Result<Bound, OpenError> {
        let guard = http.map(|http| Guard::new("otlp_http", &http.bind, &http.hosts, &http.cors));
        let http = http.map(|http| http.bind.as_str());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| OpenError::new(grpc.or(http).unwrap_or_default(), error))?;
        let bind = |address: &str| {
            runtime
                .block_on(bind_tcp(address))
                .map_err(|error| OpenError::new(address, error))
        };
        let (grpc, http) = (grpc.map(bind).transpose()?, http.map(bind).transpose()?);
        Ok(Bound {
            runtime,
            grpc,
            http,
            guard,
        })
    }

    /// Begins to take requests.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn open(self, hall: Hall) -> std::io::Result<Otlp> {
        let Bound {
            runtime,
            grpc,
            http,
            guard,
        } = self;
        let pulse = hall.vital.pulse("the OTLP door");
        let (grpc, grpc_address) = grpc.unzip();
        let (http, http_address) = http.unzip();
        let reception = Reception::new(hall);
        let (phase, phases) = watch::channel(Phase::Open);
        let own = reception.clone();
        let thread = std::thread::Builder::new()
            .name("otlp".into())
            .spawn(move || {
                let _pulse = pulse;
                runtime.block_on(async {
                    let mut serving = JoinSet::new();
                    for listener in grpc.into_iter().flatten() {
                        serving.spawn(grpc::serve(listener, own.clone(), phases.clone()));
                    }
                    for (listener, guard) in http.into_iter().flatten().zip(iter::repeat(guard)) {
                        let served = http::serve(listener, guard, own.clone(), phases.clone());
                        serving.spawn(served);
                    }
                    tokio::select! {
                        _ = serving.join_all() => {}
                        // Whoever does not send his request to its end, or does not read the answer, is not waited for.
                        () = too_late(phases.clone()) => {}
                    }
                });
                runtime.shutdown_background();
            })?;
        Ok(Otlp {
            grpc: grpc_address,
            http: http_address,
            phase,
            reception,
            thread,
        })
    }
}

impl Otlp {
    /// Where it takes gRPC.
    pub fn grpc(&self) -> Option<Listening> {
        self.grpc
    }

    /// Where it takes HTTP.
    pub fn http(&self) -> Option<Listening> {
        self.http
    }

    /// Takes no new connections.
    pub fn stop(&self) {
        self.phase.send_replace(Phase::Closing);
    }

    /// Whether no request waits for the store.
    pub fn is_quiet(&self) -> bool {
        self.reception.under_way() == 0
    }

    /// Closes it. To be called when the store is closed: who waits for it hears of it.
    pub fn close(self) {
        self.phase.send_replace(Phase::Closed);
        // A panic was told by the pulse.
        let _ = self.thread.join();
    }
}

/// Ends when the door is no longer open.
async fn closing(mut phases: watch::Receiver<Phase>) {
    let _ = phases.wait_for(|phase| *phase >= Phase::Closing).await;
}

async fn too_late(mut phases: watch::Receiver<Phase>) {
    let _ = phases.wait_for(|phase| *phase >= Phase::Closed).await;
    tokio::time::sleep(FINISH).await;
}
