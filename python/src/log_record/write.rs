//! Writes a record as a dictionary.

use super::ascii::{comma_millis, date, span_hex, trace_hex, uuid};
use super::fields::{flag, list, map, names_of_text, plain_fields, str, u64, value};
use super::{Fragment, FragmentSink, Sink};
use distlog_proto::Severity;
use distlog_proto::wire::{CallsiteRef, ErrorRef, LinkRef, OtlpRef, RecordRef, SourceRef, TaskRef};
use distlog_proto::{Channel, Environment, Kind, Outcome, SpanKind};

/// Writes the dictionary of a record.
pub(crate) fn write<'a, S: FragmentSink<'a>>(sink: &mut S, r: &RecordRef<'a>) {
    let (source, callsite) = (r.source, r.callsite);
    let millis = r.time / 1_000_000;
    sink.fragment(Fragment::Second(millis / 1000), |sink| {
        sink.begin_map();
        sink.name("asctime");
        sink.begin_str();
        sink.piece(date(millis / 1000).as_str());
    });
    sink.piece(comma_millis(millis % 1000).as_str());
    sink.end_str();
    let (levelname, text_said) = levelname(r.severity, r.severity_text);
    let level = |sink: &mut S| {
        sink.name("levelname");
        sink.str(levelname);
        sink.name("name");
        sink.str(callsite.target);
    };
    if r.severity_text.is_empty() {
        sink.fragment(Fragment::Level(r.severity, callsite), level);
    } else {
        level(sink);
    }
    sink.name("message");
    sink.str(r.message);
    let mut text = false;
    if !r.fields.is_empty() {
        sink.name("fields");
        sink.begin_map();
        text = plain_fields(sink, r.fields, false);
        sink.end_map();
    }
    if let Some(task) = &r.task {
        sink.name("context");
        sink.begin_map();
        sink.name("key");
        // The label: `3@e252a11f-d33d-483d-ba08-bc8f642b2f10/1`.
        sink.begin_str();
        sink.piece(itoa::Buffer::new().format(r.number));
        sink.fragment(Fragment::Context(task.span_id, task.wire), |sink| {
            context(sink, task);
        });
    }
    let error = r.error();
    if let Some(error) = &error {
        exc_text(sink, error);
    }
    str(sink, "stack_info", r.stack);
    let template = |sink: &mut S, template| {
        str(sink, "msg", template);
        sink.name("levelno");
        sink.i64(r.levelno());
    };
    if callsite.template.is_empty() {
        template(sink, r.message);
    } else if r.level != 0 {
        template(sink, callsite.template);
    } else {
        sink.fragment(Fragment::Template(r.severity, callsite), |sink| {
            template(sink, callsite.template);
        });
    }
    sink.name("created");
    sink.seconds(r.time / 1000);
    sink.name("msecs");
    sink.whole(millis % 1000);
    sink.fragment(Fragment::Place(callsite), |sink| place(sink, callsite));
    sink.fragment(
        Fragment::Thread(source, r.kind, r.thread_id, r.thread_name),
        |sink| {
            u64(sink, "thread", r.thread_id);
            str(sink, "threadName", r.thread_name);
            u64(sink, "process", source.process_id);
            str(sink, "processName", source.process_name);
            str(sink, "hostname", source.host);
            sink.name("distlog");
            sink.begin_map();
            sink.name("kind");
            sink.str(r.kind.name());
        },
    );
    own(sink, r, error.as_ref());
    if text_said {
        str(sink, "severity_text", r.severity_text);
    }
    if text {
        names_of_text(sink, "text", r.fields);
    }
    if let Some(task) = &r.task {
        sink.fragment(Fragment::ContextText(task.span_id, task.wire), |sink| {
            names_of_text(sink, "context_text", task.context);
        });
    }
    sink.end_map();
    sink.end_map();
}

/// What follows the number in the label, and the fields of the task.
fn context<S: Sink>(sink: &mut S, task: &TaskRef<'_>) {
    sink.piece("@");
    sink.piece(uuid(task.trace_id.to_bytes()).as_str());
    if !task.path.is_empty() {
        sink.piece("/");
        sink.piece(task.path);
    }
    sink.end_str();
    plain_fields(sink, task.context, true);
    sink.end_map();
}

fn place<S: Sink>(sink: &mut S, callsite: &CallsiteRef<'_>) {
    str(sink, "pathname", callsite.file);
    str(
        sink,
        "filename",
        callsite.file.rsplit(['/', '\\']).next().unwrap_or_default(),
    );
    u64(sink, "lineno", callsite.line);
    str(sink, "module", callsite.module);
    str(sink, "funcName", callsite.function);
}

/// The entries of the key `distlog` after the kind.
fn own<'a, S: FragmentSink<'a>>(sink: &mut S, r: &RecordRef<'a>, error: Option<&ErrorRef<'_>>) {
    let callsite = r.callsite;
    if r.outcome != Outcome::Unset {
        str(sink, "outcome", r.outcome.name());
    }
    u64(sink, "duration", r.duration);
    sink.fragment(Fragment::Service(r.source), |sink| {
        str(sink, "service", r.source.service);
    });
    let key = match r.kind {
        Kind::Event => "event_name",
        _ => "task",
    };
    str(sink, key, r.name);
    if let Some(error) = error {
        self::error(sink, error);
    }
    if let Some(task) = &r.task {
        sink.fragment(Fragment::Ids(task.span_id, task.wire), |sink| {
            self::task(sink, task)
        });
    } else {
        u64(sink, "number", r.number);
    }
    if r.span_kind != SpanKind::Unset {
        str(sink, "span_kind", r.span_kind.name());
    }
    u64(sink, "status_code", r.status_code);
    str(sink, "status_message", r.status_message);
    list(sink, "links", r.links(), |sink, link| {
        self::link(sink, &link);
    });
    // A float of seconds holds microseconds until 2106.
    if !r.time.is_multiple_of(1000) || r.time > u64::from(u32::MAX) * 1_000_000_000 {
        u64(sink, "time", r.time);
    }
    u64(sink, "observed_time", r.observed_time);
    let stated = r.stated_severity();
    if Severity::from_levelno(r.levelno()) != stated {
        sink.name("severity");
        sink.u64(stated.number().into());
    }
    if r.level != 0 && r.is_by_otlp() {
        sink.name("level");
        sink.i64(r.level);
    }
    if callsite.severity != stated {
        sink.name("callsite_severity");
        sink.u64(callsite.severity.number().into());
    }
    let literal = !r.message.is_empty() && callsite.template == r.message;
    flag(sink, "literal", literal);
    u64(sink, "offset", r.offset);
    sink.fragment(Fragment::Source(r.source), |sink| source(sink, r.source));
    if let Some(otlp) = r.otlp() {
        self::otlp(sink, &otlp);
    }
}

fn source<S: Sink>(sink: &mut S, source: &SourceRef<'_>) {
    if source.producer.is_known() {
        str(sink, "producer", uuid(source.producer.to_bytes()).as_str());
    }
    if source.environment != Environment::Test {
        str(sink, "system", source.environment.name());
    }
    if source.channel != Channel::Log {
        str(sink, "stream", source.channel.name());
    }
    map(sink, "resource", source.resource);
    str(sink, "schema_url", source.schema_url);
    u64(
        sink,
        "resource_dropped_attributes",
        source.dropped_attributes,
    );
}

fn task<S: Sink>(sink: &mut S, task: &TaskRef<'_>) {
    sink.name("trace_id");
    sink.str(trace_hex(task.trace_id).as_str());
    sink.name("span_id");
    sink.str(span_hex(task.span_id).as_str());
    if let Some(parent) = task.parent_span_id {
        str(sink, "parent_span_id", span_hex(parent).as_str());
    }
    u64(sink, "flags", task.flags);
    str(sink, "trace_state", task.trace_state);
}

pub(super) fn error<S: Sink>(sink: &mut S, error: &ErrorRef<'_>) {
    sink.name("error");
    sink.begin_map();
    str(sink, "kind", error.kind);
    str(sink, "message", error.message);
    list(sink, "chain", error.chain(), S::str);
    flag(sink, "traceback", !error.traceback.is_empty());
    sink.end_map();
}

/// For readers that know only Python's dictionary: the traceback, or what takes its place.
fn exc_text<S: Sink>(sink: &mut S, error: &ErrorRef<'_>) {
    if !error.traceback.is_empty() {
        return str(sink, "exc_text", error.traceback);
    }
    if error.kind.is_empty() && error.message.is_empty() && error.chain().next().is_none() {
        return;
    }
    let colon = if error.kind.is_empty() || error.message.is_empty() {
        ""
    } else {
        ": "
    };
    sink.name("exc_text");
    sink.begin_str();
    [error.kind, colon, error.message]
        .into_iter()
        .chain(error.chain().flat_map(|cause| ["\ncaused by: ", cause]))
        .for_each(|piece| sink.piece(piece));
    sink.end_str();
}

pub(super) fn link<S: Sink>(sink: &mut S, link: &LinkRef<'_>) {
    sink.begin_map();
    sink.name("trace_id");
    sink.str(trace_hex(link.trace_id).as_str());
    sink.name("span_id");
    sink.str(span_hex(link.span_id).as_str());
    str(sink, "path", link.path);
    u64(sink, "flags", link.flags);
    str(sink, "trace_state", link.trace_state);
    map(sink, "attributes", link.attributes);
    u64(sink, "dropped_attributes", link.dropped_attributes);
    sink.end_map();
}

pub(super) fn otlp<S: Sink>(sink: &mut S, otlp: &OtlpRef<'_>) {
    sink.name("otlp");
    sink.begin_map();
    str(sink, "scope_name", otlp.scope_name);
    str(sink, "scope_version", otlp.scope_version);
    map(sink, "scope_attributes", otlp.scope_attributes);
    u64(
        sink,
        "scope_dropped_attributes",
        otlp.scope_dropped_attributes,
    );
    str(sink, "scope_schema_url", otlp.scope_schema_url);
    u64(sink, "dropped_attributes", otlp.dropped_attributes);
    u64(sink, "dropped_events", otlp.dropped_events);
    u64(sink, "dropped_links", otlp.dropped_links);
    str(sink, "event_name", otlp.event_name);
    if let Some(body) = otlp.body {
        sink.name("body");
        value(sink, body);
    }
    flag(sink, "span_event", otlp.span_event);
    flag(sink, "no_time", otlp.no_time);
    if let Some(trace_id) = otlp.trace_id {
        sink.name("trace_id");
        sink.str(trace_hex(trace_id).as_str());
    }
    u64(sink, "flags", otlp.flags);
    sink.end_map();
}

/// The level's name for Python, and whether `severity_text` needs its own entry: Python's readers expect `WARNING`
/// where OpenTelemetry writes `WARN`, but a level that only the program knows is shown.
fn levelname(severity: Severity, text: &str) -> (&str, bool) {
    let usual = severity.levelname();
    if text.is_empty() {
        (usual, false)
    } else if text.eq_ignore_ascii_case(usual) || text.eq_ignore_ascii_case(severity.name()) {
        (usual, true)
    } else {
        (text, false)
    }
}
