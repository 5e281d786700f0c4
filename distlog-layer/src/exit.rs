//! The end of a process. What was logged is flushed when it calls `exit` or returns from `main`, also where the guard
//! lies in a `static` or was dropped at once.

use std::sync::{Mutex, Once, PoisonError, Weak};
use std::time::Duration;

use crate::ring::at_exit;
use crate::send::control::Flush;
use crate::send::producer::Producer;
use distlog_client::internal_log::log;

static PRODUCERS: Mutex<Vec<(Weak<Producer>, Duration)>> = Mutex::new(Vec::new());

/// Ends the producer when the process exits, if it has not ended before; that may take `bound`.
pub(crate) fn register(producer: Weak<Producer>, bound: Duration) {
    static ASKED: Once = Once::new();

    let mut producers = PRODUCERS.lock().unwrap_or_else(PoisonError::into_inner);
    producers.retain(|(known, _)| known.strong_count() > 0);
    producers.push((producer, bound));
    ASKED.call_once(|| at_exit(run));
}

fn run() {
    // In a forked child somebody who is not there any more may have it.
    let producers = PRODUCERS
        .try_lock()
        .map(|mut producers| std::mem::take(&mut *producers));
    for (producer, bound) in producers.unwrap_or_default() {
        if let Some(producer) = producer.upgrade() {
            if let Some(producer) = producer.existing() {
                finish(producer, bound);
            }
            // Another thread may still hold it; what its destructor does was done.
            std::mem::forget(producer);
        }
    }
}

/// Ends a producer within a bound, and says on stderr what was left. If somebody else does so, waits for that.
pub(crate) fn finish(producer: &Producer, bound: Duration) {
    let Some(left) = producer.stop(bound) else {
        return producer.life().wait_stopped(bound);
    };
    let Flush::Left { records, bytes } = left else {
        return;
    };
    let count = if records == 1 { "record" } else { "records" };
    let left = format!("{records} {count} ({bytes} bytes)");
    match producer.spool() {
        Some(spool) => log(format_args!(
            "not acknowledged within {bound:?}: {left}, kept in {0}. The next process that uses it sends them, or \
             `distlogd --drain {0}`",
            spool.display()
        )),
        None => log(format_args!(
            "not sent within {bound:?}: {left}. Is the daemon running?"
        )),
    }
}
