//! `GET /api/v1/tasks` and `GET /api/v1/tasks/{id}`.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::{TaskId, json};
use serde::Deserialize;

use super::{Door, Refusal, Shared};
use crate::lookup;
use crate::store::Reader;
use crate::tracker::Summary;
use crate::tree::paint::{Colour, Look};
use crate::tree::{self, Tree};

/// A tree is made of so many bytes of batches at most.
const MAX_BYTES: usize = 64 << 20;
/// And of so many records; each takes about half a KiB of memory.
const MAX_RECORDS: usize = 200_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecentQuery {
    #[serde(default = "twenty")]
    limit: usize,
}

fn twenty() -> usize {
    20
}

/// The newest top-level tasks.
pub async fn recent(
    State(Door { views, .. }): Shared,
    Query(query): Query<RecentQuery>,
) -> Json<Vec<Summary>> {
    Json(views.recent.list(query.limit))
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Text,
    Records,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeQuery {
    #[serde(default)]
    format: Format,
    #[serde(default)]
    color: bool,
    /// Cut no long values in texts.
    #[serde(default)]
    full: bool,
}

/// The tree of a task: of the whole trace for a bare trace id, else of the task and what is below it.
pub async fn tree(
    State(Door { views, trees, .. }): Shared,
    Path(id): Path<String>,
    Query(query): Query<TreeQuery>,
) -> Result<Response, Refusal> {
    let id: TaskId = id.parse().map_err(Refusal::bad_request)?;
    let permit = trees.acquire_owned().await;
    let answer = tokio::task::spawn_blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        answer(&views.reader, &id, &query)
    })
    .await;
    answer.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
}

fn answer(reader: &Reader, id: &TaskId, query: &TreeQuery) -> Result<Response, Refusal> {
    let found = lookup::trace(reader, id.trace_id(), MAX_BYTES)
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let batches = found.parse();
    let missing = || {
        Refusal(
            StatusCode::NOT_FOUND,
            format!("no record of task {id} is stored here"),
        )
    };
    let format = query.format;
    if let Format::Records = format {
        let mut out = Vec::new();
        for record in lookup::records_of(&batches, id.trace_id()) {
            json::encode(&record, &mut out);
            out.push(b'\n');
        }
        return Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], out).into_response());
    }
    let mut records = lookup::records_of(&batches, id.trace_id());
    let tree = Tree::build(id.trace_id(), records.by_ref().take(MAX_RECORDS));
    let cut = found.cut || records.next().is_some();
    let tasks = tree.find(id);
    if tasks.is_empty() {
        return Err(missing());
    }
    if let Format::Text = format {
        let colour = if query.color { Colour::On } else { Colour::Off };
        let mut text = tree::draw(&tree, &tasks, Look::new(colour, query.full));
        if cut {
            text.push_str("… the trace has more records than can be shown at once\n");
        }
        return Ok(text.into_response());
    }
    let mut out = Vec::new();
    tree::write_json(&tree, &tasks, &mut out);
    Ok(([(header::CONTENT_TYPE, "application/json")], out).into_response())
}
