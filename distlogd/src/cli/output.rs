//! Standard output and standard error.

use std::fmt::Debug;
use std::io::IsTerminal;

use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

use crate::escape::{lines, one_line, put_cut};
use crate::self_telemetry::Reports;

/// A field may quote a peer: it is cut at this length, in bytes.
const MAX_FIELD: usize = 4 << 10;

/// As `eprintln!`, but with escapes for what others may have written, and a closed standard error is no reason to
/// panic: in `distlogd 2>&1 | tee log` Ctrl-C ends `tee` first.
macro_rules! tell {
    ($($text:tt)*) => {
        $crate::cli::output::say(&format!($($text)*))
    };
}

pub(super) use tell;

/// Writes a text to standard error; its lines are escaped one by one.
pub(super) fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{}", lines(text));
}

/// What is logged if nothing is said. `rmcp` tells of each request, `async_nats` of
/// each attempt to connect, which those who use it report.
const LEVELS: &str = "info,async_nats=off,rmcp=off";

/// What the daemon logs goes to standard error.
pub(super) fn log() {
    let filter = EnvFilter::try_from_env("DISTLOGD_LOG").unwrap_or_else(|_| EnvFilter::new(LEVELS));
    let plain = !std::io::stderr().is_terminal()
        || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let subscriber = tracing_subscriber::registry()
        .with(log_lines(!plain, std::io::stderr).with_filter(filter))
        .with(Reports.with_filter(LevelFilter::WARN));
    // A program that embeds the daemon may have its own subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Writes each event on one line, whatever it quotes.
fn log_lines<S, W>(ansi: bool, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .with_target(false)
        // It would say so on standard error, which has just failed, and panic.
        .log_internal_errors(false)
        .fmt_fields(debug_fn(put_field).delimited(" "))
        .with_writer(writer)
        .with_ansi(ansi)
}

fn put_field(out: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    if field.name() != "message" {
        write!(out, "{}=", field.name())?;
    }
    let mut text = String::new();
    put_cut(&mut text, MAX_FIELD, one_line(&format!("{value:?}")));
    out.write_str(&text)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;
    use crate::escape::is_escaped;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let layer = log_lines(false, move || writer.clone()).with_filter(EnvFilter::new("info"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_peer_that_is_quoted_writes_no_line_of_the_log() {
        let evil = "x\n2026-01-01T00:00:00Z ERROR all is lost\r\u{202e}\x1b[2J";
        let log = logged(|| {
            tracing::warn!(
                receiver = "push",
                peer = evil,
                "bad JSON from {evil}: {evil}"
            );
            tracing::warn!(processor = %evil, "{}", "y".repeat(10_000));
        });
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].contains("WARN bad JSON from x\\n2026"), "{log}");
        assert!(lines[0].contains(" receiver=\"push\""), "{log}");
        assert!(lines[1].contains("… (+5904 bytes)"), "{log}");
    }

    proptest! {
        #[test]
        fn a_logged_event_is_one_line(text in any::<String>()) {
            let log = logged(|| tracing::warn!(receiver = "push", other = %text, "{text} from {text}"));
            prop_assert_eq!(log.matches('\n').count(), 1);
            prop_assert!(!log.trim_end_matches('\n').contains(is_escaped), "{:?}", log);
        }
    }
}
