//! Which alerts of a processor `alert` fire, for the status.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many alerts of one processor are shown, those that fire for the longest time.
pub(crate) const MAX_SHOWN: usize = 100;

/// What a processor `alert` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertStatus {
    /// Alerts that fire.
    pub firing: u64,
    /// Those of them that fire for the longest time, 100 at most.
    pub longest: Vec<FiringAlert>,
    /// Notifications that wait until they are delivered.
    pub undelivered: u64,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FiringAlert {
    /// Its labels: what is counted apart, and those of the configuration.
    pub labels: BTreeMap<String, String>,
    /// Since when it fires, in ns since the epoch.
    pub since_ns: u64,
    /// Records in the window now.
    pub count: u64,
}

/// Keeps what the processor said last; nothing, if it is no `alert`.
#[derive(Debug, Default)]
pub struct LastAlertStatus(Mutex<Option<AlertStatus>>);

impl LastAlertStatus {
    fn lock(&self) -> MutexGuard<'_, Option<AlertStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, status: AlertStatus) {
        *self.lock() = Some(status);
    }

    pub(crate) fn get(&self) -> Option<AlertStatus> {
        self.lock().clone()
    }
}
