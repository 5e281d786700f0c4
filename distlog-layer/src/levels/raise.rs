//! A task of which more is recorded, since its caller's headers say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use distlog_proto::levels::Level;

/// All is recorded up to a level, of a task and of those below it.
#[derive(Clone)]
pub(crate) struct Raise {
    level: Level,
    /// How many such tasks are open in this process.
    open: Arc<AtomicUsize>,
}

impl Raise {
    pub(crate) fn new(level: Level, open: Arc<AtomicUsize>) -> Raise {
        Raise { level, open }
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// A task begins.
    pub(crate) fn open(self) -> OpenRaise {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenRaise(self)
    }
}

/// That of a task that is open, until it is closed.
pub(crate) struct OpenRaise(Raise);

impl OpenRaise {
    pub(crate) fn raise(&self) -> &Raise {
        &self.0
    }

    /// The task is closed: call it once.
    pub(crate) fn close(&self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
