//! Fields of a span become those of its task: what it begins with, and what is added later (`bind` records).

use distlog_proto::wire::field::record;
use distlog_proto::wire::{encode, put};
use distlog_proto::{Kind, Link};
use fastant::Instant;
use tracing_core::field::Visit;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::record::encode::{renumber, text};
use crate::record::redact::{Policy, ProducerPolicy};
use crate::record::visit::{self, Special};
use crate::send::producer::Producer;
use crate::task::late;
use crate::task::local::{self, Local};
use crate::task::otel_interop::{self, PendingUpdate, Status};
use crate::task::span::task_of;

/// Longest `otel.name` and status description, in bytes.
const MAX_NAME: usize = 256;

/// Takes the fields of a span: its message into the record, the others into the buffer beside it.
pub(crate) fn visit(
    local: &mut Local,
    producer: &Producer,
    fields: impl FnOnce(&mut dyn Visit),
) -> Special {
    local.fields.clear();
    let policy = producer.policy();
    visit::span(fields, &mut local.record, &mut local.fields, policy)
}

/// Writes the name that `otel.name` says.
pub(crate) fn put_name(out: &mut Vec<u8>, special: &Special) {
    if let Some(name) = &special.name {
        text(
            out,
            record::NAME,
            Policy::only(out.len() + MAX_NAME),
            format_args!("{name}"),
        );
    }
}

/// What was said about how the task went.
pub(crate) fn status(ok: Option<bool>, description: Option<String>) -> Status {
    let description = description.map(|text| text.chars().take(MAX_NAME / 4).collect());
    Status { ok, description }
}

/// Begins a record that adds something to a task; `fill` may call a program's code. Where in the record begins what it
/// adds, and what `fill` returns.
pub(crate) fn begin_bind<'a, R: LookupSpan<'a>, T>(
    local: &mut Local,
    producer: &Producer,
    span: &SpanRef<'a, R>,
    fill: impl FnOnce(&mut Local) -> T,
) -> (usize, T) {
    let site = local.site(producer, span.metadata(), || false).id;
    local.begin(
        Kind::Bind,
        site,
        producer.clock().unix_nanos(Instant::now()),
    );
    local.fields.clear();
    let added = local.record.len();
    (added, fill(local))
}

/// Adds what was filled in to the task, and submits the record. `added`: where in it that begins.
pub(crate) fn end_bind<'a, R: LookupSpan<'a>>(
    local: &mut Local,
    producer: &Producer,
    span: &SpanRef<'a, R>,
    added: usize,
    special: Special,
) {
    put_name(&mut local.record, &special);
    put::varint(&mut local.record, record::SPAN_KIND, special.kind.number());
    let added = added..local.record.len();
    renumber(&mut local.record, &local.fields, record::FIELDS);
    let status = status(special.status, special.description);
    let Some(task) = task_of(span) else {
        let addition = PendingUpdate {
            record: local.record.clone(),
            added,
            context: local.fields.clone(),
            status,
        };
        if let Some((addition, task)) = otel_interop::keep(span, addition).zip(task_of(span)) {
            addition.submit(producer, &task);
        }
        return;
    };
    status.set(&task);
    late::add(producer, &task, &mut local.record, added, &local.fields);
}

/// Writes a record that adds fields to a task; `put` writes them as `Task.context`.
pub(crate) fn add_fields<'a, R: LookupSpan<'a>>(
    producer: &Producer,
    span: &SpanRef<'a, R>,
    put: impl FnOnce(&mut Vec<u8>, ProducerPolicy<'_>),
) {
    local::with(producer, |local| {
        let (added, ()) = begin_bind(local, producer, span, |local| {
            put(&mut local.fields, producer.policy())
        });
        end_bind(local, producer, span, added, Special::default());
    });
}

/// Writes a record that links a task to another.
pub(crate) fn add_link<'a, R: LookupSpan<'a>>(
    producer: &Producer,
    span: &SpanRef<'a, R>,
    link: &Link,
) {
    local::with(producer, |local| {
        let (added, ()) = begin_bind(local, producer, span, |local| {
            encode::link(&mut local.record, link)
        });
        end_bind(local, producer, span, added, Special::default());
    });
}
