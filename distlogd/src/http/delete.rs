//! `DELETE /api/v1/records`: deletes the records of a trace, or those that match a condition, for good.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use distlog_proto::{RecordRef, TraceId};
use serde_json::json;

use super::params::{Params, condition};
use super::records::blocking;
use super::{Api, Refusal, Shared, Views};
use crate::deletions::{Error, Which};
use crate::query::{Collect, Filter, Place, QueryError, TIMEOUT};

const READ_BYTES: usize = 1 << 20;

/// Deletes records, or, with `dry_run=true`, only counts them.
pub(super) async fn delete(
    State(Api { views, .. }): Shared,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    // Also those pages that may read.
    if headers.contains_key(ORIGIN) {
        let why = "web pages may not delete: use `distlogd delete`".to_owned();
        return Err(Refusal(StatusCode::FORBIDDEN, why));
    }
    let mut params = Params::new(pairs)?;
    let dry_run = params.flag("dry_run")?;
    let which = which(&mut params)?;
    params.finish()?;
    if dry_run {
        let (records, complete) = match &which {
            Which::Trace(id) => (count_trace(&views, trace_id(id)?).await?, true),
            Which::Matching { filter, from, to } => {
                let filter = Filter {
                    condition: Some(condition(filter)?),
                    from: *from,
                    to: *to,
                    ..Filter::default()
                };
                count(&views, filter).await?
            }
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
        Refusal(status, error.to_string())
    })?;
    Ok((StatusCode::ACCEPTED, Json(deletion)).into_response())
}

/// Which records are meant: those of a trace, or those that match a condition and are older than a time.
fn which(params: &mut Params) -> Result<Which, QueryError> {
    let (trace, filter) = (params.text("trace"), params.text("filter"));
    match (trace, filter) {
        (Some(id), None) => Ok(Which::Trace(trace_id(&id)?.to_string())),
        (None, Some(filter)) => {
            condition(&filter)?;
            let (from, to) = params.times()?;
            if to == u64::MAX {
                let expected = "the time before which records are deleted, as `now` or `1h`";
                return Err(QueryError::parameter("to", "nothing", expected));
            }
            Ok(Which::Matching { filter, from, to })
        }
        _ => {
            let why = "expected either `trace`, or `filter` with `to` and perhaps `from`";
            Err(QueryError::Request(why.to_owned()))
        }
    }
}

fn trace_id(text: &str) -> Result<TraceId, QueryError> {
    text.trim().parse().map_err(|_| {
        let found = format_args!("`{text}`");
        QueryError::parameter("trace", found, "the id of a trace")
    })
}

/// How many records a trace has.
async fn count_trace(views: &Views, id: TraceId) -> Result<u64, Refusal> {
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
    Ok(blocking(counting).await?.map_err(QueryError::from)?)
}

/// How many records match, and whether all were looked at.
async fn count(views: &Views, filter: Filter) -> Result<(u64, bool), Refusal> {
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
