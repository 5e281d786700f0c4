//! The tokio runtime of the daemon: HTTP, OTLP in and out, and signals. Everything else runs in threads.

use std::io;
use std::thread::available_parallelism;

use tokio::runtime::Handle;

/// Threads of the runtime, one for two cores. They only move bytes; conversions run in threads that may block. With as
/// many as cores, OTLP of 4 connections on 2 cores is a quarter slower: each request wakes one more thread.
const MAX_THREADS: usize = 4;

/// The runtime. Dropped, it waits for nothing, as for a name server that does not answer.
pub(crate) struct Runtime(Option<tokio::runtime::Runtime>, Handle);

impl Runtime {
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn new() -> io::Result<Runtime> {
        let threads =
            available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, MAX_THREADS));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("io")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Runtime(Some(runtime), handle))
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.1
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
