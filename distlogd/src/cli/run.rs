//! Runs the daemon until it is told to stop.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::{log, tell};
use super::{FAILED, LEFT, WRONG, check, notify};
use crate::daemon::{Builder, Daemon, Runtime};
use crate::reload::ReloadFn;
use crate::tree::paint::HumanCount;

pub(super) fn run(file: Option<&Path>, add: impl FnOnce(Builder) -> Builder) -> u8 {
    log();
    let builder = add(Builder::new());
    let config = match check::load(file, &builder) {
        Ok(config) => config,
        Err(faults) => {
            check::tell_faults(&faults);
            return WRONG;
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let handle = runtime.handle();
    // Before anything is opened: a signal that comes at once must find its handler.
    let signals = signals(handle).and_then(|signals| Ok((signals, hangups(handle)?)));
    let ((mut term, mut interrupt), mut hangup) = match signals {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let builder = match file {
        Some(file) => {
            let reread = check::reread(file, &builder);
            builder.reread(reread)
        }
        None => builder,
    };
    let daemon = match builder.start_on(handle, &config) {
        Ok(daemon) => daemon,
        Err(error) => return failed(&error),
    };
    say(&daemon, &config.store.path);
    notify::ready();
    handle.spawn(notify::watchdog());
    let supervisor = daemon.supervisor().clone();
    let reload = daemon.reload_fn();
    let broken = handle.block_on(async {
        tokio::select! {
            () = either(&mut term, &mut interrupt) => None,
            part = supervisor.wait() => Some(part),
            () = reloads(&mut hangup, &reload) => None,
        }
    });
    match broken {
        None => tell!("stopping"),
        Some(part) => tell!("stopping, since {part} broke down"),
    }
    notify::stopping(daemon.grace());
    // A second signal ends it at once.
    let stopping = handle.spawn_blocking(move || daemon.stop());
    let stopped = handle.block_on(async {
        tokio::select! {
            stopped = stopping => stopped.ok(),
            () = either(&mut term, &mut interrupt) => None,
        }
    });
    if let Some(part) = supervisor.failed() {
        tell!("stopped, since {part} broke down; what was acknowledged is in the store");
        return FAILED;
    }
    match stopped {
        Some(stopped) if stopped.left.is_empty() => {
            tell!("stopped");
            0
        }
        Some(stopped) => {
            for (name, records) in stopped.left {
                tell!(
                    "stopped; processor {name} has not got {records} records yet, they go out at the next start"
                );
            }
            LEFT
        }
        None => {
            tell!("stopped at once; processors go on where they were at the next start");
            LEFT
        }
    }
}

/// The handlers of the signals that stop the program.
///
/// # Errors
/// If the system gives none.
pub(super) fn signals(runtime: &Handle) -> std::io::Result<(Signal, Signal)> {
    let _entered = runtime.enter();
    let term = signal(SignalKind::terminate())?;
    Ok((term, signal(SignalKind::interrupt())?))
}

/// The handler of the signal by which the configuration is read again.
fn hangups(runtime: &Handle) -> std::io::Result<Signal> {
    let _entered = runtime.enter();
    signal(SignalKind::hangup())
}

/// Has the configuration read again at each signal. Never ends.
async fn reloads(hangup: &mut Signal, reload: &ReloadFn) {
    while hangup.recv().await.is_some() {
        let reload = Arc::clone(reload);
        notify::reloading();
        // It says itself what came of it.
        let _ = tokio::task::spawn_blocking(move || reload()).await;
        notify::ready();
    }
    std::future::pending().await
}

/// Waits for one of two signals.
pub(super) async fn either(term: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Says why it failed; the exit code.
pub(super) fn failed(error: &dyn std::error::Error) -> u8 {
    tell!("distlogd: {error}");
    FAILED
}

/// Says where everything is; the last line is `ready`.
fn say(daemon: &Daemon, store: &Path) {
    let reader = daemon.reader();
    let address = |receiver| daemon.address(receiver).unwrap_or("off");
    tell!("distlogd {}", env!("CARGO_PKG_VERSION"));
    let records = reader.stats().kept();
    let plural = if records == 1 { "" } else { "s" };
    let records = HumanCount(records);
    tell!("  store    {} ({records} record{plural})", store.display());
    tell!("  push     {}", address("push"));
    tell!("  session  {}", address("session"));
    let (grpc, http) = (address("otlp_grpc"), address("otlp_http"));
    tell!("  otlp     {grpc} (gRPC), {http} (HTTP)");
    tell!("  http     {}", with_scheme(address("http")));
    tell!("ready");
}

/// The address of the page, to be opened.
pub(super) fn with_scheme(address: &str) -> String {
    match address {
        "off" => address.to_owned(),
        address if address.starts_with("https://") => address.to_owned(),
        address => format!("http://{address}"),
    }
}
