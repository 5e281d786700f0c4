//! [`Guard`]: the end of logging.

use std::sync::Arc;
use std::time::Duration;

use distlog_proto::ProducerId;
use distlog_proto::levels::{Directives, DirectivesError};

use crate::exit;
use crate::send::control::Flush;
use crate::send::overflow::Dropped;
use crate::send::producer::Producer;
use crate::task::LevelsFilter;

/// Sends what is left when it is dropped: what the program logged, and with [`Builder::spool`](crate::Builder::spool)
/// what killed programs left in the directory. Keep it until the program ends.
///
/// A process that calls `exit`, or keeps its guard in a `static`, sends what is left when it exits, within the same
/// bound.
#[must_use = "without the guard nobody sends what is left when the program ends"]
pub struct Guard {
    producer: Arc<Producer>,
    bound: Duration,
}

impl Guard {
    pub(crate) fn new(producer: Arc<Producer>, bound: Duration) -> Guard {
        Guard { producer, bound }
    }

    /// A filter for the layer by levels that a daemon can change while the program runs: `distlogd level` raises or
    /// lowers them for a service, a process or one task, for a time. Until it does, the layer gets what `directives`
    /// say, as those of `RUST_LOG` without spans and fields: a level, or levels by targets.
    ///
    /// ```
    /// use tracing_subscriber::prelude::*;
    ///
    /// let (layer, guard) = distlog_layer::builder().service("orders").connect("tcp://127.0.0.1:5011")?;
    /// let levels = guard.levels("info,hyper=warn")?;
    /// let subscriber = tracing_subscriber::registry().with(layer.with_filter(levels));
    /// # drop(subscriber);
    /// # let _ = guard.close(std::time::Duration::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What is not recorded costs what `tracing` itself costs, which knows it of each callsite. While one task is
    /// raised, the callsites between the levels are asked each time whether they are in it. A task that is raised says
    /// so in the headers of its calls, and the called services record as much of it, unless they distrust their callers
    /// ([`Trust`](crate::Trust)). Called again, it changes what the first filter lets through.
    ///
    /// # Errors
    /// If the directives are none: where, and what to write.
    pub fn levels(&self, directives: &str) -> Result<LevelsFilter, DirectivesError> {
        let base: Directives = directives.parse()?;
        let state = self.producer.levels();
        state.set_base(base);
        Ok(LevelsFilter::new(Arc::clone(state)))
    }

    /// Waits until everything logged before is durable in the daemon's store, for `timeout` at most.
    ///
    /// The push receiver knows no acknowledgements: what libzmq took for a connected daemon counts as sent.
    pub fn flush(&self, timeout: Duration) -> Flush {
        self.producer
            .existing()
            .map_or(Flush::Flushed, |producer| producer.flush(timeout))
    }

    /// How many records were dropped so far, because the ring was full.
    pub fn dropped(&self) -> Dropped {
        self.producer
            .existing()
            .map_or_else(Dropped::default, Producer::dropped)
    }

    /// How many records were not written so far, because their trace is not sampled ([`Builder::sample`], or a caller's
    /// decision). They are neither dropped nor lost.
    ///
    /// [`Builder::sample`]: crate::Builder::sample
    pub fn unsampled(&self) -> u64 {
        self.producer
            .existing()
            .map_or(0, |producer| producer.unsampled().sum())
    }

    /// The id of this run of this process: what its records have as their producer.
    pub fn producer(&self) -> ProducerId {
        self.producer
            .current()
            .map_or(ProducerId::UNKNOWN, Producer::id)
    }

    /// Takes no more records, sends what is there, waits until it is durable as [`Guard::flush`] does, and ends the
    /// sender. Returns what was left then: with [`Builder::spool`](crate::Builder::spool) it stays in the file for the
    /// next process, without it is gone. What is logged afterwards is dropped and counted.
    pub fn close(self, timeout: Duration) -> Flush {
        self.producer
            .existing()
            .and_then(|producer| producer.stop(timeout))
            .unwrap_or(Flush::Flushed)
    }
}

impl Drop for Guard {
    /// Closes within the bound given to the builder, and says on stderr what was left. If the layer was given to no
    /// subscriber yet, the rest is left to the end of the process, and that is said when a subscriber gets it.
    fn drop(&mut self) {
        self.producer.abandon();
        // The layer is there and was given to no subscriber yet: nobody means to log nothing.
        let has_layer = Arc::strong_count(&self.producer) > 1 && self.producer.is_empty();
        if has_layer && self.producer.life().drops_guard_early() {
            return;
        }
        if let Some(producer) = self.producer.existing() {
            exit::finish(producer, self.bound);
        }
    }
}
