//! What a worker is told while it runs: to stop, or which records it gets from now on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use distlog_proto::RecordRef;
use distlog_rules::Outgoing;

use crate::processor::{Error, Processor, Token};

/// Whether a record is routed to the processor. Several threads ask.
pub type Route = Box<dyn Fn(&RecordRef<'_>) -> bool + Send + Sync>;

/// Makes the processor; asked again, after a back-off, when it cannot be made. It is handed the token of the last
/// flush.
pub type Factory = Box<dyn FnMut(Option<&Token>) -> Result<Box<dyn Processor>, Error> + Send>;

/// Controls one worker. Clones share it.
#[derive(Clone, Default)]
pub struct Control(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stopping: AtomicBool,
    update: Mutex<Option<Update>>,
}

/// New rules for a running processor.
pub struct Update {
    /// Which records it gets.
    pub route: Route,
    /// What is changed in them.
    pub outgoing: Outgoing,
    /// Makes it anew, where it knows the rules itself.
    pub factory: Option<Factory>,
}

impl Control {
    /// The worker flushes what it presented, and ends.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Whether the worker is to end.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    /// The worker goes on with this from the next record that it reads.
    pub fn update(&self, update: Update) {
        *self.waiting() = Some(update);
    }

    /// What is new since this was asked last.
    pub(super) fn take(&self) -> Option<Update> {
        self.waiting().take()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Update>> {
        self.0.update.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
