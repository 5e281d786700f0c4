//! The last error of a receiver or processor, for the status.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::escape::put_cut;
use crate::intake::now;

/// A message may quote a peer: it is cut at this length, in bytes.
const MAX_MESSAGE: usize = 500;

/// An error and when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimedError {
    /// In ns since the epoch.
    pub time_ns: u64,
    /// What happened.
    pub message: String,
}

/// Keeps the last error.
#[derive(Debug, Default)]
pub struct LastError(Mutex<Option<TimedError>>);

impl LastError {
    fn lock(&self) -> MutexGuard<'_, Option<TimedError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error happens now.
    pub(crate) fn set(&self, message: impl fmt::Display) {
        let mut text = String::new();
        put_cut(&mut text, MAX_MESSAGE, message);
        *self.lock() = Some(TimedError {
            time_ns: now(),
            message: text,
        });
    }

    /// The last one.
    pub(crate) fn get(&self) -> Option<TimedError> {
        self.lock().clone()
    }
}
