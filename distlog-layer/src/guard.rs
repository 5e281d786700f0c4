//! [`Guard`]: the end of logging.

use std::sync::Arc;
use std::time::Duration;

use distlog_proto::ProducerId;

use crate::exit;
use crate::send::control::Flush;
use crate::send::overflow::Dropped;
use crate::send::producer::Producer;

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
