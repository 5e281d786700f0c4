//! The life of layer and guard, and the warning about a guard that is dropped too early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use distlog_client::internal_log::log;

#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    usage: Mutex<Usage>,
    /// When the sender was stopped, as soon as that is done.
    stopped: OnceLock<Instant>,
    /// That the program logs in vain was said.
    told: AtomicBool,
}

/// Who has layer and guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Usage {
    /// The program, and has done nothing with them yet.
    #[default]
    Program,
    /// It has dropped the guard alone.
    GuardDropped,
    /// A subscriber has the layer.
    Subscriber,
}

impl Lifecycle {
    /// A subscriber has the layer.
    pub(crate) fn set_used(&self) {
        let before = std::mem::replace(&mut *self.usage(), Usage::Subscriber);
        if before == Usage::GuardDropped {
            log(
                "the guard was dropped before the layer was used (`let (layer, _) = …` drops what `_` stands for): what is \
                 left when the program exits is sent then. Keep the guard, `let (layer, _guard) = …`, to decide when",
            );
        }
    }

    /// The guard goes. Whether that is too early, since no subscriber has the layer yet.
    pub(crate) fn drops_guard_early(&self) -> bool {
        let mut usage = self.usage();
        if *usage == Usage::Subscriber {
            return false;
        }
        *usage = Usage::GuardDropped;
        true
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sender was stopped.
    pub(crate) fn set_stopped(&self) {
        let _ = self.stopped.set(Instant::now());
    }

    /// Waits until the sender was stopped, for `bound` at most.
    pub(crate) fn wait_stopped(&self, bound: Duration) {
        let began = Instant::now();
        while self.stopped.get().is_none() && began.elapsed() < bound {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A record is dropped. Threads may log a moment longer than the guard lives; a program that goes on without it is
    /// told.
    pub(crate) fn warn_if_stopped(&self) {
        /// Long enough for a program to end.
        const MOMENT: Duration = Duration::from_secs(1);

        let is_late = self.stopped.get().is_some_and(|at| at.elapsed() >= MOMENT);
        if is_late && !self.told.swap(true, Ordering::Relaxed) {
            log(
                "records are logged though the guard was dropped: they are lost. Keep the guard until the program ends",
            );
        }
    }
}
