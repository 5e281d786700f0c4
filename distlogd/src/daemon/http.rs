//! The HTTP door in a thread and a runtime of its own.

use std::thread::JoinHandle;

use tokio::sync::watch;

use super::error::StartError;
use crate::config;
use crate::http::{self, Views};
use crate::listen::{Guard, Listening};

/// A bound HTTP door, and the runtime that it is bound in.
pub(super) struct BoundHttp {
    runtime: tokio::runtime::Runtime,
    listeners: Vec<tokio::net::TcpListener>,
    guard: Guard,
    address: Listening,
}

/// An open HTTP door.
pub(super) struct Http {
    address: Listening,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl BoundHttp {
    /// Binds.
    pub(super) fn new(config: &config::Http) -> Result<BoundHttp, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (listeners, address) = runtime.block_on(http::bind(&config.bind))?;
        Ok(BoundHttp {
            runtime,
            listeners,
            guard: Guard::new("http", &config.bind, &config.hosts, &config.cors),
            address,
        })
    }

    /// Begins to answer.
    pub(super) fn open(self, views: Views) -> Result<Http, StartError> {
        let BoundHttp {
            runtime,
            listeners,
            guard,
            address,
        } = self;
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("http".into())
            .spawn(move || {
                runtime.block_on(http::serve(listeners, guard, views, stopped));
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
    pub(super) fn address(&self) -> Listening {
        self.address
    }

    /// Closes it.
    pub(super) fn close(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}
