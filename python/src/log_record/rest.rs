//! Parts of the dictionary, for a record that is kept in columns of a database.

use super::Sink;
use super::fields::{list, names_of_text, plain_fields, str, u64};
use super::write::{error, link, otlp};
use distlog_proto::wire::{RecordRef, TaskRef};
use distlog_proto::{Channel, Environment, Kind, SpanKind};

/// The record's own fields.
pub(crate) fn fields<S: Sink>(sink: &mut S, r: &RecordRef<'_>) {
    sink.begin_map();
    plain_fields(sink, r.fields, false);
    sink.end_map();
}

/// The fields of the task, without the label `key`.
pub(crate) fn context<S: Sink>(sink: &mut S, task: &TaskRef<'_>) {
    sink.begin_map();
    plain_fields(sink, task.context, true);
    sink.end_map();
}

/// What of the key `distlog` no column has, under the same names; and the numbers that a column cannot hold.
/// `name` is what the column of that name has. Nothing is written where there is nothing.
pub(crate) fn rest<S: Sink>(sink: &mut S, r: &RecordRef<'_>, name: &str) {
    if let Some(error) = r.error() {
        self::error(sink, &error);
    }
    if r.name != name {
        let key = match r.kind {
            Kind::Event => "event_name",
            _ => "task",
        };
        str(sink, key, r.name);
    }
    if r.took().is_none() || beyond(r.duration) {
        u64(sink, "duration", r.duration);
    }
    if r.time == 0 || beyond(r.time) {
        sink.name("time");
        sink.u64(r.time);
    }
    if beyond(r.observed_time) {
        u64(sink, "observed_time", r.observed_time);
    }
    if let Some(task) = &r.task {
        u64(sink, "flags", task.flags);
        str(sink, "trace_state", task.trace_state);
    }
    if r.span_kind != SpanKind::Unset {
        str(sink, "span_kind", r.span_kind.name());
    }
    u64(sink, "status_code", r.status_code);
    str(sink, "status_message", r.status_message);
    list(sink, "links", r.links(), |sink, one| link(sink, &one));
    let stated = r.stated_severity();
    if stated != r.severity {
        sink.name("severity");
        sink.u64(stated.number().into());
    }
    if r.level != 0 {
        sink.name("level");
        sink.i64(r.level);
    }
    if r.callsite.severity != stated {
        sink.name("callsite_severity");
        sink.u64(r.callsite.severity.number().into());
    }
    let source = r.source;
    if source.environment != Environment::Test {
        str(sink, "system", source.environment.name());
    }
    if source.channel != Channel::Log {
        str(sink, "stream", source.channel.name());
    }
    str(sink, "schema_url", source.schema_url);
    u64(
        sink,
        "resource_dropped_attributes",
        source.dropped_attributes,
    );
    if let Some(only) = r.otlp() {
        otlp(sink, &only);
    }
    names_of_text(sink, "text", r.fields);
    if let Some(task) = &r.task {
        names_of_text(sink, "context_text", task.context);
    }
}

/// Whether a signed number of 64 bits cannot hold it.
fn beyond(number: u64) -> bool {
    i64::try_from(number).is_err()
}
