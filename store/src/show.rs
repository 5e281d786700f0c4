//! Which batches a reader sees.

use std::sync::Arc;

/// Whether a reader sees a batch, by its bytes.
pub type ShowFn = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;
