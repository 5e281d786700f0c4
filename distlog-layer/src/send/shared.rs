//! What the callers of a producer and its sender share.

use std::sync::Arc;

use crate::levels::LevelState;
use crate::record::callsite::Callsites;
use crate::record::clock::Clock;
use crate::ring::Ring;
use crate::send::control::Control;
use crate::send::overflow::Room;

pub(crate) struct Shared {
    pub(crate) ring: Arc<Ring>,
    pub(crate) callsites: Callsites,
    pub(crate) room: Room,
    pub(crate) clock: Clock,
    pub(crate) control: Control,
    pub(crate) levels: Arc<LevelState>,
}
