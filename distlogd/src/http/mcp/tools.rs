//! The tools as an agent sees them: names, descriptions, and JSON Schemas of their arguments.

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::super::params::Limit;
use super::call::{GROUPS, PROBLEMS, RECORDS, TASKS};
use crate::tree::{DEPTH, MAX_DEPTH};

/// All of them.
pub(super) fn all() -> Vec<Tool> {
    vec![
        tool(
            "find",
            "Find records",
            "Log records that match, newest first, one line each (errors with their causes below): time, severity, \
             service, trace, message, fields, task=ID. Without arguments the newest. Give the ID to `tree` to see what \
             happened around it.",
            &[
                ("q", words()),
                ("filter", condition()),
                ("service", service()),
                ("severity", severity()),
                ("from", from()),
                ("to", to()),
                ("limit", limit(RECORDS)),
                ("cursor", cursor()),
                ("timeout", timeout()),
            ],
            &[],
        ),
        tool(
            "tasks",
            "List tasks",
            "Requests, jobs and other tasks that began a trace, newest first: begin, outcome, name, service, duration, \
             how many tasks in it failed, id. Set one or more of running, failed, lost (their process died), cancelled \
             to see only these.",
            &[
                ("running", flag("Those that have not ended.")),
                ("failed", flag("Those that failed.")),
                ("lost", flag("Those whose process died.")),
                (
                    "cancelled",
                    flag("Those that were dropped before their end."),
                ),
                ("service", service()),
                (
                    "name",
                    string("A part of the name, in any case.", &["order"]),
                ),
                (
                    "min_duration",
                    string(
                        "Those that took at least so long.",
                        &["2s", "500ms", "1m30s"],
                    ),
                ),
                ("from", from()),
                ("to", to()),
                ("limit", limit(TASKS)),
                ("cursor", cursor()),
                ("timeout", timeout()),
            ],
            &[],
        ),
        tool(
            "tree",
            "Draw a task's tree",
            "The tree of a task as text: subtasks with outcome (✔ ok, ✗ failed, ▶ running) and duration, and records, in \
             order of time, over all processes and services. Of a bare trace id the whole trace, of ID/1.2 only that \
             task and what is below it.",
            &[
                (
                    "id",
                    string(
                        "Id of a task or a trace, as other tools give it.",
                        &["e252a11f-d33d-483d-ba08-bc8f642b2f10/1.2"],
                    ),
                ),
                (
                    "depth",
                    json!({
                        "type": "integer", "minimum": 1, "maximum": MAX_DEPTH, "default": DEPTH,
                        "description": "Levels of tasks; 2 gives an overview of a large tree.",
                    }),
                ),
                ("cursor", cursor()),
            ],
            &["id"],
        ),
        tool(
            "stats",
            "Count records",
            "Counts records that match by groups, largest first, each a JSON object; where ends of tasks are in a group \
             also how long they took: p50_ns, p90_ns, p99_ns, max_ns. With `every` also by time, oldest first. How \
             slow is what: by \"task_name\" with filter kind == \"end\".",
            &[
                (
                    "by",
                    string(
                        "Names to group by, with commas: those of conditions, and task_name. Without: one group.",
                        &["service,severity", "task_name,outcome", "fields.route"],
                    ),
                ),
                (
                    "every",
                    string("Length of a slot of time.", &["1m", "10s", "1h"]),
                ),
                ("q", words()),
                ("filter", condition()),
                ("service", service()),
                ("severity", severity()),
                ("from", from()),
                ("to", to()),
                ("limit", limit(GROUPS)),
                ("timeout", timeout()),
            ],
            &[],
        ),
        tool(
            "problems",
            "List problems",
            "What fails, last seen first: errors and failed tasks, grouped by service, place in the code and kind of \
             error, with how many, since when, and ids of tasks for `tree`. An error that failed several tasks of a \
             trace counts once.",
            &[
                ("service", service()),
                ("from", from()),
                ("to", to()),
                ("limit", limit(PROBLEMS)),
                ("cursor", cursor()),
                ("timeout", timeout()),
            ],
            &[],
        ),
    ]
}

fn tool(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    properties: &[(&str, Value)],
    required: &[&str],
) -> Tool {
    let properties: JsonObject = properties
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    let schema = JsonObject::from_iter([
        ("type".to_owned(), json!("object")),
        ("properties".to_owned(), Value::Object(properties)),
        ("required".to_owned(), json!(required)),
        ("additionalProperties".to_owned(), json!(false)),
    ]);
    let reads = ToolAnnotations::new()
        .read_only(true)
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    Tool::new(name, description, schema)
        .with_title(title)
        .with_annotations(reads)
}

fn string(description: &str, examples: &[&str]) -> Value {
    json!({"type": "string", "description": description, "examples": examples})
}

fn flag(description: &str) -> Value {
    json!({"type": "boolean", "default": false, "description": description})
}

fn limit(limit: Limit) -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": limit.most, "default": limit.default})
}

fn words() -> Value {
    string(
        "Words that a record must have, all of them, in its message, its texts, error or name; in any case. Quotes make \
         a phrase, * at the end of a word any ending.",
        &["timeout 4711", "\"card declined\"", "connect*"],
    )
}

fn condition() -> Value {
    string(
        "Condition in CEL. Names: severity (TRACE, DEBUG, INFO, WARN, ERROR, FATAL), message, service, host, target, \
         file, line, kind (event, begin, bind, end of a task), outcome (ok, failed, lost, cancelled), duration, task, \
         trace_id, fields.NAME, context.NAME (of the task), resource.NAME.",
        &[
            "severity >= WARN && fields.amount > 100",
            "message.contains(\"refused\") && resource[\"k8s.pod.name\"].startsWith(\"pay\")",
            "kind == \"end\" && outcome == \"failed\" && duration > duration(\"2s\")",
        ],
    )
}

fn service() -> Value {
    string("Name of the service.", &["payment"])
}

fn severity() -> Value {
    json!({
        "type": "string", "enum": ["trace", "debug", "info", "warn", "error", "fatal"],
        "description": "This one or worse.",
    })
}

fn from() -> Value {
    string(
        "From this time on: how long ago, or RFC 3339.",
        &["1h", "2d", "2026-05-01T12:00:00Z"],
    )
}

fn to() -> Value {
    string(
        "Before this time: how long ago, RFC 3339, or now.",
        &["now", "30m", "2026-05-01T13:00:00Z"],
    )
}

fn cursor() -> Value {
    json!({"type": "string", "description": "From the last line of the answer before: the rest of it."})
}

fn timeout() -> Value {
    string(
        "Time to look; then what was found is given.",
        &["30s", "2m"],
    )
}
