//! `GET /api/v1/stats`: counts by groups.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answers;
use super::endpoint::{Ask, Content, Endpoint, JSON, NDJSON, Verb};
use super::filter_params::{FILTER, FROM, Q, SERVICE, SEVERITY, TIMEOUT_PARAM, TO, filter, limit};
use super::params::{Param, Params};
use super::problem::Problem;
use super::progress::{self, PROGRESS};
use super::records::blocking;
use super::shapes::{Number, Span, Text};
use crate::access::Needs;
use crate::query::{Counters, Engine, Grouping, MAX_GROUPS, Rows};
use crate::values::MAX_DURATION;

/// Groups of an answer.
const LIMIT: Param<Number> = limit(1000, MAX_GROUPS);
pub(super) const BY: Param<Text> = Param {
    name: "by",
    about: "Names to group by, with commas: those of conditions, and task_name. Without: one group.",
    examples: &["service,severity", "task_name,outcome", "fields.route"],
    shape: Text {
        format: Some("names"),
    },
};
pub(super) const EVERY: Param<Span> = Param {
    name: "every",
    about: "Length of a slot of time: also counts by time.",
    examples: &["1m", "10s", "1h"],
    shape: Span {
        most: MAX_DURATION,
        default: Duration::ZERO,
    },
};

pub(super) const STATS: Endpoint = Endpoint {
    verb: Verb::Get,
    path: "/api/v1/stats",
    needs: Needs::Read,
    name: "countRecords",
    title: "Count records",
    about: "Counts the records that match by groups, largest first, and with `every` by time, oldest first. Where ends \
            of tasks are in a group it says how long they took: percentiles with an error of at most 1 %.",
    params: &[
        &BY,
        &EVERY,
        &Q,
        &FILTER,
        &SERVICE,
        &SEVERITY,
        &FROM,
        &TO,
        &LIMIT,
        &TIMEOUT_PARAM,
        &PROGRESS,
    ],
    headers: &[],
    contents: &[
        Content {
            status: StatusCode::OK,
            media_type: JSON,
            about: "The groups, and how many there are.",
            schema: answers::stats,
        },
        Content {
            status: StatusCode::OK,
            media_type: NDJSON,
            about: "One group a line; the last line is an object with `groups`, `records`, `truncated`, `complete`.",
            schema: answers::text,
        },
    ],
    problems: &[StatusCode::UNPROCESSABLE_ENTITY],
    answer: |ask| Box::pin(stats(ask)),
};

/// The groups of the records that match.
pub(super) struct Counted {
    pub rows: Rows,
    /// Whether there was time for all records.
    pub complete: bool,
    /// Whether the groups are those of slots of time.
    #[cfg(feature = "mcp")]
    pub by_time: bool,
}

/// Counts what the parameters say.
///
/// # Errors
/// If one of them is wrong, or as [`Engine::stats`].
pub(super) async fn count(
    engine: Engine,
    params: &Params,
    limit: &Param<Number>,
    counters: Arc<Counters>,
) -> Result<Counted, Problem> {
    let filter = filter(params)?;
    let limit = params.get(limit)?;
    let timeout = params.get(&TIMEOUT_PARAM)?;
    let by = params.get(&BY)?.unwrap_or_default();
    let every = Some(params.get(&EVERY)?).filter(|every| !every.is_zero());
    let grouping = Grouping::parse(&by, every)?;
    let asked = move || engine.stats(filter, grouping, timeout, counters);
    let mut running = blocking(asked).await??;
    let outcome = running.outcome().await?;
    Ok(Counted {
        complete: outcome.looked_from == 0,
        rows: blocking(move || outcome.found.rows(limit)).await?,
        #[cfg(feature = "mcp")]
        by_time: every.is_some(),
    })
}

/// Counts the records that match.
async fn stats(ask: Ask) -> Result<Response, Problem> {
    let Ask { api, params, .. } = ask;
    let counters = Arc::<Counters>::default();
    let with_progress = params.get(&PROGRESS)?;
    let counting = {
        let counters = Arc::clone(&counters);
        async move { count(api.views.engine, &params, &LIMIT, counters).await }
    };
    if with_progress {
        let work = async move { Ok(written(&counting.await?, true)) };
        return progress::answer(counters, work).await;
    }
    // A client that goes away drops this, and so cancels the query.
    let out = written(&counting.await?, ask.media_type == NDJSON);
    Ok(([(header::CONTENT_TYPE, ask.media_type)], out).into_response())
}

/// The groups, one a line or as a list.
fn written(Counted { rows, complete, .. }: &Counted, lines: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let separator = if lines { b'\n' } else { b',' };
    if !lines {
        out.extend_from_slice(b"{\"items\":[");
    }
    for (at, row) in rows.rows.iter().enumerate() {
        if at > 0 {
            out.push(separator);
        }
        out.extend_from_slice(row);
    }
    let opening = match (lines, rows.rows.is_empty()) {
        (false, _) => "],",
        (true, false) => "\n{",
        (true, true) => "{",
    };
    let end = format!(
        "{opening}\"next\":null,\"groups\":{},\"records\":{},\"truncated\":{},\"complete\":{complete}}}\n",
        rows.groups, rows.records, rows.truncated
    );
    out.extend_from_slice(end.as_bytes());
    out
}
