//! `DELETE /api/v1/records`: deletes the records of a trace, or those that match a condition, for good.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::ORIGIN;
use axum::response::{IntoResponse, Response};
use distlog_proto::{RecordRef, TraceId};
use schemars::json_schema;
use serde_json::json;

use super::Views;
use super::endpoint::{Ask, Content, Endpoint, JSON, Verb};
use super::filter_params::{FILTER, FROM, TO, times};
use super::params::{Param, Params};
use super::problem::Problem;
use super::records::blocking;
use super::shapes::{Flag, Trace};
use crate::deletions::{Deletion, Error, Which};
use crate::query::{Collect, Filter, Place, TIMEOUT};

const READ_BYTES: usize = 1 << 20;

const TRACE: Param<Trace> = Param {
    name: "trace",
    about: "The records of this trace; without `filter`, `from` and `to`.",
    examples: &["e252a11f-d33d-483d-ba08-bc8f642b2f10"],
    shape: Trace,
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
            about: "With `dry_run=true`: how many records there are.",
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
    problems: &[StatusCode::UNPROCESSABLE_ENTITY],
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
    let which = which(&params)?;
    if params.get(&DRY_RUN)? {
        let (records, complete) = match which {
            Which::Matching { from, to, .. } => {
                let filter = Filter {
                    condition: params.get(&FILTER)?,
                    from,
                    to,
                    ..Filter::default()
                };
                count(&views, filter).await?
            }
            Which::Trace(_) => match params.get(&TRACE)? {
                Some(id) => (count_trace(&views, id).await?, true),
                None => (0, true),
            },
        };
        let answer = json!({ "records": records, "complete": complete });
        return Ok(Json(answer).into_response());
    }
    let deletion = blocking(move || views.deletions.delete(which)).await?;
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
            let (from, to) = times(params)?;
            if to == u64::MAX {
                let expected = "the time before which records are deleted, as `now` or `1h`";
                return Err(Problem::parameter(TO.name, "nothing", expected));
            }
            let filter = filter.to_owned();
            Ok(Which::Matching { filter, from, to })
        }
        _ => Err(Problem::bad_request(
            "expected either `trace`, or `filter` with `to` and perhaps `from`",
        )),
    }
}

/// How many records a trace has.
async fn count_trace(views: &Views, id: TraceId) -> Result<u64, Problem> {
    let reader = views.reader.clone();
    let counting = move || {
        let mut count = 0;
        let looked = reader.trace(id).for_each(READ_BYTES, |head, _, batch| {
            let of_trace = |record: &RecordRef<'_>| record.task.is_some_and(|t| t.trace_id == id);
            count += head.records(batch).filter(of_trace).count() as u64;
            true
        });
        looked.map(|()| count)
    };
    Ok(blocking(counting).await??)
}

/// How many records match, and whether all were looked at.
async fn count(views: &Views, filter: Filter) -> Result<(u64, bool), Problem> {
    let mut running = views
        .engine
        .begin(filter, TIMEOUT, &Arc::default(), || Count(0))
        .await?;
    let outcome = running.outcome().await?;
    Ok((outcome.found.0, outcome.looked_from == 0))
}

/// Counts records.
struct Count(u64);

impl Collect for Count {
    fn take(&mut self, _: &RecordRef<'_>, _: Place) {
        self.0 += 1;
    }

    fn merge(&mut self, other: Count) {
        self.0 += other.0;
    }
}
