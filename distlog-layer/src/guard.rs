//! [`Guard`]: the end of logging.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use distlog_proto::ProducerId;

use crate::control::Flush;
use crate::overflow::Dropped;
use crate::producer::Producer;

/// Sends what is left when it is dropped. Keep it until the program ends.
#[must_use = "without the guard nobody sends what is left when the program ends"]
pub struct Guard {
    producer: Arc<Producer>,
    bound: Duration,
}

impl Guard {
    pub(crate) fn new(producer: Arc<Producer>, bound: Duration) -> Guard {
        Guard { producer, bound }
    }

    /// Waits until everything logged before is sent, for `timeout` at most.
    ///
    /// The push door knows no acknowledgements: what libzmq took for a connected daemon counts as sent.
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

    /// The id of this run of this process: what its records have as their producer.
    pub fn producer(&self) -> ProducerId {
        self.producer
            .current()
            .map_or(ProducerId::UNKNOWN, Producer::id)
    }

    /// Sends what is there and ends the sender, as dropping does, and returns what was left. What is logged afterwards
    /// is dropped when the ring is full.
    pub fn close(self, timeout: Duration) -> Flush {
        self.producer
            .existing()
            .and_then(|producer| producer.stop(timeout))
            .unwrap_or(Flush::Flushed)
    }
}

impl Drop for Guard {
    /// Flushes within the bound given to the builder, and says on stderr what was left.
    fn drop(&mut self) {
        self.producer.abandon();
        let left = self
            .producer
            .existing()
            .and_then(|producer| producer.stop(self.bound));
        if let Some(Flush::Left { records, bytes }) = left {
            let _ = writeln!(
                std::io::stderr(),
                "distlog: {records} records ({bytes} bytes) were not sent within {:?}; is the daemon running?",
                self.bound
            );
        }
    }
}
