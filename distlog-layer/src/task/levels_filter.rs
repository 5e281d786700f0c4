//! [`LevelsFilter`]: what of spans and events the layer gets, which a daemon can change.

use std::fmt;
use std::sync::Arc;

use distlog_proto::levels::Level;
use tracing_core::subscriber::Interest;
use tracing_core::{LevelFilter, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::levels::{LevelState, Table, WITHOUT, takes};
use crate::task::otel_interop::DeferredStart;
use crate::task::span::SpanData;

/// A per-layer filter by levels that a daemon can change while the program runs: `layer.with_filter(filter)`.
/// [`Guard::levels`](crate::Guard::levels) makes it.
#[must_use = "a filter does nothing until a layer has it: `layer.with_filter(filter)`"]
pub struct LevelsFilter {
    state: Arc<LevelState>,
}

impl LevelsFilter {
    pub(crate) fn new(state: Arc<LevelState>) -> LevelsFilter {
        LevelsFilter { state }
    }
}

impl fmt::Debug for LevelsFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.state, f)
    }
}

impl<S> Filter<S> for LevelsFilter
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool {
        let enabled = self.state.with_table(|table| {
            table.enables(metadata)
                || (table.may_raise(metadata)
                    && level_here(table, ctx).is_some_and(|level| takes(level, metadata.level())))
        });
        enabled.unwrap_or(*metadata.level() <= WITHOUT)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let interest = self.state.with_table(|table| table.interest(metadata));
        interest.unwrap_or_else(Interest::sometimes)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.state.with_table(Table::max_level)
    }
}

/// Up to which level all is recorded of the current task, if more is than elsewhere.
fn level_here<S>(table: &Table, ctx: &Context<'_, S>) -> Option<Level>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut spans = ctx.lookup_current()?.scope();
    spans.find_map(|span| level_of(table, &span))?
}

/// That of a span's task; `None`: it has none.
fn level_of<'a, R: LookupSpan<'a>>(table: &Table, span: &SpanRef<'a, R>) -> Option<Option<Level>> {
    let extensions = span.extensions();
    if let Some(task) = extensions.get::<Arc<SpanData>>() {
        let raised = task.raise().map(|raise| raise.level());
        return Some(raised.max(table.level_of(task.id())));
    }
    let pending = extensions.get::<DeferredStart>()?;
    // Its id is not known yet.
    let raise = pending.place.raise.as_ref()?;
    Some(Some(raise.level()))
}
