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

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::bind::OpenError;
use super::hall::Hall;
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
    grpc: Option<(TcpListener, SocketAddr)>,
    http: Option<(TcpListener, SocketAddr)>,
}

/// Open OTLP doors.
#[derive(Debug)]
pub struct Otlp {
    grpc: Option<SocketAddr>,
    http: Option<SocketAddr>,
    phase: watch::Sender<Phase>,
    reception: Reception,
    thread: JoinHandle<()>,
}

impl Bound {
    /// Binds; port 0 takes a free one. `None`: not by that way.
    ///
    /// # Errors
    /// If an address is in use or is none, or the system gives no runtime.
    pub fn new(grpc: Option<&str>, http: Option<&str>) -> Result<Bound, OpenError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| OpenError::new(grpc.or(http).unwrap_or_default(), error))?;
        let bind = |address: &str| {
            let bound = runtime.block_on(TcpListener::bind(address));
            bound
                .and_then(|listener| {
                    let address = listener.local_addr()?;
                    Ok((listener, address))
                })
                .map_err(|error| OpenError::new(address, error))
        };
        let (grpc, http) = (grpc.map(bind).transpose()?, http.map(bind).transpose()?);
        Ok(Bound {
            runtime,
            grpc,
            http,
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
        } = self;
        let pulse = hall.vital.pulse("the OTLP door");
        let address =
            |bound: &Option<(TcpListener, SocketAddr)>| bound.as_ref().map(|bound| bound.1);
        let (grpc_address, http_address) = (address(&grpc), address(&http));
        let reception = Reception::new(hall);
        let (phase, phases) = watch::channel(Phase::Open);
        let own = reception.clone();
        let thread = std::thread::Builder::new()
            .name("otlp".into())
            .spawn(move || {
                let _pulse = pulse;
                runtime.block_on(async {
                    let grpc = async {
                        if let Some((listener, _)) = grpc {
                            grpc::serve(listener, own.clone(), phases.clone()).await;
                        }
                    };
                    let http = async {
                        if let Some((listener, _)) = http {
                            http::serve(listener, own.clone(), phases.clone()).await;
                        }
                    };
                    tokio::select! {
                        _ = async { tokio::join!(grpc, http) } => {}
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
    pub fn grpc(&self) -> Option<SocketAddr> {
        self.grpc
    }

    /// Where it takes HTTP.
    pub fn http(&self) -> Option<SocketAddr> {
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
