//! `GET /api/v1/stats`: counts by groups.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::params::{Limit, Params};
use super::records::{blocking, wants_lines};
use super::{Api, NDJSON, Refusal, Shared, progress};
use crate::query::{Counters, Engine, Grouping, MAX_GROUPS, Rows};
use crate::values::MAX_DURATION;

/// Groups of an answer.
const LIMIT: Limit = Limit {
    default: 1000,
    most: MAX_GROUPS,
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
    mut params: Params,
    limit: Limit,
    counters: Arc<Counters>,
) -> Result<Counted, Refusal> {
    let filter = params.filter()?;
    let limit = params.limit(limit)?;
    let timeout = params.timeout()?;
    let by = params.text("by").unwrap_or_default();
    let every = params.duration("every", MAX_DURATION)?;
    params.finish()?;
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
pub async fn stats(
    State(Api { views, .. }): Shared,
    headers: HeaderMap,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let mut params = Params::new(pairs)?;
    let lines = wants_lines(&headers);
    let with_progress = progress::is_wanted(&mut params, lines)?;
    let counters = Arc::<Counters>::default();
    let counted = count(views.engine, params, LIMIT, Arc::clone(&counters));
    if with_progress {
        return progress::answer(counters, async move { Ok(written(&counted.await?, true)) }).await;
    }
    // A client that goes away drops this, and so cancels the query.
    let out = written(&counted.await?, lines);
    let content_type = if lines { NDJSON } else { "application/json" };
    Ok(([(header::CONTENT_TYPE, content_type)], out).into_response())
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
