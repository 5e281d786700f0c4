//! `GET /api/v1/stats`: counts by groups.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::params::Params;
use super::records::{blocking, wants_lines};
use super::{Api, NDJSON, Refusal, Shared};
use crate::query::{Grouping, MAX_GROUPS};
use crate::values::MAX_DURATION;

/// An answer has so many groups if nothing is said.
const LIMIT: usize = 1000;

/// Counts the records that match.
pub async fn stats(
    State(Api { views, .. }): Shared,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let mut params = Params::new(pairs)?;
    let filter = params.filter()?;
    let limit = params.number("limit", 1..=MAX_GROUPS, LIMIT)?;
    let timeout = params.timeout()?;
    let by = params.text("by").unwrap_or_default();
    let every = params.duration("every", MAX_DURATION)?;
    params.finish()?;
    let grouping = Grouping::parse(&by, every)?;
    let lines = wants_lines(&headers);
    let asked = move || views.engine.stats(filter, grouping, timeout);
    let mut running = blocking(asked).await??;
    let outcome = running.outcome().await?;
    let complete = outcome.looked_from == 0;
    let rows = blocking(move || outcome.found.rows(limit)).await?;

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
    let content_type = if lines { NDJSON } else { "application/json" };
    Ok(([(header::CONTENT_TYPE, content_type)], out).into_response())
}
