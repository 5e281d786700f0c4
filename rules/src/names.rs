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

const NAMES: [(&str, Name, Type); 22] = [
    ("kind", Name::Kind, Type::Str),
    ("severity", Name::Severity, Type::Number),
    ("service", Name::Service, Type::Str),
    ("host", Name::Host, Type::Str),
    ("process", Name::Process, Type::Str),
    ("target", Name::Target, Type::Str),
    ("message", Name::Message, Type::Str),
    ("file", Name::File, Type::Str),
    ("line", Name::Line, Type::Number),
    ("module", Name::Module, Type::Str),
    ("function", Name::Function, Type::Str),
    ("thread", Name::Thread, Type::Str),
    ("task", Name::Task, Type::Str),
    ("trace_id", Name::TraceId, Type::Str),
    ("span_id", Name::SpanId, Type::Str),
    ("outcome", Name::Outcome, Type::Str),
    ("duration", Name::Duration, Type::Duration),
    ("sampled", Name::Sampled, Type::Bool),
    ("system", Name::Environment, Type::Str),
    ("fields", Name::Fields, Type::Map),
    ("context", Name::Context, Type::Map),
    ("resource", Name::Resource, Type::Map),
];

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

/// What can be called; the macros are expanded by the parser and not among them.
const FUNCTIONS: [&str; 41] = [
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "format",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "replace",
    "reverse",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "timestamp",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "all",
    "exists",
    "filter",
    "map",
];

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
        .map(|(_, name, kind)| (*name, *kind))
}

/// Looks a constant up.
pub(super) fn constant(text: &str) -> Option<i64> {
    CONSTANTS
        .iter()
        .find(|(known, _)| *known == text)
        .map(|(_, severity)| i64::from(severity.number()))
}

pub(super) fn is_type(text: &str) -> bool {
    TYPES.contains(&text)
}

pub(super) fn is_function(text: &str) -> bool {
    FUNCTIONS.contains(&text)
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

/// The known function that `text` was probably meant to be.
pub(super) fn meant_function(text: &str) -> Option<&'static str> {
    super::nearest(text, FUNCTIONS.iter().copied().chain(["has", "exists_one"]))
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
