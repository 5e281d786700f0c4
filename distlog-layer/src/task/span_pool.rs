//! Tasks that are over, whose memory the next ones of the thread use.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::task::span::{SpanData, SpanStart};

/// How many are kept: a request is a few spans.
const KEPT: usize = 8;

/// The oldest is used first. It may hold the task above it, which was over later, and lets go of it then.
#[derive(Default)]
pub(crate) struct SpanPool {
    over: VecDeque<Arc<SpanData>>,
}

impl SpanPool {
    /// A new task. `scratch`: a buffer that may be overwritten.
    pub(crate) fn begin(&mut self, start: SpanStart<'_>, scratch: &mut Vec<u8>) -> Arc<SpanData> {
        if let Some(mut over) = self.over.pop_front()
            // Nobody else has it.
            && let Some(task) = Arc::get_mut(&mut over)
        {
            task.reuse(start, scratch);
            return over;
        }
        SpanData::new(start, scratch)
    }

    /// Keeps the memory of a task that is over. Others may have it for a while.
    pub(crate) fn keep(&mut self, task: Arc<SpanData>) {
        if self.over.len() < KEPT && task.is_small() {
            self.over.push_back(task);
        }
    }
}
