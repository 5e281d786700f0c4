//! [`DistlogLayer`]: what happens when `tracing` tells of a span or an event. `layer/lookup.rs` finds the tasks that it
//! is about.
//!
//! Whatever a program gives us to format (`Debug`, `Display`, `Serialize`) is formatted into this thread's buffers
//! before the extensions of a span are asked for, so that it may itself log, open spans or record fields.

mod lookup;

use std::sync::{Arc, OnceLock};

use distlog_proto::levels::Level;
use distlog_proto::wire::field::record;
use distlog_proto::wire::{encode, put};
use distlog_proto::{Kind, Outcome, SpanKind};
use fastant::Instant;
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::levels::Raise;
use crate::record::callsite::Site;
use crate::record::distinct;
use crate::record::level;
use crate::record::redact::Policy;
use crate::record::remote_parent::SpanContext;
use crate::record::sampling::Sampler;
use crate::record::visit;
use crate::send::producer::Producer;
use crate::settings::ExternalSpanFn;
use crate::task::bind::{self, add_link, begin_bind, end_bind, put_name, status};
use crate::task::end::{self, Done};
use crate::task::late;
use crate::task::local::{self, Local};
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
    sampler: Sampler,
    /// Some traces may not be sampled.
    is_sampling: bool,
}

/// Where a task begins.
struct Place {
    context: SpanContext,
    /// As [`SpanStart::parent`].
    above: Option<Arc<SpanData>>,
    /// What in the stream its begin stands behind.
    behind: u64,
}

impl Place {
    /// With nothing above it in this process.
    fn alone(context: SpanContext) -> Place {
        Place {
            context,
            above: None,
            behind: 0,
        }
    }
}

impl DistlogLayer {
    pub(crate) fn new(
        producer: Arc<Producer>,
        external_span: Option<ExternalSpanFn>,
        sampler: Sampler,
    ) -> DistlogLayer {
        DistlogLayer {
            producer,
            dispatch: OnceLock::new(),
            external_span,
            is_sampling: sampler.is_on(),
            sampler,
        }
    }

    /// What decides about traces.
    pub(crate) fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// The producer of this process.
    #[inline]
    pub(crate) fn producer(&self) -> Option<&Producer> {
        self.producer.current()
    }

    /// Up to which level all of a task is recorded, if more is than elsewhere: as its caller or the daemon says.
    pub(crate) fn raised_level(&self, task: &SpanData) -> Option<Level> {
        let raised = task.raise().map(Raise::level);
        raised.max(self.producer.levels().level_of(task.id()))
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

    /// From now on the trace of a span's task is recorded.
    #[cold]
    fn force<'a, R: LookupSpan<'a>>(&self, producer: &Producer, span: &SpanRef<'a, R>) {
        match task_of(span) {
            Some(task) => late::force(producer, &task),
            // It is pending, or was until now.
            None if otel_interop::force(span) => {}
            None => _ = task_of(span).map(|task| late::force(producer, &task)),
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
            &self.sampler,
            self.producer()?,
            &dispatch,
            span,
            is_last,
        )
    }

    /// Where a span without an import stands, in the tree and in the stream; `None`: at the top of a new trace.
    fn place<S>(
        &self,
        met: &mut SpanCache,
        attributes: &Attributes<'_>,
        ctx: &Context<'_, S>,
        producer: &Producer,
    ) -> Option<Place>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if attributes.is_root() {
            return None;
        }
        let parent = self.nearest(met, ctx, attributes.parent())?;
        let is_ordered = producer.is_leasing() && self.external_span.is_none();
        let needs_parent = parent.unsampled().is_some() || is_ordered;
        Some(Place {
            context: parent.child_place(producer.instance()),
            above: needs_parent.then(|| Arc::clone(parent)),
            behind: parent.offsets().begin(),
        })
    }

    /// Whether an event is withheld with its trace. One that is not although its task is makes the task begin.
    #[inline]
    fn withholds<S>(
        &self,
        local: &mut Local,
        producer: &Producer,
        event: &Event<'_>,
        ctx: &Context<'_, S>,
        may_force: bool,
    ) -> bool
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if event.is_root() {
            return false;
        }
        let Some(task) = self.nearest(&mut local.met, ctx, event.parent()) else {
            return false;
        };
        let Some(unsampled) = task.unsampled() else {
            return false;
        };
        if may_force && visit::forces(|visitor| event.record(visitor)) {
            unsampled.force();
        }
        let withholds =
            unsampled.withholds() && *event.metadata().level() != tracing_core::Level::ERROR;
        match withholds {
            true => producer.unsampled().add(1),
            false => late::ensure_begun(producer, task),
        }
        withholds
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

impl<S> Layer<S> for DistlogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
        self.producer.levels().set_dispatch(dispatch.downgrade());
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
                id: site,
                repeats,
                may_force,
                ..
            } = local.site(producer, metadata, || false);
            local.begin(Kind::Begin, site, time);
            let head = local.record.len();
            let special = bind::visit(local, producer, |visitor| attributes.record(visitor));
            if repeats {
                distinct::keep_last(&mut local.record, head, metadata.fields());
                distinct::keep_last(&mut local.fields, 0, metadata.fields());
            }
            let message = head..local.record.len();
            let place = match &special.import {
                Some(import) => {
                    let context = import.open(&mut local.random, &self.sampler);
                    let raise = import.level().map(|level| producer.levels().raise(level));
                    Place::alone(SpanContext { raise, ..context })
                }
                None => self
                    .place(&mut local.met, attributes, &ctx, producer)
                    .unwrap_or_else(|| {
                        Place::alone(SpanContext::top(&mut local.random, &self.sampler))
                    }),
            };
            let Place {
                context: mut place,
                above: parent,
                behind,
            } = place;
            let is_forced = may_force && visit::forces(|visitor| attributes.record(visitor));
            if is_forced {
                place.force();
            }
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
                    parent,
                    is_forced,
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
                parent,
                producer: producer.instance(),
                site,
                level,
                time: now,
                record: &local.record,
                message,
                context: &local.fields,
            };
            let task = local.pool.begin(beginning, &mut local.scratch);
            status.set(&task);
            let is_written = task.has_begun();
            if is_written {
                late::begin_above(producer, &task);
                task.put(&mut local.record);
            }
            span.extensions_mut().replace(Arc::clone(&task));
            if is_written {
                let offset = producer.submit(behind, site, level, time, &local.record);
                task.offsets().begun(offset);
                task.hold_back_parent(offset, producer);
            }
            local.met.keep(id, task);
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some((producer, span)) = self.producer().zip(ctx.span(id)) else {
            return;
        };
        local::with(producer, |local| {
            let site = local.site(producer, span.metadata(), || false);
            if site.may_force && visit::forces(|visitor| values.record(visitor)) {
                self.force(producer, &span);
            }
            let (added, special) = begin_bind(local, producer, &span, |local| {
                let special = bind::visit(local, producer, |visitor| values.record(visitor));
                if site.repeats {
                    distinct::keep_last(&mut local.fields, 0, span.metadata().fields());
                }
                special
            });
            end_bind(local, producer, &span, added, special);
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
        let metadata = event.metadata();
        local::with(producer, |local| {
            let mut site = local.site(producer, metadata, || event.is_log());
            if (self.is_sampling || site.may_force)
                && self.withholds(local, producer, event, &ctx, site.may_force)
            {
                return;
            }
            if site.is_log {
                site.id = producer.callsites().of_log(event).unwrap_or(site.id);
            }
            let time = producer.clock().unix_nanos(Instant::now());
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
            let fails = *metadata.level() == tracing_core::Level::ERROR && !is_free;
            let error = error.filter(|_| fails).map(|at| local.record[at].to_vec());
            if site.repeats {
                distinct::keep_last(&mut local.record, head, metadata.fields());
            }
            let task = match is_free {
                true => None,
                false => self.nearest(&mut local.met, &ctx, event.parent()),
            };
            if let Some(task) = task {
                task.put(&mut local.record);
            }
            let behind = task.map_or(0, |task| task.offsets().begin());
            let level = level::index(*metadata.level());
            let offset = producer.submit(behind, site.id, level, time, &local.record);
            if let Some(task) = task {
                task.offsets().wrote(offset, producer);
            }
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
            end::write(producer, local, &task, Done::WhenLeft);
            if self.external_span.is_none() {
                local.pool.keep(task);
            }
        });
    }
}
