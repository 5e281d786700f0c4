//! Serves HTTP on a TCP listener: TLS, the limits of connections, and the answer to a connection that is one too many.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming as HyperBody;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tower_service::Service;

use super::connections::{Admitted, Connections, Limits, TooMany};
#[cfg(feature = "tls")]
use super::handshake::{Failure, in_words, shake_hands};
use super::metered::{Incoming, Metered, Outgoing};
use super::pace::Paced;
use super::tcp::{Listening, bind, say_and_close};
#[cfg(feature = "tls")]
use super::tls::Certificates;
use crate::config;
use crate::peer::Peer;
use crate::self_telemetry::{Metrics, RejectedInput};
#[cfg(feature = "tls")]
use crate::tls_error::of_tls;

/// Connections that are one too many and are being told so.
const MAX_TURNED_AWAY: usize = 32;
/// Time for a client to read that.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections whose time is over are looked for so often.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Pause after the system had no file descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The version of HTTP.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    /// HTTP/1.1 and 1.0.
    Http1 {
        /// A connection without a request is closed after it, and one with half a head.
        head_timeout: Duration,
        /// Longest head, in bytes; `None`: what `hyper` takes.
        max_head: Option<usize>,
        /// The answer to a connection that is one too many.
        too_many: fn(TooMany) -> String,
    },
    /// HTTP/2 with prior knowledge.
    Http2 {
        /// Requests in flight of one connection.
        max_streams: u32,
    },
}

impl Protocol {
    /// As TLS names it.
    #[cfg(feature = "tls")]
    fn alpn(self) -> &'static [u8] {
        match self {
            Protocol::Http1 { .. } => b"http/1.1",
            Protocol::Http2 { .. } => b"h2",
        }
    }
}

/// A receiver that is bound, and serves nobody yet.
#[derive(Debug)]
pub(crate) struct Bound {
    receiver: &'static str,
    protocol: Protocol,
    listeners: Vec<TcpListener>,
    listening: Listening,
    limits: Limits,
    #[cfg(feature = "tls")]
    tls: Option<Arc<Certificates>>,
}

impl Bound {
    /// Binds; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is in use, not permitted or none, or a certificate cannot be used.
    pub(crate) async fn open(
        receiver: &'static str,
        protocol: Protocol,
        http: &config::Http,
        limits: &config::Limits,
    ) -> Result<Bound, String> {
        #[cfg(feature = "tls")]
        let tls = {
            let open = |files| Certificates::open(receiver, files, protocol.alpn()).map(Arc::new);
            let opened = http.tls.as_ref().map(open).transpose();
            opened.map_err(|error| error.to_string())?
        };
        #[cfg(not(feature = "tls"))]
        if http.tls.is_some() {
            return Err("this distlogd is built without TLS, the feature `tls`".to_owned());
        }
        let (listeners, listening) = bind(&http.bind).await.map_err(|error| error.to_string())?;
        Ok(Bound {
            receiver,
            protocol,
            listeners,
            listening,
            limits: limits.into(),
            #[cfg(feature = "tls")]
            tls,
        })
    }

    /// `HOST:PORT`, with `https://` before it where TLS is spoken.
    pub(crate) fn address(&self) -> String {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return format!("https://{}", self.listening);
        }
        self.listening.to_string()
    }

    /// Serves on all listeners until `stop`, then until the requests in flight are answered.
    pub(crate) async fn serve<S, B, F>(
        self,
        service: S,
        rejected: Arc<RejectedInput>,
        metrics: Metrics,
        stop: impl Fn() -> F,
    ) where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        F: Future<Output = ()> + Send + 'static,
    {
        let front = Arc::new(Front {
            receiver: self.receiver,
            protocol: self.protocol,
            #[cfg(feature = "tls")]
            tls: self.tls,
            connections: Connections::new(self.receiver, self.limits, metrics),
            rejected,
            turned_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
        });
        let mut serving = JoinSet::new();
        for listener in self.listeners {
            let front = Arc::clone(&front);
            serving.spawn(serve(listener, front, service.clone(), stop()));
        }
        serving.join_all().await;
    }
}

/// What is the same for all listeners of a receiver.
struct Front {
    receiver: &'static str,
    protocol: Protocol,
    #[cfg(feature = "tls")]
    tls: Option<Arc<Certificates>>,
    connections: Connections,
    rejected: Arc<RejectedInput>,
    /// Clients that are told that they are one too many.
    turned_away: Arc<Semaphore>,
}

/// An extension of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) address: SocketAddr,
    /// Its address has too many requests in flight, or all have: this one is to be refused.
    pub(crate) is_one_too_many: bool,
}

/// Serves until `stop`, then until the requests in flight are answered.
async fn serve<S, B>(
    listener: TcpListener,
    front: Arc<Front>,
    service: S,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let graceful = GracefulShutdown::new();
    let mut sweep = interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                front.connections.sweep();
                continue;
            }
            () = &mut stop => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_client(&error) {
                    front.refuse_all(&error);
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        // Else the rest of an answer waits until its beginning is acknowledged, which clients delay by 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("an HTTP connection may answer late: {error}");
        }
        match front.connections.admit(address.ip()) {
            Ok(admitted) => {
                let connection = connection(
                    stream,
                    address,
                    admitted,
                    Arc::clone(&front),
                    service.clone(),
                    graceful.watcher(),
                );
                tokio::spawn(connection);
            }
            Err(too_many) => turn_away(stream, address, &front, too_many),
        }
    }
    drop(listener);
    front.connections.close_half_open();
    graceful.shutdown().await;
}

/// The client is gone already.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// One connection from its beginning to its end.
async fn connection<S, B>(
    stream: TcpStream,
    address: SocketAddr,
    admitted: Admitted,
    front: Arc<Front>,
    service: S,
    watcher: Watcher,
) where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let paced = admitted.pace.clone().map(Paced::new);
    let metered = |stream| Metered::new(stream, Arc::clone(&admitted.connection), paced);
    let serving = async {
        #[cfg(feature = "tls")]
        if let Some(certificates) = &front.tls {
            match shake_hands(stream, certificates, metered).await {
                Ok(stream) => speak(stream, address, &admitted, &front, service, watcher).await,
                Err(failure) => front.failed(admitted.connection.peer, &failure),
            }
            return;
        }
        let stream = metered(stream);
        speak(stream, address, &admitted, &front, service, watcher).await;
    };
    tokio::select! {
        () = serving => {}
        () = admitted.closed() => {}
    }
}

/// Speaks HTTP on a stream.
async fn speak<IO, S, B>(
    stream: IO,
    address: SocketAddr,
    admitted: &Admitted,
    front: &Front,
    service: S,
    watcher: Watcher,
) where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = Arc::clone(&admitted.connection);
    let answer = move |request: Request<HyperBody>| {
        let has_body = !http_body::Body::is_end_stream(request.body());
        let begun = connection.begin(has_body);
        let mut request = request.map(|body| Body::new(Incoming::new(body, begun.body)));
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(address));
        extensions.insert(Caller {
            address,
            is_one_too_many: !begun.admitted,
        });
        let mut service = service.clone();
        async move {
            poll_fn(|context| service.poll_ready(context)).await?;
            let answer = service.call(request).await?;
            Ok::<_, Infallible>(answer.map(|body| Outgoing::new(body, begun.answering)))
        }
    };
    let (stream, service) = (TokioIo::new(stream), hyper::service::service_fn(answer));
    match front.protocol {
        Protocol::Http1 {
            head_timeout,
            max_head,
            ..
        } => {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(head_timeout);
            if let Some(max_head) = max_head {
                builder.max_buf_size(max_head);
            }
            let served = watcher.watch(builder.serve_connection(stream, service));
            front.ended(admitted.connection.peer, served.await);
        }
        Protocol::Http2 { max_streams } => {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(max_streams);
            let served = watcher.watch(builder.serve_connection(stream, service));
            front.ended(admitted.connection.peer, served.await);
        }
    }
}

impl Front {
    fn refuse(&self, peer: Peer, reason: &'static str, why: &str) {
        let peer = peer.to_string();
        self.rejected
            .refused_connection(self.receiver, reason, &peer, why);
    }

    /// A connection has ended.
    fn ended(&self, peer: Peer, result: Result<(), hyper::Error>) {
        let Err(error) = result else { return };
        #[cfg(feature = "tls")]
        if let Some(error) = of_tls(&error) {
            let (reason, why) = in_words(error);
            return self.refuse(peer, reason, &why);
        }
        tracing::debug!("an HTTP connection from {peer} ends: {error}");
    }

    #[cfg(feature = "tls")]
    fn failed(&self, peer: Peer, failure: &Failure) {
        match failure {
            Failure::Gone => {
                self.rejected
                    .count_only(self.receiver, "handshake broke off");
                tracing::debug!("{peer} went away during the handshake of TLS");
            }
            Failure::Refused(reason, why) => self.refuse(peer, reason, why),
        }
    }

    /// The system gives no connection.
    fn refuse_all(&self, error: &io::Error) {
        let why = format!("no connection can be accepted: {error}");
        self.rejected
            .report(self.receiver, "no connection", None, why);
    }
}

/// Tells a client that there are too many, and closes the connection.
fn turn_away(stream: TcpStream, address: SocketAddr, front: &Arc<Front>, too_many: TooMany) {
    let peer = Peer::from(address.ip());
    let (reason, why) = match too_many {
        TooMany::InAll => (
            "too many connections",
            "too many connections are open, and all of them are being worked for (`listen.limits.connections`)",
        ),
        TooMany::OfPeer => (
            "too many connections of one address",
            "it has too many connections open, and all of them are being worked for (`listen.limits.peer_connections`)",
        ),
    };
    front.refuse(peer, reason, why);
    let Protocol::Http1 { too_many: text, .. } = front.protocol else {
        // Who speaks gRPC takes a connection that is closed for UNAVAILABLE, and tries again.
        return;
    };
    let Ok(permit) = Arc::clone(&front.turned_away).try_acquire_owned() else {
        return;
    };
    let (text, front) = (text(too_many), Arc::clone(front));
    tokio::spawn(async move {
        let _ = timeout(TURN_AWAY_TIMEOUT, say(stream, &front, &text)).await;
        drop(permit);
    });
}

async fn say(mut stream: TcpStream, front: &Front, text: &str) -> io::Result<()> {
    #[cfg(feature = "tls")]
    if let Some(certificates) = &front.tls {
        let shaken = shake_hands(stream, certificates, |stream| stream).await;
        return match shaken {
            Ok(mut stream) => say_and_close(&mut stream, text.as_bytes()).await,
            Err(_) => Ok(()),
        };
    }
    let _ = front;
    say_and_close(&mut stream, text.as_bytes()).await
}
