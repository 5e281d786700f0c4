//! JSON Schemas of answers that no type of Rust describes, since they are written while they are read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::query::MAX_GROUPS;

/// A text.
pub(super) fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// A server-sent event.
pub(super) fn event(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": { "type": "string", "description": "A number in the store." },
            "event": { "enum": ["message", "skipped"] },
            "data": { "type": "string", "description": "The record, or how many were skipped." },
        },
    })
}

/// A page of records.
pub(super) fn records(generator: &mut SchemaGenerator) -> Schema {
    let record = generator.subschema_for::<Record>();
    json_schema!({
        "type": "object",
        "required": ["items", "next", "complete"],
        "properties": {
            "items": {
                "type": "array",
                "items": { "anyOf": [record, { "type": "string", "description": "With `format=text`." }] },
            },
            "next": { "type": ["string", "null"], "description": "The cursor of the next page." },
            "complete": { "type": "boolean", "description": "Whether there was time for all records." },
        },
    })
}

/// Groups of records.
pub(super) fn stats(_: &mut SchemaGenerator) -> Schema {
    let duration = |what| {
        json_schema!({
            "type": "integer", "minimum": 0,
            "description": format!("{what} of the durations of tasks that end in the group, in ns."),
        })
    };
    json_schema!({
        "type": "object",
        "required": ["items", "next", "groups", "records", "truncated", "complete"],
        "properties": {
            "items": {
                "type": "array",
                "maxItems": MAX_GROUPS,
                "items": {
                    "type": "object",
                    "description": "A group: what its records have in common by the names of `by`, and its numbers.",
                    "required": ["count"],
                    "properties": {
                        "time": { "type": "string", "format": "date-time", "description": "With `every`: when the slot begins." },
                        "count": { "type": "integer", "minimum": 0, "description": "Records." },
                        "p50_ns": duration("Half"),
                        "p90_ns": duration("90 %"),
                        "p99_ns": duration("99 %"),
                        "max_ns": duration("The longest"),
                    },
                },
            },
            "next": { "type": "null" },
            "groups": { "type": "integer", "minimum": 0, "description": "How many groups there are." },
            "records": { "type": "integer", "minimum": 0, "description": "How many records match." },
            "truncated": { "type": "boolean", "description": "Whether there are more groups than could be counted." },
            "complete": { "type": "boolean", "description": "Whether there was time for all records." },
        },
    })
}

/// A tree, or a part of it.
pub(super) fn tree(generator: &mut SchemaGenerator) -> Schema {
    let task = generator.subschema_for::<Task>();
    json_schema!({
        "type": "object",
        "required": ["trace_id", "tasks", "next"],
        "properties": {
            "trace_id": { "type": "string" },
            "tasks": { "type": "array", "items": task },
            "left_out": { "type": "string", "description": "Where the token reads some services only: that what others \
                                                            stored is not there." },
            "next": { "type": ["string", "null"], "description": "The cursor of the next part." },
        },
    })
}

/// A record, as `distlog_python::json` writes it.
struct Record;

impl JsonSchema for Record {
    fn schema_name() -> Cow<'static, str> {
        "Record".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = |about: &str| json_schema!({ "type": "string", "description": about });
        json_schema!({
            "type": "object",
            "description": "A record with the names of Python's `logging.LogRecord`; `distlog` has what Python has no \
                            name for. What is empty is left out.",
            "required": ["asctime", "levelname", "levelno", "name", "message", "created", "msecs"],
            "properties": {
                "asctime": text("Time, in UTC."),
                "created": { "type": "number", "description": "Time, in seconds since the epoch." },
                "msecs": { "type": "number" },
                "levelname": text("Severity by name."),
                "levelno": { "type": "integer", "description": "Severity as Python numbers it." },
                "name": text("Target of `tracing`, or the logger."),
                "message": text("The text."),
                "msg": text("Its template, or the text where no template is known."),
                "fields": { "type": "object", "description": "The record's own typed fields." },
                "context": { "type": "object", "description": "`key`: number of the record @ id of the task; the \
                                                               task's fields." },
                "pathname": text("File of the place in the code."),
                "filename": text("Its name."),
                "lineno": { "type": "integer", "minimum": 0 },
                "module": text("Module of the place in the code."),
                "funcName": text("Function of the place in the code."),
                "thread": { "type": "integer" },
                "threadName": text("Name of the thread."),
                "process": { "type": "integer", "minimum": 0, "description": "Id of the process." },
                "processName": text("Name of the program."),
                "hostname": text("Name of the host."),
                "exc_text": text("Traceback, or the error and its causes."),
                "stack_info": text("Stack of the logging call."),
                "distlog": { "type": "object", "description": "`kind`, `outcome`, `duration` (ns), `service`, \
                                                               `trace_id`, `span_id`, `error` and what else \
                                                               OpenTelemetry has." },
            },
        })
    }
}

/// A task of a tree.
struct Task;

impl JsonSchema for Task {
    fn schema_name() -> Cow<'static, str> {
        "TreeTask".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let record = generator.subschema_for::<Record>();
        let task = generator.subschema_for::<Task>();
        json_schema!({
            "type": "object",
            "description": "A task, and what happened in it in order of time.",
            "required": ["id", "span_id", "name", "template", "service", "host", "kind", "outcome", "items"],
            "properties": {
                "id": { "type": "string" },
                "span_id": { "type": "string" },
                "parent_span_id": { "type": "string" },
                "name": { "type": "string" },
                "template": { "type": "string" },
                "service": { "type": "string" },
                "host": { "type": "string" },
                "kind": { "type": "string", "description": "Kind of its span." },
                "outcome": { "type": "string", "description": "`running`, or how it ended." },
                "begin_ns": { "type": "integer", "minimum": 0, "description": "In ns since the epoch." },
                "duration_ns": { "type": "integer", "minimum": 0 },
                "begin": record,
                "end": record,
                "continued": { "type": "boolean", "description": "It was begun in the part before." },
                "cut": { "type": "integer", "minimum": 0, "description": "Tasks below it that stand too deep." },
                "items": {
                    "type": "array",
                    "items": { "anyOf": [
                        { "type": "object", "required": ["record"], "properties": { "record": record } },
                        { "type": "object", "required": ["task"], "properties": { "task": task } },
                    ] },
                },
            },
        })
    }
}
