//! [`DistlogLayer`]: what happens when `tracing` tells of a span or an event.
//!
//! Whatever a program gives us to format (`Debug`, `Display`, `Serialize`) is formatted into this thread's buffers
//! before the extensions of a span are asked for, so that it may itself log, open spans or record fields.

use std::sync::{Arc, OnceLock};

use distlog_proto::wire::field::record;
use distlog_proto::wire::{encode, put};
use distlog_proto::{Kind, Outcome, SpanKind};
use fastant::Instant;
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use crate::record::callsite::Site;
use crate::record::distinct;
use crate::record::level;
use crate::record::redact::Policy;
use crate::record::remote_parent::SpanContext;
use crate::record::visit;
use crate::send::producer::Producer;
use crate::settings::ExternalSpanFn;
use crate::task::bind::{self, add_link, begin_bind, end_bind, put_name, status};
use crate::task::end;
use crate::task::local;
use crate::task::otel_interop::{self, DeferredStart};
use crate::task::outcome_state::OutcomePriority;
use crate::task::span::{LeftBy, SpanData, SpanStart, task_of};
use crate::task::span_cache::SpanCache;

/// A message is repeated by the end of its task up to this length, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Makes a task of every span and a record of every event, and ships them to distlogd.
///
/// One in a subscriber; [`crate::builder`] makes it. It works below per-layer filters (`layer.with_filter(…)`). A
/// `reload::Layer` around it hides it from the task API: reload the filter instead.
pub struct DistlogLayer {
    producer: Arc<Producer>,
    dispatch: OnceLock<WeakDispatch>,
    external_span: Option<ExternalSpanFn>,
}

impl DistlogLayer {
    pub(crate) fn new(
        producer: Arc<Producer>,
        external_span: Option<ExternalSpanFn>,
    ) -> DistlogLayer {
        DistlogLayer {
            producer,
            dispatch: OnceLock::new(),
            external_span,
        }
    }

    /// The producer of this process.
    #[inline]
    pub(crate) fn producer(&self) -> Option<&Producer> {
        self.producer.current()
    }

    /// The task of a span. A pending one begins.
    #[inline]
    pub(crate) fn task_of<'a, R: LookupSpan<'a>>(
        &self,
        span: &SpanRef<'a, R>,
    ) -> Option<Arc<SpanData>> {
        match task_of(span) {
            None if self.external_span.is_some() => self.begin_pending(span, false),
            task => task,
        }
    }

    #[cold]
    fn begin_pending<'a, R: LookupSpan<'a>>(
        &self,
        span: &SpanRef<'a, R>,
        is_last: bool,
    ) -> Option<Arc<SpanData>> {
        let dispatch = self.dispatch.get()?.upgrade()?;
        otel_interop::begin(
            self.external_span?,
            self.producer()?,
            &dispatch,
            span,
            is_last,
        )
    }

    /// The task that a record or a subtask belongs to: that of its parent `id`, or of the current span, or what
    /// [`DistlogLayer::find`] finds instead.
    #[inline]
    fn nearest<'m, S>(
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
    fn find<S, T>(
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

    /// Where a span without an import stands; `None`: at the top of a new trace.
    fn place<S>(
        &self,
        met: &mut SpanCache,
        attributes: &Attributes<'_>,
        ctx: &Context<'_, S>,
        producer: &Producer,
    ) -> Option<SpanContext>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if attributes.is_root() {
            return None;
        }
        let parent = self.nearest(met, ctx, attributes.parent())?;
        Some(parent.child_place(producer.instance()))
    }

    /// An ERROR event with an error makes a task fail.
    fn failed_by_event<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>, error: Vec<u8>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let metadata = event.metadata();
        // `#[instrument(err)]` logs an error and nothing else, from the place of the span that it means. If that span
        // is disabled, the error is not the surrounding task's.
        let of_instrument = metadata.fields().len() == 1;
        let id = self.find(ctx, event.parent(), |_, found| {
            let same_place = found.metadata.file() == metadata.file()
                && found.metadata.line() == metadata.line();
            (!of_instrument || same_place).then_some(found.id)
        });
        if let Some(span) = id.and_then(|id| ctx.span(&id))
            && let Some(task) = self.task_of(&span)
        {
            task.judge(|verdict| {
                verdict.give(OutcomePriority::ErrorEvent, Outcome::Failed, error);
            });
        }
    }
}

/// A span with a task.
struct Found<'a> {
    id: Id,
    metadata: &'a Metadata<'static>,
}

impl<S> Layer<S> for DistlogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
        self.producer.life().set_used();
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some((producer, span)) = self.producer().zip(ctx.span(id)) else {
            return;
        };
        let now = Instant::now();
        let time = producer.clock().unix_nanos(now);
        let metadata = attributes.metadata();
        let level = level::index(*metadata.level());
        local::with(producer, |local| {
            let Site {
                id: site, repeats, ..
            } = local.site(producer, metadata, || false);
            local.begin(Kind::Begin, site, time);
            let head = local.record.len();
            let special = bind::visit(local, producer, |visitor| attributes.record(visitor));
            if repeats {
                distinct::keep_last(&mut local.record, head, metadata.fields());
                distinct::keep_last(&mut local.fields, 0, metadata.fields());
            }
            let message = head..local.record.len();
            let mut place = match &special.import {
                Some(import) => import.open(&mut local.random),
                None => self
                    .place(&mut local.met, attributes, &ctx, producer)
                    .unwrap_or_else(|| SpanContext::top(&mut local.random)),
            };
            if special.kind != SpanKind::Unset {
                place.kind = special.kind;
            }
            put_name(&mut local.record, &special);
            put::varint(&mut local.record, record::SPAN_KIND, place.kind.number());
            if let Some(link) = &place.link {
                encode::link(&mut local.record, link);
            }
            // A text that long is not kept for as long as the task lives.
            let message = match message.len() <= MAX_MESSAGE {
                true => message,
                false => 0..0,
            };
            let status = status(special.status, special.description);
            if self.external_span.is_some() {
                let is_import = special.import.is_some();
                if is_import {
                    otel_interop::name_caller(&span, &place);
                }
                span.extensions_mut().replace(DeferredStart {
                    place,
                    is_import,
                    producer: producer.instance(),
                    site,
                    level,
                    time: now,
                    record: local.record.clone(),
                    message,
                    context: local.fields.clone(),
                    status,
                    additions: Vec::new(),
                });
                return;
            }
            let beginning = SpanStart {
                place,
                producer: producer.instance(),
                site,
                level,
                time: now,
                message: local.record.get(message).unwrap_or_default(),
                context: &local.fields,
            };
            let task = SpanData::new(beginning, &mut local.scratch);
            status.set(&task);
            task.put(&mut local.record);
            span.extensions_mut().replace(Arc::clone(&task));
            local.met.keep(id, task);
            producer.submit(site, level, time, &local.record);
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some((producer, span)) = self.producer().zip(ctx.span(id)) else {
            return;
        };
        local::with(producer, |local| {
            let special = begin_bind(local, producer, &span, |local| {
                let special = bind::visit(local, producer, |visitor| values.record(visitor));
                if local.site(producer, span.metadata(), || false).repeats {
                    distinct::keep_last(&mut local.fields, 0, span.metadata().fields());
                }
                special
            });
            end_bind(local, producer, &span, special);
        });
        if self.external_span.is_some() && otel_interop::is_full(&span) {
            self.task_of(&span);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        let Some((producer, span)) = self.producer().zip(ctx.span(id)) else {
            return;
        };
        let link = ctx
            .span(follows)
            .and_then(|other| Some(self.task_of(&other)?.link()));
        if let Some(link) = link {
            add_link(producer, &span, &link);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let Some(producer) = self.producer() else {
            return;
        };
        let time = producer.clock().unix_nanos(Instant::now());
        let metadata = event.metadata();
        local::with(producer, |local| {
            let mut site = local.site(producer, metadata, || event.is_log());
            if site.is_log {
                site.id = producer.callsites().of_log(event).unwrap_or(site.id);
            }
            local.begin(Kind::Event, site.id, time);
            if site.is_named {
                let (name, policy) = (metadata.name(), Policy::only(producer.limit()));
                crate::record::encode::text(
                    &mut local.record,
                    record::NAME,
                    policy,
                    format_args!("{name}"),
                );
            }
            let head = local.record.len();
            let policy = producer.policy();
            let error = visit::event(event, &mut local.record, policy, site.is_log);
            // `parent: None`: it belongs to no task, and fails none. A disabled parent arrives the same way.
            let is_free = event.is_root();
            let fails = *metadata.level() == Level::ERROR && !is_free;
            let error = error.filter(|_| fails).map(|at| local.record[at].to_vec());
            if site.repeats {
                distinct::keep_last(&mut local.record, head, metadata.fields());
            }
            if !is_free && let Some(task) = self.nearest(&mut local.met, &ctx, event.parent()) {
                task.put(&mut local.record);
            }
            producer.submit(
                site.id,
                level::index(*metadata.level()),
                time,
                &local.record,
            );
            if let Some(error) = error {
                self.failed_by_event(event, &ctx, error);
            }
        });
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if (self.external_span.is_some() || std::thread::panicking())
            && let Some(task) = ctx.span(id).and_then(|span| self.task_of(&span))
        {
            task.entered();
        }
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        let Some(producer) = self.producer() else {
            return;
        };
        local::with(producer, |local| {
            let task = local
                .met
                .get_or(id, || Some((task_of(&ctx.span(id)?)?, true)));
            if let Some(task) = task
                && task.left() == LeftBy::Panic
            {
                task.panicked();
            }
        });
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(producer) = self.producer() else {
            return;
        };
        local::with(producer, |local| {
            let met = local.met.take(&id);
            let found = || {
                let span = ctx.span(&id)?;
                task_of(&span).or_else(|| self.begin_pending(&span, true))
            };
            let Some(task) = met.or_else(found) else {
                return;
            };
            task.close();
            end::write(producer, local, &task, |now| task.left_last(now));
        });
    }
}
