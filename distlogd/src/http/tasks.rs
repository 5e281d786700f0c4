//! `GET /api/v1/tasks` and `GET /api/v1/tasks/{id}`.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::{TaskId, json};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::{Door, Refusal, Shared};
use crate::lookup;
use crate::store::Reader;
use crate::tracker::Summary;
use crate::tree::paint::{Colour, DEPTH, Look, MAX_DEPTH};
use crate::tree::{self, Tree};

/// A tree is made of so many bytes of batches at most.
const MAX_BYTES: usize = 64 << 20;
/// And of so many records; each takes about half a KiB of memory.
const MAX_RECORDS: usize = 200_000;
/// A piece of an answer has so many bytes, about, and so many wait for a slow reader.
const PIECE: usize = 64 << 10;
const PIECES: usize = 4;

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
    /// So many levels of tasks.
    depth: Option<usize>,
    /// Where the answer before this one ended.
    cursor: Option<u64>,
}

/// The tree of a task: of the whole trace for a bare trace id, else of the task and what is below it.
pub async fn tree(
    State(Door { views, trees, .. }): Shared,
    Path(id): Path<String>,
    Query(query): Query<TreeQuery>,
) -> Result<Response, Refusal> {
    let id: TaskId = id.parse().map_err(Refusal::bad_request)?;
    let permit = trees.acquire_owned().await;
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let what = match query.format {
        Format::Json => "application/json",
        Format::Text => "text/plain; charset=utf-8",
        Format::Records => "application/x-ndjson",
    };
    let work = tokio::task::spawn_blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        let mut send = |piece| sender.blocking_send(Ok::<Bytes, Infallible>(piece)).is_ok();
        answer(&views.reader, &id, &query, &mut send)
    });
    // Nothing is sent before it is known that there is something.
    let Some(first) = pieces.recv().await else {
        let done = work.await;
        let failed = |error: JoinError| {
            Err(Refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                error.to_string(),
            ))
        };
        done.unwrap_or_else(failed)?;
        return Ok(StatusCode::OK.into_response());
    };
    let rest = ReceiverStream::new(pieces);
    let body = Body::from_stream(tokio_stream::once(first).chain(rest));
    Ok(([(header::CONTENT_TYPE, what)], body).into_response())
}

/// Hands over the answer piece by piece.
fn answer(
    reader: &Reader,
    id: &TaskId,
    query: &TreeQuery,
    send: &mut dyn FnMut(Bytes) -> bool,
) -> Result<(), Refusal> {
    let from = query.cursor.unwrap_or_default();
    let found = lookup::trace(reader, id.trace_id(), from, MAX_BYTES)
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let parsed = found.parse();
    let mut records = lookup::records_of(&parsed, id.trace_id());
    if let Format::Records = query.format {
        let mut out = Vec::new();
        for record in records {
            json::encode(&record, &mut out);
            out.push(b'\n');
            if out.len() >= PIECE && !send(std::mem::take(&mut out).into()) {
                return Ok(());
            }
        }
        send(out.into());
        return Ok(());
    }
    let tree = Tree::build(id.trace_id(), records.by_ref().take(MAX_RECORDS));
    let next = records.next().map(|record| record.store_number);
    let next = next.or(found.next);
    let tasks = tree.find(id);
    if tasks.is_empty() {
        let why = format!("no record of task {id} is stored here");
        return Err(Refusal(StatusCode::NOT_FOUND, why));
    }
    let depth = query.depth.unwrap_or(DEPTH).clamp(1, MAX_DEPTH);
    if let Format::Json = query.format {
        tree::write_json(&tree, &tasks, depth, next, &mut |piece| send(piece.into()));
        return Ok(());
    }
    let colour = if query.color { Colour::On } else { Colour::Off };
    let look = Look {
        depth,
        ..Look::new(colour, query.full)
    };
    tree::draw_to(&tree, &tasks, look, &mut |piece| send(piece.into()));
    if let Some(next) = next {
        let more = format!("… the trace goes on: distlogd tree {id} --cursor {next}\n");
        send(more.into());
    }
    Ok(())
}
