//! Takes a new configuration while the daemon runs: whole, or not at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::workers::Workers;
use crate::config::Config;
use crate::intake::CurrentRules;
use crate::levels::LevelTable;
use crate::reload::{Changes, ReloadError, need_restart};
use crate::self_telemetry::Metrics;
use crate::tracker::LostAfter;
use distlog_store::Retention;

/// Reads the configuration again; all its faults as text.
pub(super) type Reread = Box<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// The configuration that holds, and all that a new one changes.
pub(super) struct Reload {
    pub(super) reread: Option<Reread>,
    pub(super) config: Mutex<Config>,
    pub(super) workers: Arc<Workers>,
    pub(super) retention: Retention,
    pub(super) lost_after: LostAfter,
    pub(super) rules: CurrentRules,
    pub(super) levels: Arc<LevelTable>,
    pub(super) metrics: Metrics,
}

impl Reload {
    /// Reads the configuration again and takes it.
    ///
    /// # Errors
    /// If it is not taken.
    pub(super) fn reload(&self) -> Result<Changes, ReloadError> {
        let taken = self.take();
        match &taken {
            Ok(changes) => tracing::info!("the configuration was read again: {changes}"),
            Err(error) => tracing::error!("the configuration was not taken: {error}"),
        }
        taken
    }

    fn take(&self) -> Result<Changes, ReloadError> {
        let reread = self.reread.as_ref().ok_or(ReloadError::NoFile)?;
        // One at a time, from reading on: the last file that is read holds.
        let mut current = self.current();
        let new = reread().map_err(ReloadError::Faulty)?;
        let restart = need_restart(&current, &new);
        if !restart.is_empty() {
            return Err(ReloadError::NeedsRestart(restart));
        }
        let changed = self.workers.reload(&current, &new);
        let changes = changed.map_err(|error| ReloadError::Worker(error.to_string()))?;
        let keep = &new.store.keep;
        self.retention.keep(keep.size, keep.age);
        self.lost_after.set(new.lost_after);
        if current.intake != new.intake {
            self.rules.set(&new.intake, &self.metrics);
        }
        self.levels.configure(&new.levels);
        *current = new;
        Ok(changes)
    }

    /// Time for a clean shutdown.
    pub(super) fn grace(&self) -> Duration {
        self.current().grace
    }

    fn current(&self) -> MutexGuard<'_, Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
