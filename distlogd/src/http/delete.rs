//! `DELETE /api/v1/records`: deletes the records of a trace, or those that match a condition, for good.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::ORIGIN;
use axum::response::{IntoResponse, Response};
use distlog_proto::wire::{Parts, field::record as field};
use distlog_proto::{RecordRef, TraceId};
use schemars::json_schema;
use serde_json::json;

use super::Views;
use super::endpoint::{Ask, Content, Endpoint, JSON, Verb};
use super::filter_params::{FILTER, FROM, times};
use super::params::{Param, Params};
use super::problem::Problem;
use super::records::blocking;
use super::shapes::{Flag, Time, Trace};
use crate::access::Needs;
use crate::deletions::{Deletion, Error, Which};
use crate::query::{Collect, Filter, Place, QueryError, TIMEOUT};

/// Time to count what is then deleted, so that this begins soon.
const COUNTING: Duration = Duration::from_secs(5);

/// Records come here from a database.
const READ_ONLY: &str = "a view of a database only reads: delete the records in the database, or where they are stored, \
    by asking the daemons that have them";

const TRACE: Param<Trace> = Param {
    name: "trace",
    about: "The records of this trace; without `filter`, `from` and `to`.",
    examples: &["e252a11f-d33d-483d-ba08-bc8f642b2f10"],
    shape: Trace,
};

const TO: Param<Time> = Param {
    name: "to",
    about: "Before this time: how long ago, or RFC 3339. `now`: all that are stored, also those of a clock that is ahead.",
    examples: &["now", "30m"],
    shape: Time,
};

const DRY_RUN: Param<Flag> = Param {
    name: "dry_run",
    about: "Only count the records.",
    examples: &[],
    shape: Flag { default: false },
};

pub(super) const DELETE: Endpoint = Endpoint {
    verb: Verb::Delete,
    path: "/api/v1/records",
    needs: Needs::Admin,
    name: "deleteRecords",
    title: "Delete records",
    about: "Deletes the records of a `trace`, or those that match `filter` and are older than `to`, for good: no answer \
            has them once this one is given, and soon no file of the store. No web page may ask.",
    params: &[&TRACE, &FILTER, &FROM, &TO, &DRY_RUN],
    headers: &[],
    contents: &[
        Content {
            status: StatusCode::OK,
            media_type: JSON,
            about: "With `dry_run=true`, or where none is found: how many records there are.",
            schema: |_| {
                json_schema!({
                    "type": "object",
                    "required": ["records", "complete"],
                    "properties": {
                        "records": { "type": "integer", "minimum": 0 },
                        "complete": {
                            "type": "boolean", "description": "Whether there was time for all records.",
                        },
                    },
                })
            },
        },
        Content {
            status: StatusCode::ACCEPTED,
            media_type: JSON,
            about: "The deletion, as the status lists it until it is through.",
            schema: |generator| generator.subschema_for::<Deletion>(),
        },
    ],
    problems: &[
        StatusCode::UNPROCESSABLE_ENTITY,
        StatusCode::NOT_IMPLEMENTED,
    ],
    answer: |ask| Box::pin(delete(ask)),
};

/// Deletes records, or, with `dry_run=true`, only counts them.
async fn delete(ask: Ask) -> Result<Response, Problem> {
    // Also those pages that may read.
    if ask.headers.contains_key(ORIGIN) {
        let why = "web pages may not delete: use `distlogd delete`";
        return Err(Problem::new(StatusCode::FORBIDDEN, why));
    }
    let Ask { api, params, .. } = ask;
    let views = api.views;
    let Some(deletions) = views.deletions.clone() else {
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, READ_ONLY));
    };
    let which = which(&params)?;
    let (trace, filter) = match which {
        Which::Trace(_) => (params.get(&TRACE)?, Filter::default()),
        Which::Matching { from, to, .. } => {
            let condition = params.get(&FILTER)?;
            let filter = Filter {
                condition,
                from,
                to,
                ..Filter::default()
            };
            (None, filter)
        }
    };
    let dry_run = params.get(&DRY_RUN)?;
    let timeout = if dry_run { TIMEOUT } else { COUNTING };
    let counted = count(&views, trace, filter, timeout).await;
    if dry_run || matches!(counted, Ok((0, true))) {
        let (records, complete) = counted?;
        let answer = json!({ "records": records, "complete": complete });
        return Ok(Json(answer).into_response());
    }
    // What cannot be counted can be deleted.
    let counted = counted.unwrap_or((0, false));
    let deletion = blocking(move || deletions.delete(which, counted)).await?;
    let deletion = deletion.map_err(|error| {
        let status = match error {
            Error::Wrong(_) => StatusCode::BAD_REQUEST,
            Error::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Error::File(_) | Error::List(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, error)
    })?;
    Ok((StatusCode::ACCEPTED, Json(deletion)).into_response())
}

/// Which records are meant: those of a trace, or those that match a condition and are older than a time.
fn which(params: &Params) -> Result<Which, Problem> {
    let (trace, condition) = (params.get(&TRACE)?, params.get(&FILTER)?);
    let timed = [FROM.name, TO.name]
        .iter()
        .any(|name| params.text(name).is_some());
    match (trace, params.text(FILTER.name)) {
        (Some(id), None) if !timed => Ok(Which::Trace(id.to_string())),
        (None, Some(filter)) if condition.is_some() => {
            let (from, to) = match params.text(TO.name).map(str::trim) {
                // A deletion is of what is stored anyhow; a clock may be ahead.
                Some("now") => (params.get(&FROM)?.unwrap_or(0), u64::MAX),
                Some(_) => times(params)?,
                None => {
                    let expected = "the time before which records are deleted, as `now` or `1h`";
                    return Err(Problem::parameter(TO.name, "nothing", expected));
                }
            };
            let filter = filter.to_owned();
            Ok(Which::Matching { filter, from, to })
        }
        _ => Err(Problem::bad_request(
            "expected either `trace`, or `filter` with `to` and perhaps `from`",
        )),
    }
}

/// How many records there are, and whether all were looked at.
async fn count(
    views: &Views,
    trace: Option<TraceId>,
    filter: Filter,
    timeout: Duration,
) -> Result<(u64, bool), QueryError> {
    let new = move || Count { trace, records: 0 };
    let counters = Arc::default();
    let mut running = views.engine.begin(filter, timeout, &counters, new).await?;
    let outcome = running.outcome().await?;
    Ok((outcome.found.records, outcome.looked_from == 0))
}

/// Counts records: those of a trace, or all.
struct Count {
    trace: Option<TraceId>,
    records: u64,
}

impl Collect for Count {
    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        if self.trace.is_some() {
            parts.add(field::TASK);
            parts.add(field::OTLP);
        }
        parts
    }

    fn take(&mut self, record: &RecordRef<'_>, _: Place) {
        if self.trace.is_none_or(|id| record.is_of_trace(id)) {
            self.records += 1;
        }
    }

    fn merge(&mut self, other: Count) {
        self.records += other.records;
    }
}
