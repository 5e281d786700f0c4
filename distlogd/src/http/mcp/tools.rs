//! The tools as an agent sees them: names, descriptions, and JSON Schemas of their arguments, which are parameters of
//! the API.

use rmcp::model::{JsonObject, ToolAnnotations};
use serde_json::{Value, json};

use super::super::filter_params::{
    CURSOR, FILTER, FROM, Q, SERVICE, SEVERITY, TIMEOUT_PARAM, TO, limit,
};
use super::super::lists::{MIN_DURATION, NAME, STATES};
use super::super::params::{Described, Known, Param};
use super::super::shapes::Number;
use super::super::stats::{BY, EVERY};
use super::super::tasks;

/// Records of an answer.
pub(super) const RECORDS: Param<Number> = limit(50, 200);
/// Tasks of an answer.
pub(super) const TASKS: Param<Number> = limit(20, 50);
/// Groups of an answer of `stats`.
pub(super) const GROUPS: Param<Number> = limit(50, 200);
/// Problems of an answer.
pub(super) const PROBLEMS: Param<Number> = limit(10, 15);

/// A tool.
pub(super) struct Tool {
    pub name: &'static str,
    title: &'static str,
    about: &'static str,
    pub params: Known,
}

/// All of them.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "find",
        title: "Find records",
        about: "Log records that match, newest first, one line each (errors with their causes below): time, severity, \
                service, trace, message, fields, task=ID. Without arguments the newest. Give the ID to `tree` to see \
                what happened around it.",
        params: &[
            &Q,
            &FILTER,
            &SERVICE,
            &SEVERITY,
            &FROM,
            &TO,
            &RECORDS,
            &CURSOR,
            &TIMEOUT_PARAM,
        ],
    },
    Tool {
        name: "tasks",
        title: "List tasks",
        about: "Requests, jobs and other tasks that began a trace, newest first: begin, outcome, name, service, \
                duration, how many tasks in it failed, id. Set one or more of running, failed, lost (their process \
                died), cancelled to see only these.",
        params: &[
            &STATES[0],
            &STATES[1],
            &STATES[2],
            &STATES[3],
            &SERVICE,
            &NAME,
            &MIN_DURATION,
            &FROM,
            &TO,
            &TASKS,
            &CURSOR,
            &TIMEOUT_PARAM,
        ],
    },
    Tool {
        name: "tree",
        title: "Draw a task's tree",
        about: "The tree of a task as text: subtasks with outcome (✔ ok, ✗ failed, ▶ running) and duration, and \
                records, in order of time, over all processes and services. Of a bare trace id the whole trace, of \
                ID/1/2 only that task and what is below it.",
        params: &[&tasks::ID, &tasks::DEPTH_PARAM, &tasks::CURSOR],
    },
    Tool {
        name: "stats",
        title: "Count records",
        about: "Counts records that match by groups, largest first, each a JSON object; where ends of tasks are in a \
                group also how long they took: p50_ns, p90_ns, p99_ns, max_ns. With `every` also by time, oldest \
                first. How slow is what: by \"task_name\" with filter kind == \"end\".",
        params: &[
            &BY,
            &EVERY,
            &Q,
            &FILTER,
            &SERVICE,
            &SEVERITY,
            &FROM,
            &TO,
            &GROUPS,
            &TIMEOUT_PARAM,
        ],
    },
    Tool {
        name: "problems",
        title: "List problems",
        about: "What fails, last seen first: errors and failed tasks, grouped by service, place in the code and kind \
                of error, with how many, since when, and ids of tasks for `tree`. An error that failed several tasks \
                of a trace counts once.",
        params: &[&SERVICE, &FROM, &TO, &PROBLEMS, &CURSOR, &TIMEOUT_PARAM],
    },
];

impl Tool {
    /// As the protocol describes it.
    pub(super) fn described(&self) -> rmcp::model::Tool {
        let property = |param: &&'static dyn Described| {
            let mut schema = param.schema();
            schema["description"] = param.about().into();
            (param.name().to_owned(), schema)
        };
        let properties: JsonObject = self.params.iter().map(property).collect();
        let required: Vec<&str> = self
            .params
            .iter()
            .filter(|param| param.is_required())
            .map(|param| param.name())
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
        rmcp::model::Tool::new(self.name, self.about, schema)
            .with_title(self.title)
            .with_annotations(reads)
    }
}
