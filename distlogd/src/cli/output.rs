//! Standard output and standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// As `eprintln!`, but a closed standard error is no reason to panic: in `distlogd 2>&1 | tee log` Ctrl-C ends `tee` first.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(super) use tell;

/// What the daemon logs goes to standard error.
pub(super) fn log() {
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
}
