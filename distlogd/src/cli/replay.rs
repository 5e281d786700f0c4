//! `distlogd replay`: what another configuration would do with what is stored or comes, beside the one that runs.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;
use distlog_proto::{Record, Topic};
use distlog_python::json;
use distlog_store::{Batches, Store};

use super::client::{self, Error, Event, each_event, report_found};
use super::output::tell;
use super::{DaemonArgs, WRONG, check, run};
use crate::config::Config;
use crate::daemon::{Builder, Runtime, options};
use crate::deletions::Deletions;
use crate::intake::now;
use crate::query::parse_time;
use crate::received::first_since;
use crate::replay::{Comparison, ReadOnly, json_report, text_report};
use crate::values::parse_duration;

const EXAMPLES: &str = "\
Examples:
  distlogd replay --config new.yaml --since 1h              what new.yaml would have done with the last hour
  distlogd replay --config new.yaml --against old.yaml      beside another configuration than the usual one
  distlogd replay --config new.yaml --store distlog-data    of a store that no daemon has
  distlogd replay --config new.yaml --shadow --for 10m      with what comes in the next ten minutes

Nothing is written, sent or started. docs/replay.md says what the figures mean.

Exit codes: 0 compared, 1 failed, 2 wrong arguments or a faulty configuration, 4 there was no record.";

/// Where the configuration of a daemon is, if --against does not say.
const USUAL: [&str; 2] = ["distlogd.yaml", "/etc/distlog/distlogd.yaml"];
/// Read at once, in bytes.
const READ_BYTES: usize = 1 << 20;
/// Records that wait between the connection and what compares them.
const MAX_WAITING: usize = 1024;
/// How often it is looked whether to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How often the counts are shown on a terminal.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// How often they are told elsewhere.
const LOG_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReplayArgs {
    /// The new configuration.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The configuration that runs; without it distlogd.yaml or /etc/distlog/distlogd.yaml.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Only what was received from this time on: `90m` or `2d` ago, or a time in UTC like '2026-11-28 17:00'.
    #[arg(long, value_name = "TIME", conflicts_with = "shadow")]
    since: Option<String>,
    /// Only records of before this time.
    #[arg(long, value_name = "TIME", conflicts_with = "shadow")]
    until: Option<String>,
    /// So many records of each difference.
    #[arg(long, value_name = "N", default_value_t = 3)]
    examples: usize,
    /// Read this store, which no daemon may have, and ask no daemon.
    #[arg(long, value_name = "DIR", conflicts_with = "shadow")]
    store: Option<PathBuf>,
    /// Compare what comes from now on, until Ctrl-C.
    #[arg(long)]
    shadow: bool,
    /// With --shadow: for so long.
    #[arg(long = "for", value_name = "DURATION", requires = "shadow", value_parser = duration)]
    time: Option<Duration>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    daemon: DaemonArgs,
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("expected a duration like 10m")
}

pub(super) fn replay(args: &ReplayArgs, add: impl FnOnce(Builder) -> Builder) -> u8 {
    let builder = add(Builder::new());
    let usual = || USUAL.iter().map(PathBuf::from).find(|path| path.exists());
    let Some(against) = args.against.clone().or_else(usual) else {
        tell!(
            "distlogd: neither {} nor {} is there: --against FILE names the configuration that runs",
            USUAL[0],
            USUAL[1]
        );
        return WRONG;
    };
    // All faults of both.
    let configs = [&against, &args.config].map(|path| read(path, &builder));
    let [Some(old), Some(new)] = configs else {
        return WRONG;
    };
    let names = [&against, &args.config].map(|path| path.display().to_string());
    let [old_name, new_name] = names;
    let sides = [(&old, old_name), (&new, new_name)];
    let mut comparison = Comparison::new(sides, args.examples, now());
    let compared = match (&args.store, args.shadow) {
        (Some(store), _) => of_store(args, store, &old, &mut comparison),
        (None, true) => of_what_comes(args, &mut comparison),
        (None, false) => of_daemon(args, &mut comparison),
    };
    if let Err(error) = compared {
        return report_found(Err(error));
    }
    comparison.finish();
    let report = match args.json {
        true => format!("{:#}\n", json_report(&comparison)),
        false => text_report(&comparison),
    };
    report_found(client::print(&report).map(|()| comparison.counts().0 > 0))
}

/// `None`: what is wrong was said.
fn read(path: &Path, builder: &Builder) -> Option<Config> {
    let loaded = check::load(Some(path), builder);
    loaded.map_err(|faults| check::tell_faults(&faults)).ok()
}

/// A time of the arguments, in ns since the epoch.
fn time(name: &'static str, text: Option<&String>) -> Result<Option<u64>, Error> {
    let read = |text: &String| parse_time(name, text, now());
    let read = text.map(read).transpose();
    read.map_err(|error| Error::Wrong(error.to_string()))
}

/// Whether a record is of before the end that was asked for.
fn is_before(record: &Record, until: Option<u64>) -> bool {
    until.is_none_or(|until| record.time < until)
}

/// What a running daemon has stored.
fn of_daemon(args: &ReplayArgs, comparison: &mut Comparison) -> Result<(), Error> {
    let until = time("--until", args.until.as_ref())?;
    let mut query = vec![
        ("format", "json"),
        ("reorder", "false"),
        ("follow", "false"),
    ];
    match &args.since {
        Some(since) => query.push(("since", since.as_str())),
        None => query.push(("from", "1")),
    }
    let body = client::get(&args.daemon, "/api/v1/tail", &query)?;
    each_event(body, |event| {
        if let Some(record) = read_event(event)?
            && is_before(&record, until)
        {
            comparison.take(&record);
        }
        Ok(true)
    })
}

fn read_event(event: Event<'_>) -> Result<Option<Record>, Error> {
    match event {
        Event::Data(data) => {
            let record = json::decode(data.as_bytes(), Topic::default());
            record
                .map(Some)
                .map_err(|error| Error::Answer(error.to_string()))
        }
        Event::Skipped(records) => {
            tell!("distlogd: {records} records were removed before they could be read");
            Ok(None)
        }
    }
}

/// What is in a store that no daemon has.
fn of_store(
    args: &ReplayArgs,
    path: &Path,
    config: &Config,
    comparison: &mut Comparison,
) -> Result<(), Error> {
    let cannot = |error: &dyn std::error::Error| {
        Error::Refused(format!("cannot read the store {}: {error}", path.display()))
    };
    let since = time("--since", args.since.as_ref())?;
    let until = time("--until", args.until.as_ref())?;
    let layer = Arc::new(ReadOnly::default());
    let store = Store::open_on(layer, path, options(config)).map_err(|error| cannot(&error))?;
    let reader = store.reader();
    let hidden = Deletions::leave_out_listed(&reader, &store.eraser());
    hidden.map_err(|error| cannot(&error))?;
    let from = match since {
        Some(since) => first_since(&reader, since).map_err(|error| cannot(&error))?,
        None => reader.first(),
    };
    let mut cursor = reader.cursor(from);
    let mut batches = Batches::new();
    loop {
        let progress = cursor.next_batches(&mut batches, READ_BYTES);
        let progress = progress.map_err(|error| cannot(&error))?;
        if progress.damaged > 0 {
            tell!(
                "distlogd: {} records cannot be read: the store is damaged",
                progress.damaged
            );
        }
        if batches.is_empty() {
            return Ok(());
        }
        for (head, batch) in batches.parsed() {
            for record in head.records(&batch) {
                if record.store_number < from {
                    continue;
                }
                let record = record.to_record();
                if is_before(&record, until) {
                    comparison.take(&record);
                }
            }
        }
    }
}

/// What comes to a running daemon.
fn of_what_comes(args: &ReplayArgs, comparison: &mut Comparison) -> Result<(), Error> {
    let query = [("format", "json"), ("reorder", "false")];
    let stop = Arc::new(AtomicBool::new(false));
    let failed = |error: std::io::Error| Error::Refused(error.to_string());
    let runtime = Runtime::new().map_err(failed)?;
    let (mut term, mut interrupt) = run::signals(runtime.handle()).map_err(failed)?;
    let asked = Arc::clone(&stop);
    runtime.handle().spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        asked.store(true, Ordering::Relaxed);
    });
    let body = client::get(&args.daemon, "/api/v1/tail", &query)?;
    tell!("distlogd: compares what comes; Ctrl-C ends it");
    let end = args.time.map(|time| Instant::now() + time);
    let (sender, receiver) = mpsc::sync_channel(MAX_WAITING);
    // It ends with the process: the connection may be silent for long.
    std::thread::spawn(move || {
        let read = each_event(body, |event| {
            let record = read_event(event)?;
            Ok(record.is_none_or(|record| sender.send(Ok(record)).is_ok()))
        });
        if let Err(error) = read {
            // Whoever listens may have had enough.
            let _ = sender.send(Err(error));
        }
    });
    let mut shown = Instant::now();
    let is_terminal = std::io::stderr().is_terminal();
    let interval = if is_terminal {
        SHOW_INTERVAL
    } else {
        LOG_INTERVAL
    };
    let mut last = (0, 0);
    loop {
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        if is_over || stop.load(Ordering::Relaxed) {
            break;
        }
        match receiver.recv_timeout(POLL_INTERVAL) {
            Ok(Ok(record)) => comparison.take(&record),
            // What was compared is worth its report.
            Ok(Err(error)) => {
                tell!("distlogd: {error}");
                break;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if shown.elapsed() >= interval && last != comparison.counts() {
            shown = Instant::now();
            last = comparison.counts();
            let (records, differ) = last;
            let counts = format!("{records} records, {differ} differences so far");
            match is_terminal {
                true => show(&counts),
                false => tell!("distlogd: {counts}"),
            }
        }
    }
    if is_terminal {
        show("");
    }
    Ok(())
}

/// Puts a text in the place of the one before, on a terminal.
fn show(text: &str) {
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
}
