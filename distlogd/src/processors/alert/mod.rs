//! Processor `alert`: tells people, or programs, that too many records come, or too few, and when that is over.
//!
//! Records that reach it are counted in a sliding window, each value of `by` by itself. Time passes on its own: an
//! alert for missing records fires without one. Who is notified, by HTTP or a program, is told each change once, in
//! order, and again until he takes it; meanwhile the windows go on.
//!
//! The time of a record is what it says, at most now. One that is older than the window when it comes does not count:
//! what comes after an outage does not fire for what is long over. docs/alerts.md is for users.
//!
//! Read it in this order: `config.rs` with `count.rs`; `window.rs`, `groups.rs` (when alerts fire: knows no clock),
//! `clock.rs`, `key.rs`; `notification.rs` (what is told), `target.rs` (one attempt), `outbox.rs` (until it is taken);
//! `saved.rs`; `alert.rs` (the processor).

#[allow(clippy::module_inception)]
mod alert;
mod clock;
mod config;
mod count;
mod groups;
mod key;
mod notification;
mod outbox;
mod saved;
mod target;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use distlog_store::Reader;

use super::start::Start;
use crate::processor::{Error, Processor};
use crate::self_telemetry::Progress;
use alert::{Alert, Parts};
use clock::Reading;

pub use config::Config;

/// Makes the processor.
///
/// # Errors
/// If certificates cannot be used.
pub fn open(config: &Config, start: Start<'_>) -> Result<Box<dyn Processor>, Error> {
    let (reader, progress) = (start.reader.clone(), Arc::clone(start.progress));
    let parts = Parts {
        name: start.name,
        condition: start.router.text(),
        token: start.token,
        metrics: start.metrics.alert(start.name),
        progress: Arc::clone(start.progress),
        runtime: start.runtime,
        shutdown: start.shutdown,
        reading: Box::new(Reading::now),
        read_to: Box::new(read_to(reader, progress)),
    };
    Ok(Box::new(Alert::new(config, parts)?))
}

/// Says up to which time all that was stored was presented: now and then it notes where the store ends, and that time
/// is reached when the worker has come there.
fn read_to(reader: Reader, progress: Arc<Progress>) -> impl FnMut(u64) -> u64 {
    let mut noted: Option<(u64, u64)> = None;
    let mut reached = None;
    move |now| {
        let (time, end) = *noted.get_or_insert_with(|| (now, reader.end()));
        if progress.done.load(Ordering::Relaxed) >= end {
            reached = Some(time);
            noted = Some((now, reader.end()));
        }
        // Before the first time nothing was looked at that could be missing.
        *reached.get_or_insert(time)
    }
}
