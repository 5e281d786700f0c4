//! What the daemon warned of lately, for the status: the last warnings and errors of its own log.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::escape::put_cut;
use crate::intake::now;

/// So many are kept.
const MAX_REPORTS: usize = 50;
/// Older ones are no longer told, in ns.
const MAX_AGE: u64 = 15 * 60 * 1_000_000_000;
/// A message may quote a peer: it is cut at this length, in bytes.
const MAX_MESSAGE: usize = 500;
/// So begin the targets of the daemon's own crates.
const OWN: &str = "distlog";

/// A warning or an error of the daemon's own log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// When it was logged last, in ns since the epoch.
    pub time_ns: u64,
    /// `WARN` or `ERROR`.
    pub level: String,
    /// The part of the daemon that logged it.
    pub target: String,
    /// The text, with its fields.
    pub message: String,
    /// How often it was logged without another one between.
    pub count: u64,
}

/// The last reports, the newest last.
#[derive(Debug, Default)]
struct Ring(VecDeque<Report>);

impl Ring {
    fn add(&mut self, report: Report) {
        if let Some(last) = self.0.back_mut()
            && (&last.level, &last.target, &last.message)
                == (&report.level, &report.target, &report.message)
        {
            last.count += report.count;
            last.time_ns = report.time_ns;
            return;
        }
        if self.0.len() >= MAX_REPORTS {
            self.0.pop_front();
        }
        self.0.push_back(report);
    }

    /// The newest first, without those that are too old.
    fn newest(&self, now: u64) -> Vec<Report> {
        let newest = self.0.iter().rev();
        newest
            .filter(|report| now.saturating_sub(report.time_ns) <= MAX_AGE)
            .cloned()
            .collect()
    }
}

/// A process has one log, and so one list of what it warned of.
static RING: Mutex<Ring> = Mutex::new(Ring(VecDeque::new()));

fn ring() -> MutexGuard<'static, Ring> {
    RING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was warned of in the last 15 minutes, the newest first.
pub(crate) fn reports() -> Vec<Report> {
    ring().newest(now())
}

/// Keeps the warnings and errors of the daemon.
pub(crate) struct Reports;

impl<S: Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || !metadata.target().starts_with(OWN) {
            return;
        }
        let mut said = Said::default();
        event.record(&mut said);
        let mut message = String::new();
        put_cut(
            &mut message,
            MAX_MESSAGE,
            format_args!("{}{}", said.message, said.fields),
        );
        ring().add(Report {
            time_ns: now(),
            level: metadata.level().to_string(),
            target: metadata.target().to_owned(),
            message,
            count: 1,
        });
    }
}

/// The text of an event, and its fields behind it.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::prelude::*;

    use super::*;

    fn report(time_ns: u64, message: &str) -> Report {
        Report {
            time_ns,
            level: "WARN".into(),
            target: "distlogd".into(),
            message: message.into(),
            count: 1,
        }
    }

    #[test]
    fn equal_ones_count_and_old_ones_go() {
        let mut ring = Ring::default();
        for (time, message) in [(1, "a"), (2, "b"), (3, "b"), (4, "a")] {
            ring.add(report(time, message));
        }
        let told = |now| {
            let newest = ring.newest(now).into_iter();
            newest
                .map(|one| (one.time_ns, one.message, one.count))
                .collect::<Vec<_>>()
        };
        let [a, b] = ["a", "b"].map(str::to_owned);
        let all = [(4, a.clone(), 1), (3, b, 2), (1, a.clone(), 1)];
        assert_eq!(told(MAX_AGE), all);
        assert_eq!(told(MAX_AGE + 4), [(4, a, 1)]);
        let mut full = Ring::default();
        (0..200).for_each(|n| full.add(report(n, &n.to_string())));
        let newest = full.newest(200);
        assert_eq!((newest.len(), newest[0].time_ns), (MAX_REPORTS, 199));
    }

    #[test]
    fn only_what_the_daemon_warns_of_is_kept() {
        let subscriber = tracing_subscriber::registry().with(Reports);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("no reports: all is well");
            tracing::warn!(target: "hyper", "no reports: of another crate");
            tracing::error!(n = 7, name = %"x", "a report: {}", "y".repeat(2 * MAX_MESSAGE));
        });
        let kept: Vec<Report> = reports()
            .into_iter()
            .filter(|one| one.message.contains("report"))
            .collect();
        let [one] = kept.as_slice() else {
            panic!("{kept:#?}")
        };
        assert_eq!(
            (one.level.as_str(), one.target.as_str()),
            ("ERROR", module_path!())
        );
        assert!(one.message.starts_with("a report: yyy") && one.message.ends_with(" bytes)"));
    }
}
