//! The messages of export requests: names, numbers and kinds of their fields
//! (<https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto>). What is not here is passed
//! over.

/// A message: its fields.
#[derive(Debug)]
pub(crate) struct Message(pub(crate) &'static [Field]);

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    /// As it stands in JSON.
    pub(crate) name: &'static str,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) times: Times,
}

/// What the value of a field is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Message(&'static Message),
    Text,
    /// Bytes that are an id: hexadecimal, unlike other bytes.
    Id,
    /// Bytes in base64.
    Bytes,
    Bool,
    Double,
    Int64,
    Fixed64,
    Fixed32,
    Uint32,
    Enum,
}

/// How often a field has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// Once; what proto3 has by default need not be written.
    Once,
    /// Once, as one of several kinds: what is there is written, whatever it is.
    Choice,
    /// Any number of times: a list in JSON.
    Many,
}

impl Message {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.0.iter().find(|field| field.name == name)
    }
}

const fn field(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        number,
        kind,
        times: Times::Once,
    }
}

const fn choice(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        number,
        kind,
        times: Times::Choice,
    }
}

const fn one(number: u32, name: &'static str, message: &'static Message) -> Field {
    field(number, name, Kind::Message(message))
}

const fn many(number: u32, name: &'static str, message: &'static Message) -> Field {
    Field {
        name,
        number,
        kind: Kind::Message(message),
        times: Times::Many,
    }
}

pub(crate) static TRACES: Message = Message(&[many(1, "resourceSpans", &RESOURCE_SPANS)]);
pub(crate) static LOGS: Message = Message(&[many(1, "resourceLogs", &RESOURCE_LOGS)]);

static RESOURCE_SPANS: Message = Message(&[
    one(1, "resource", &RESOURCE),
    many(2, "scopeSpans", &SCOPE_SPANS),
    field(3, "schemaUrl", Kind::Text),
]);
static SCOPE_SPANS: Message = Message(&[
    one(1, "scope", &SCOPE),
    many(2, "spans", &SPAN),
    field(3, "schemaUrl", Kind::Text),
]);
static RESOURCE_LOGS: Message = Message(&[
    one(1, "resource", &RESOURCE),
    many(2, "scopeLogs", &SCOPE_LOGS),
    field(3, "schemaUrl", Kind::Text),
]);
static SCOPE_LOGS: Message = Message(&[
    one(1, "scope", &SCOPE),
    many(2, "logRecords", &LOG_RECORD),
    field(3, "schemaUrl", Kind::Text),
]);
static RESOURCE: Message = Message(&[
    many(1, "attributes", &KEY_VALUE),
    field(2, "droppedAttributesCount", Kind::Uint32),
]);
static SCOPE: Message = Message(&[
    field(1, "name", Kind::Text),
    field(2, "version", Kind::Text),
    many(3, "attributes", &KEY_VALUE),
    field(4, "droppedAttributesCount", Kind::Uint32),
]);

static SPAN: Message = Message(&[
    field(1, "traceId", Kind::Id),
    field(2, "spanId", Kind::Id),
    field(3, "traceState", Kind::Text),
    field(4, "parentSpanId", Kind::Id),
    field(5, "name", Kind::Text),
    field(6, "kind", Kind::Enum),
    field(7, "startTimeUnixNano", Kind::Fixed64),
    field(8, "endTimeUnixNano", Kind::Fixed64),
    many(9, "attributes", &KEY_VALUE),
    field(10, "droppedAttributesCount", Kind::Uint32),
    many(11, "events", &EVENT),
    field(12, "droppedEventsCount", Kind::Uint32),
    many(13, "links", &LINK),
    field(14, "droppedLinksCount", Kind::Uint32),
    one(15, "status", &STATUS),
    field(16, "flags", Kind::Fixed32),
]);
static EVENT: Message = Message(&[
    field(1, "timeUnixNano", Kind::Fixed64),
    field(2, "name", Kind::Text),
    many(3, "attributes", &KEY_VALUE),
    field(4, "droppedAttributesCount", Kind::Uint32),
]);
static LINK: Message = Message(&[
    field(1, "traceId", Kind::Id),
    field(2, "spanId", Kind::Id),
    field(3, "traceState", Kind::Text),
    many(4, "attributes", &KEY_VALUE),
    field(5, "droppedAttributesCount", Kind::Uint32),
    field(6, "flags", Kind::Fixed32),
]);
static STATUS: Message = Message(&[
    field(2, "message", Kind::Text),
    field(3, "code", Kind::Enum),
]);

static LOG_RECORD: Message = Message(&[
    field(1, "timeUnixNano", Kind::Fixed64),
    field(2, "severityNumber", Kind::Enum),
    field(3, "severityText", Kind::Text),
    one(5, "body", &ANY_VALUE),
    many(6, "attributes", &KEY_VALUE),
    field(7, "droppedAttributesCount", Kind::Uint32),
    field(8, "flags", Kind::Fixed32),
    field(9, "traceId", Kind::Id),
    field(10, "spanId", Kind::Id),
    field(11, "observedTimeUnixNano", Kind::Fixed64),
    field(12, "eventName", Kind::Text),
]);

static KEY_VALUE: Message = Message(&[field(1, "key", Kind::Text), one(2, "value", &ANY_VALUE)]);
static ANY_VALUE: Message = Message(&[
    choice(1, "stringValue", Kind::Text),
    choice(2, "boolValue", Kind::Bool),
    choice(3, "intValue", Kind::Int64),
    choice(4, "doubleValue", Kind::Double),
    choice(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
    choice(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
    choice(7, "bytesValue", Kind::Bytes),
]);
static ARRAY_VALUE: Message = Message(&[many(1, "values", &ANY_VALUE)]);
static KEY_VALUE_LIST: Message = Message(&[many(1, "values", &KEY_VALUE)]);
