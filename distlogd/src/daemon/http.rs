//! The HTTP door in a thread and a runtime of its own.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::error::StartError;
use crate::http::{self, Views};

/// A bound HTTP door, and the runtime that it is bound in.
pub(super) struct BoundHttp {
    runtime: tokio::runtime::Runtime,
    listener: tokio::net::TcpListener,
    address: SocketAddr,
}

/// An open HTTP door.
pub(super) struct Http {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl BoundHttp {
    /// Binds.
    pub(super) fn new(address: &str) -> Result<BoundHttp, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (listener, address) = runtime.block_on(http::bind(address))?;
        Ok(BoundHttp {
            runtime,
            listener,
            address,
        })
    }

    /// Begins to answer.
    pub(super) fn open(self, views: Views) -> Result<Http, StartError> {
        let BoundHttp {
            runtime,
            listener,
            address,
        } = self;
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("http".into())
            .spawn(move || {
                runtime.block_on(http::serve(listener, views, stopped));
                // Connections that are still open (tails) are not waited for.
                runtime.shutdown_background();
            })?;
        Ok(Http {
            address,
            stop,
            thread,
        })
    }
}

impl Http {
    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes it.
    pub(super) fn close(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}
