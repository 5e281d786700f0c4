//! When the store is synced, as the configuration says it.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::values;

/// When received batches are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// At once if the last sync ended as long ago as it took, else then: who is alone waits for nothing, and all that
    /// comes meanwhile shares the next one.
    Adaptive,
    /// As soon as the last sync is done.
    Always,
    /// All batches of this time together.
    Every(Duration),
}

impl<'de> Deserialize<'de> for SyncPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SyncPolicy, D::Error> {
        values::scalar(
            deserializer,
            "adaptive, a duration like 5ms, or always",
            |text| match text {
                "adaptive" => Some(SyncPolicy::Adaptive),
                "always" => Some(SyncPolicy::Always),
                text => values::parse_duration(text).map(|every| {
                    if every.is_zero() {
                        SyncPolicy::Always
                    } else {
                        SyncPolicy::Every(every)
                    }
                }),
            },
        )
    }
}
