//! What the callers of a producer and its sender share.

use std::sync::Arc;

use crate::callsite::Callsites;
use crate::clock::Clock;
use crate::control::Control;
use crate::overflow::Losses;
use crate::ring::Ring;

/// See the module.
pub(crate) struct Shared {
    pub(crate) ring: Arc<Ring>,
    pub(crate) callsites: Callsites,
    pub(crate) losses: Losses,
    pub(crate) clock: Clock,
    pub(crate) control: Control,
}
