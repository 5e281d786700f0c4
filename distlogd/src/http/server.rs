//! Serves HTTP with limits: connections at once, size of the head of a request, time for it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::serve::Listener;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::problem::Problem;
use crate::listen::without_delay;

/// Longest path with query, in bytes: a condition of 16 KiB has three times as many where each byte is escaped.
const MAX_URI: usize = 60_000;
/// Names and values of all headers, in bytes.
const MAX_HEADERS: usize = 16 << 10;
/// Who sends a longer head is answered by `hyper`, without a word, and the connection is closed.
const MAX_HEAD: usize = 128 << 10;
/// So many clients that are one too many are told so at once.
const MAX_TURNED_AWAY: usize = 32;
/// Time for a client to read that.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// What clients may have at once, all listeners together.
#[derive(Clone)]
pub(super) struct Limits {
    connections: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    /// Time for the head of a request; a connection without one is closed after it.
    head_timeout: Duration,
}

impl Limits {
    pub(super) fn new(connections: usize, head_timeout: Duration) -> Limits {
        Limits {
            connections: Arc::new(Semaphore::new(connections)),
            turned_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
            head_timeout,
        }
    }
}

/// Whether the head of a request is within the limits.
///
/// # Errors
/// If it is too long.
pub(super) fn check_head(request: &Request) -> Result<(), Problem> {
    let uri = request.uri();
    let query = uri.query().map_or(0, |query| query.len() + 1);
    let length = uri.path().len() + query;
    if length > MAX_URI {
        let why = format!("the path and its parameters have {length} bytes; at most {MAX_URI}");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, why));
    }
    let headers = request.headers().iter();
    let length: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if length > MAX_HEADERS {
        let why = format!("the headers have {length} bytes; at most {MAX_HEADERS}");
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            why,
        ));
    }
    Ok(())
}

/// Serves until `stop`, then until the requests in flight are answered.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(MAX_HEAD);
    let mut listener = without_delay(listener);
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok(permit) = Arc::clone(&limits.connections).try_acquire_owned() else {
            turn_away(stream, &limits);
            continue;
        };
        let app = app.clone().layer(Extension(ConnectInfo(address)));
        let service = TowerToHyperService::new(app);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("an HTTP connection ends: {error}");
            }
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Tells a client that there are too many, and closes the connection.
fn turn_away(mut stream: TcpStream, limits: &Limits) {
    let Ok(permit) = Arc::clone(&limits.turned_away).try_acquire_owned() else {
        return;
    };
    tokio::spawn(async move {
        let told = async {
            stream.write_all(too_many().as_bytes()).await?;
            stream.shutdown().await?;
            // What is not read when a connection is closed resets it, and the client may not see the answer.
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await? > 0 {}
            std::io::Result::Ok(())
        };
        let _ = tokio::time::timeout(TURN_AWAY_TIMEOUT, told).await;
        drop(permit);
    });
}

fn too_many() -> String {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many connections are open: close some, or ask again later",
    );
    let body = problem.to_json();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {}\r\nretry-after: {}\r\ncache-control: no-store\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        super::problem::PROBLEM,
        super::problem::RETRY_SECONDS,
        body.len(),
    )
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::sync::oneshot;

    use super::*;

    struct Server {
        address: std::net::SocketAddr,
        stop: oneshot::Sender<()>,
        serving: tokio::task::JoinHandle<()>,
    }

    async fn server(limits: Limits) -> Server {
        let app = Router::new().route("/", get(|| async { "ok" }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { _ = stopped.await };
        Server {
            address,
            stop,
            serving: tokio::spawn(serve(listener, app, limits, stopped)),
        }
    }

    async fn all(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_client_that_sends_half_a_head_or_nothing_is_closed() {
        let server = server(Limits::new(8, Duration::from_millis(50))).await;
        for sent in [
            "",
            "GET / HTTP/1.1\r\nhost: a\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        ] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let text = all(stream).await;
            assert_eq!(
                text.contains("200 OK"),
                sent.ends_with("\r\n\r\n"),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn one_connection_too_many_is_told_so() {
        let server = server(Limits::new(1, Duration::from_secs(60))).await;
        let mut first = TcpStream::connect(server.address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        first.write_all(request).await.unwrap();
        let mut answer = [0; 12];
        first.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut second = TcpStream::connect(server.address).await.unwrap();
        second.write_all(request).await.unwrap();
        let text = all(second).await;
        assert!(
            text.starts_with("HTTP/1.1 503 ") && text.contains("\"detail\":\"too many connections")
        );
        drop(first);
        loop {
            let mut third = TcpStream::connect(server.address).await.unwrap();
            third.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            if all(third).await.contains("200 OK") {
                break;
            }
        }
    }

    #[tokio::test]
    async fn it_stops_when_nobody_waits_for_an_answer() {
        let server = server(Limits::new(8, Duration::from_secs(60))).await;
        let _idle = TcpStream::connect(server.address).await.unwrap();
        server.stop.send(()).unwrap();
        server.serving.await.unwrap();
    }
}
