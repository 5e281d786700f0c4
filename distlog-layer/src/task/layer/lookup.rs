//! The tasks that a record may belong to, past what per-layer filters hide.

use std::sync::Arc;

use tracing_core::span::Id;
use tracing_core::{Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use super::DistlogLayer;
use crate::task::span::SpanData;
use crate::task::span_cache::SpanCache;

impl DistlogLayer {
    /// The task that a record or a subtask belongs to: that of its parent `id`, or of the current span, or what
    /// [`DistlogLayer::find`] finds instead.
    #[inline]
    pub(super) fn nearest<'m, S>(
        &self,
        met: &'m mut SpanCache,
        ctx: &Context<'_, S>,
        id: Option<&Id>,
    ) -> Option<&'m Arc<SpanData>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let current;
        let span = match id {
            Some(id) => id,
            None => {
                current = ctx.current_span();
                current.id()?
            }
        };
        met.get_or(span, || {
            self.find(ctx, id, |task, found| Some((task, found.id == *span)))
        })
    }

    /// Asks the tasks from an explicit parent upwards; without one those of the current span, then the other open spans
    /// of this thread; until one gives an answer.
    pub(super) fn find<S, T>(
        &self,
        ctx: &Context<'_, S>,
        id: Option<&Id>,
        mut ask: impl FnMut(Arc<SpanData>, Found<'_>) -> Option<T>,
    ) -> Option<T>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if let Some(id) = id {
            return self.find_from(ctx, id, &mut ask);
        }
        self.find_from(ctx, ctx.current_span().id()?, &mut ask)
            .or_else(|| self.climb(ctx.lookup_current()?, &mut ask))
    }

    fn find_from<S, T>(
        &self,
        ctx: &Context<'_, S>,
        id: &Id,
        ask: &mut impl FnMut(Arc<SpanData>, Found<'_>) -> Option<T>,
    ) -> Option<T>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        match ctx.span(id) {
            Some(span) => self.climb(span, ask),
            // A per-layer filter hides it, but not necessarily those above it.
            None => self.climb(
                self.dispatch
                    .get()?
                    .upgrade()?
                    .downcast_ref::<Registry>()?
                    .span(id)?,
                ask,
            ),
        }
    }

    /// Asks the tasks from a span upwards.
    fn climb<'a, R: LookupSpan<'a>, T>(
        &self,
        span: SpanRef<'a, R>,
        ask: &mut impl FnMut(Arc<SpanData>, Found<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut next = Some(span);
        while let Some(span) = next {
            let found = Found {
                id: span.id(),
                metadata: span.metadata(),
            };
            if let Some(task) = self.task_of(&span)
                && let Some(answer) = ask(task, found)
            {
                return Some(answer);
            }
            next = span.parent();
        }
        None
    }
}

/// A span with a task.
pub(super) struct Found<'a> {
    pub(super) id: Id,
    pub(super) metadata: &'a Metadata<'static>,
}
