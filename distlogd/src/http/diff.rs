//! `GET /api/v1/diff`.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use distlog_proto::TaskId;
use serde::Deserialize;

use super::{Api, MAX_TREES, Refusal, Shared};
use crate::query::diff::{Cursor, Diff, compare, stored_outline};
use crate::tree::Outline;
use distlog_store::Reader;

/// Nodes in an answer.
const MAX_NODES: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffQuery {
    a: String,
    b: String,
    /// At most so many tasks.
    limit: Option<usize>,
    /// Where the part before ended.
    cursor: Option<String>,
}

/// How two trees differ.
pub async fn diff(
    State(Api { views, trees, .. }): Shared,
    Query(query): Query<DiffQuery>,
) -> Result<Json<Diff>, Refusal> {
    let id = |parameter: &'static str, text: &str| -> Result<TaskId, Refusal> {
        text.trim()
            .parse()
            .map_err(|error| Refusal::bad_request(format_args!("`{parameter}` is wrong: {error}")))
    };
    let (a, b) = (id("a", &query.a)?, id("b", &query.b)?);
    let cursor = query.cursor.as_deref().map(str::parse::<Cursor>);
    let cursor = cursor.transpose()?.unwrap_or_else(|| Cursor {
        end: views.reader.end(),
        skip: 0,
    });
    let limit = query.limit.unwrap_or(MAX_NODES).clamp(1, MAX_NODES);
    let failed = |error: String| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error);
    // Both trees are in memory.
    let permits = trees.acquire_many_owned(MAX_TREES as u32).await;
    let permits = permits.map_err(|error| failed(error.to_string()))?;
    let compared = tokio::task::spawn_blocking(move || {
        let _permits = permits;
        let outlined = |id| outline(&views.reader, id, cursor.end);
        let (of_a, of_b) = (outlined(&a)?, outlined(&b)?);
        Ok(Json(compare((&a, &of_a), (&b, &of_b), (cursor, limit))))
    });
    compared.await.map_err(|error| failed(error.to_string()))?
}

fn outline(reader: &Reader, id: &TaskId, end: u64) -> Result<Outline, Refusal> {
    let found = stored_outline(reader, id, end);
    let found =
        found.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let missing = || format!("no record of task {id} is stored here");
    found.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, missing()))
}
