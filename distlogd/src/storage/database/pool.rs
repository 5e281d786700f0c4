//! Connections that are open and not in use.

use std::sync::{Mutex, PoisonError};

/// More than these are closed when they are not needed any more.
const MAX_IDLE: usize = 8;

/// Connections. The newest is taken first, so that servers close what is not needed.
#[derive(Debug)]
pub(super) struct Pool<C>(Mutex<Vec<C>>);

impl<C> Pool<C> {
    pub(super) fn new() -> Pool<C> {
        Pool(Mutex::new(Vec::new()))
    }

    pub(super) fn take(&self) -> Option<C> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(super) fn give_back(&self, connection: C) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}
