//! What each HTTP example does at its begin and end: log to distlogd, bind, say where, serve until it is told to stop.

use std::io;

use axum::Router;
use distlog_layer::Guard;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// Ships what is logged from INFO on to the session receiver of a daemon. The guard sends the rest when it is dropped.
///
/// # Errors
/// If the address is none.
pub fn log_to(daemon: &str, service: &str) -> Result<Guard, distlog_layer::ConnectError> {
    let (layer, guard) = distlog_layer::builder().service(service).connect(daemon)?;
    tracing_subscriber::registry()
        .with(layer.with_filter(LevelFilter::INFO))
        .init();
    Ok(guard)
}

/// Serves until Ctrl-C or SIGTERM; prints the address, so that port 0 can be used.
///
/// # Errors
/// If the address is in use.
pub async fn serve(name: &str, address: &str, app: Router) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("{name} listens on http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped())
        .await
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut term) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = term.recv() => {}
            }
        }
        // Without a handler SIGTERM ends the program anyway.
        Err(_) => _ = tokio::signal::ctrl_c().await,
    }
}
