//! The tasks that a thread met last, found again by the id of their span without asking the Registry.

use std::sync::Arc;

use tracing_core::span::Id;

use crate::task::span::SpanData;

/// How many are kept; a power of two.
const CACHED_SPANS: usize = 8;

///
/// Spans' ids are used again, so a task counts only until its span is closed ([`SpanData::is_closed`]); on whichever
/// thread that happens, it happens before another span gets the id. A thread keeps a few tasks that are over in memory
/// until it meets others.
#[derive(Default)]
pub(crate) struct SpanCache {
    tasks: [Option<(u64, Arc<SpanData>)>; CACHED_SPANS],
    /// The one that was asked for last and is not that of the span it was asked for by.
    other: Option<Arc<SpanData>>,
}

impl SpanCache {
    /// The task of a span, if it is known here.
    #[inline]
    pub(crate) fn get(&self, span: &Id) -> Option<&Arc<SpanData>> {
        let span = span.into_u64();
        match &self.tasks[place(span)] {
            Some((id, task)) if *id == span && !task.is_closed() => Some(task),
            _ => None,
        }
    }

    /// The task of a span, or for want of one what `find` gives: a task and whether it is the span's own.
    #[inline]
    pub(crate) fn get_or(
        &mut self,
        span: &Id,
        find: impl FnOnce() -> Option<(Arc<SpanData>, bool)>,
    ) -> Option<&Arc<SpanData>> {
        // Asked twice, since a borrow that is returned on one way only would last on the other, too.
        if self.get(span).is_some() {
            return self.get(span);
        }
        let (task, own) = find()?;
        if own {
            self.keep(span, task);
            return self.get(span);
        }
        Some(self.other.insert(task))
    }

    /// Remembers the task of a span.
    pub(crate) fn keep(&mut self, span: &Id, task: Arc<SpanData>) {
        let span = span.into_u64();
        self.tasks[place(span)] = Some((span, task));
    }

    /// Forgets the task of a span.
    pub(crate) fn take(&mut self, span: &Id) -> Option<Arc<SpanData>> {
        let span = span.into_u64();
        let task = self.tasks[place(span)].take_if(|(id, _)| *id == span);
        task.map(|(_, task)| task).filter(|task| !task.is_closed())
    }
}

fn place(span: u64) -> usize {
    span as usize & (CACHED_SPANS - 1)
}
