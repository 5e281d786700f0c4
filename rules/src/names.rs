//! The names that a condition may use, and what they stand for in a record.

use distlog_proto::wire::FieldsRef;
use distlog_proto::{RecordRef, Severity, ValueRef};

use super::reserved;
use super::value::{Id, NoValue, Out, Val};

/// A name at the top level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Kind,
    Severity,
    Service,
    Host,
    Process,
    Target,
    Message,
    File,
    Line,
    Module,
    Function,
    Thread,
    Task,
    TraceId,
    SpanId,
    Root,
    Outcome,
    Duration,
    Sampled,
    Environment,
    Fields,
    Context,
    Resource,
}

/// The type of a value, as far as it is known without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Number,
    Str,
    Duration,
    List,
    Map,
    /// Anything.
    Any,
}

impl Type {
    /// By its name.
    fn name(self) -> &'static str {
        match self {
            Type::Bool => "bool",
            Type::Number => "number",
            Type::Str => "string",
            Type::Duration => "duration",
            Type::List => "list",
            Type::Map => "map",
            Type::Any => "any",
        }
    }

    /// For messages.
    pub(super) fn article(self) -> &'static str {
        match self {
            Type::Bool => "a boolean",
            Type::Number => "a number",
            Type::Str => "a string",
            Type::Duration => "a duration",
            Type::List => "a list",
            Type::Map => "a map",
            Type::Any => "a value",
        }
    }
}

/// Each with its type and what it is.
const NAMES: [(&str, Name, Type, &str); 23] = [
    ("kind", Name::Kind, Type::Str, "begin, event, bind or end"),
    (
        "severity",
        Name::Severity,
        Type::Number,
        "from 1 to 24: TRACE, DEBUG, INFO, WARN, ERROR, FATAL; 0 if unknown",
    ),
    ("service", Name::Service, Type::Str, "name of the service"),
    ("host", Name::Host, Type::Str, "name of the host"),
    ("process", Name::Process, Type::Str, "name of the process"),
    ("target", Name::Target, Type::Str, "target or logger"),
    ("message", Name::Message, Type::Str, "the text"),
    (
        "file",
        Name::File,
        Type::Str,
        "file of the place in the code",
    ),
    (
        "line",
        Name::Line,
        Type::Number,
        "line of the place in the code",
    ),
    (
        "module",
        Name::Module,
        Type::Str,
        "module of the place in the code",
    ),
    (
        "function",
        Name::Function,
        Type::Str,
        "function of the place in the code",
    ),
    ("thread", Name::Thread, Type::Str, "name of the thread"),
    ("task", Name::Task, Type::Str, "id of the task"),
    ("trace_id", Name::TraceId, Type::Str, "32 hex digits"),
    ("span_id", Name::SpanId, Type::Str, "16 hex digits"),
    ("root", Name::Root, Type::Bool, "the task has none above it"),
    (
        "outcome",
        Name::Outcome,
        Type::Str,
        "of an end: ok, success, failed, lost or cancelled",
    ),
    (
        "duration",
        Name::Duration,
        Type::Duration,
        "of an end: compares with duration('1.5s')",
    ),
    (
        "sampled",
        Name::Sampled,
        Type::Bool,
        "the flag of W3C trace context",
    ),
    (
        "system",
        Name::Environment,
        Type::Str,
        "test, staging or production",
    ),
    (
        "fields",
        Name::Fields,
        Type::Map,
        "the record's own fields: fields.amount, fields[\"http.route\"]",
    ),
    (
        "context",
        Name::Context,
        Type::Map,
        "fields of the task: context.user",
    ),
    (
        "resource",
        Name::Resource,
        Type::Map,
        "attributes of the resource: resource[\"k8s.pod.name\"]",
    ),
];

/// What a condition may be written with, for who offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Its type; `function` of what is called.
    pub kind: &'static str,
    /// What it is, in a few words; of a function how it is called.
    pub about: &'static str,
    /// What it can be, where that is known.
    pub values: &'static [&'static str],
}

const CONSTANTS: [(&str, Severity); 6] = [
    ("TRACE", Severity::TRACE),
    ("DEBUG", Severity::DEBUG),
    ("INFO", Severity::INFO),
    ("WARN", Severity::WARN),
    ("ERROR", Severity::ERROR),
    ("FATAL", Severity::FATAL),
];

/// Names of types, which `type(x) == int` compares with.
const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
    "timestamp",
    "google",
];

impl Name {
    /// As conditions write it.
    pub(super) fn text(self) -> &'static str {
        let found = NAMES.iter().find(|(_, name, ..)| *name == self);
        found.map_or("", |(text, ..)| text)
    }
}

/// Looks a top-level name up.
pub(super) fn name(text: &str) -> Option<(Name, Type)> {
    let text = if text == reserved::STAND_IN {
        reserved::NAME
    } else {
        text
    };
    NAMES
        .iter()
        .find(|(known, ..)| *known == text)
        .map(|(_, name, kind, _)| (*name, *kind))
}

/// The names of conditions and their constants.
pub(super) fn known() -> impl Iterator<Item = Known> {
    let names = NAMES.iter().map(|(text, name, kind, about)| Known {
        name: text,
        kind: kind.name(),
        about,
        values: words(*name).unwrap_or_default(),
    });
    let constants = CONSTANTS.iter().map(|(text, _)| Known {
        name: text,
        kind: Type::Number.name(),
        about: "a severity",
        values: &[],
    });
    names.chain(constants)
}

/// The constants with their values.
pub(super) fn constants() -> impl Iterator<Item = (&'static str, i64)> {
    CONSTANTS
        .iter()
        .map(|(text, severity)| (*text, i64::from(severity.number())))
}

/// Looks a constant up.
pub(super) fn constant(text: &str) -> Option<i64> {
    constants()
        .find(|(known, _)| *known == text)
        .map(|(_, value)| value)
}

pub(super) fn is_type(text: &str) -> bool {
    TYPES.contains(&text)
}

/// The known name that `text` was probably meant to be.
pub(super) fn meant(text: &str) -> Option<&'static str> {
    super::nearest(
        text,
        NAMES
            .iter()
            .map(|(name, ..)| *name)
            .chain(CONSTANTS.iter().map(|(name, _)| *name)),
    )
}

/// The words that a name can stand for, where there are only a few.
pub(super) fn words(name: Name) -> Option<&'static [&'static str]> {
    match name {
        Name::Kind => Some(&["begin", "event", "bind", "end"]),
        Name::Outcome => Some(&["ok", "success", "failed", "lost", "cancelled", ""]),
        Name::Environment => Some(&["test", "staging", "production"]),
        _ => None,
    }
}

impl Name {
    /// The maps, whose entries may be missing.
    pub(super) fn map<'a>(self, record: &RecordRef<'a>) -> Option<FieldsRef<'a>> {
        match self {
            Name::Fields => Some(record.fields),
            Name::Context => Some(record.task.map(|task| task.context).unwrap_or_default()),
            Name::Resource => Some(record.source.resource),
            _ => None,
        }
    }

    /// Its value in this record. Unknown text is empty; only an end has a duration.
    pub(super) fn value<'a>(self, record: &RecordRef<'a>) -> Out<'a> {
        Ok(match self {
            Name::Kind => Val::Str(record.kind.name()),
            Name::Severity => Val::Int(record.severity.number().into()),
            Name::Service => Val::Str(record.source.service),
            Name::Host => Val::Str(record.source.host),
            Name::Process => Val::Str(record.source.process_name),
            Name::Target => Val::Str(record.callsite.target),
            Name::Message => Val::Str(record.message),
            Name::File => Val::Str(record.callsite.file),
            Name::Line => Val::Int(record.callsite.line.into()),
            Name::Module => Val::Str(record.callsite.module),
            Name::Function => Val::Str(record.callsite.function),
            Name::Thread => Val::Str(record.thread_name),
            Name::Task => record.task.map_or(Val::Str(""), |task| {
                Val::Id(Id::Task(task.trace_id, task.path))
            }),
            Name::TraceId => record
                .task
                .map_or(Val::Str(""), |task| Val::Id(Id::Trace(task.trace_id))),
            Name::SpanId => record
                .task
                .map_or(Val::Str(""), |task| Val::Id(Id::Span(task.span_id))),
            Name::Root => Val::Bool(
                record
                    .task
                    .is_some_and(|task| task.parent_span_id.is_none()),
            ),
            Name::Outcome => Val::Str(record.outcome.name()),
            // An end without one is of a span that has no start or no end.
            Name::Duration => {
                let took = record.took().ok_or(NoValue)?;
                Val::Duration(i64::try_from(took).unwrap_or(i64::MAX))
            }
            Name::Sampled => Val::Bool(record.task.is_some_and(|task| task.flags & 1 == 1)),
            Name::Environment => Val::Str(record.source.environment.name()),
            Name::Fields | Name::Context | Name::Resource => {
                Val::from(ValueRef::Map(self.map(record).unwrap_or_default()))
            }
        })
    }
}
