//! Runs the daemon until it is told to stop.

use std::io::{IsTerminal, Write};
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{FAILED, LEFT, WRONG, check};
use crate::daemon::{Builder, Daemon};

/// As `eprintln!`, but a closed standard error is no reason to panic: in `distlogd 2>&1 | tee log` Ctrl-C ends `tee` first.
macro_rules! tell {
    ($($text:tt)*) => {{
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(super) fn run(file: Option<&Path>, add: impl FnOnce(Builder) -> Builder) -> u8 {
    let filter = EnvFilter::try_from_env("DISTLOGD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let plain = !std::io::stderr().is_terminal()
        || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // It would say so on standard error, which has just failed, and panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // Somebody who embeds the daemon may have a subscriber of his own.
    let _ = subscriber.with_ansi(!plain).try_init();

    let builder = add(Builder::new());
    let config = match check::load(file, &builder.names()) {
        Ok(config) => config,
        Err(faults) => {
            tell!("{faults}");
            return WRONG;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    // Before anything is opened: a signal that comes at once must find its handler.
    let signals = {
        let _entered = runtime.enter();
        signal(SignalKind::terminate())
            .and_then(|term| Ok((term, signal(SignalKind::interrupt())?)))
    };
    let (mut term, mut interrupt) = match signals {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let daemon = match builder.start(&config) {
        Ok(daemon) => daemon,
        Err(error) => return failed(&error),
    };
    say(&daemon, &config.store.path);
    runtime.block_on(either(&mut term, &mut interrupt));
    tell!("stopping");
    // A second signal ends it at once.
    let stopping = runtime.spawn_blocking(move || daemon.stop());
    let stopped = runtime.block_on(async {
        tokio::select! {
            stopped = stopping => stopped.ok(),
            () = either(&mut term, &mut interrupt) => None,
        }
    });
    runtime.shutdown_background();
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

async fn either(term: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn failed(error: &dyn std::error::Error) -> u8 {
    tell!("distlogd: {error}");
    FAILED
}

/// Says where everything is; the last line is `ready`.
fn say(daemon: &Daemon, store: &Path) {
    let reader = daemon.reader();
    let doors = daemon.doors();
    tell!("distlogd {}", env!("CARGO_PKG_VERSION"));
    tell!(
        "  store  {} ({} records)",
        store.display(),
        reader.end().saturating_sub(reader.first())
    );
    tell!("  push   {}", doors.push.as_deref().unwrap_or("off"));
    match doors.http {
        Some(address) => tell!("  http   http://{address}"),
        None => tell!("  http   off"),
    }
    tell!("ready");
}
