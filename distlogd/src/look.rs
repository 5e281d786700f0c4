//! Tells when the stream was read up to a time.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use distlog_store::Reader;

use crate::self_telemetry::OwnRecords;

/// A look at what was read, and how far the store must be read before it: to where it ends once everything that was
/// received when the look was planned is stored, which takes long where the disk is full.
pub struct Look {
    asked: Instant,
    end: Arc<OnceLock<u64>>,
}

impl Look {
    /// Plans a look at what is received before now. It is never due if the daemon shuts down first.
    pub fn ask(own_records: &OwnRecords, reader: &Reader) -> Look {
        // In this order: what a producer sent before `asked` is stored before the end that is read here.
        let asked = Instant::now();
        let end = Arc::new(OnceLock::new());
        let (known, reader) = (Arc::clone(&end), reader.clone());
        own_records.after(Box::new(move || _ = known.set(reader.end())));
        Look { asked, end }
    }

    /// When it was planned.
    pub fn asked(&self) -> Instant {
        self.asked
    }

    /// Whether the stream was read far enough.
    pub fn is_due(&self, position: u64) -> bool {
        self.end.get().is_some_and(|end| position >= *end)
    }
}
