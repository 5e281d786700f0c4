//! `GET /api/v1/tasks/{id}`.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use distlog_proto::TaskId;
use distlog_python::json;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::pieces::Pieces;
use super::tree_part::{Cursor, Rest, TreePart, missing};
use super::{Api, Refusal, Shared};
use crate::query::stored_tree::each_record;
use crate::tree::paint::{Colour, Look};
use crate::tree::{DEPTH, Gone};
use distlog_store::Reader;

/// An answer has so many tasks and records at most.
const MAX_ITEMS: u64 = 500_000;
/// A piece of records, in bytes.
const CHUNK: usize = 64 << 10;

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
    /// Levels of tasks.
    depth: Option<usize>,
    /// Where the part before ended.
    cursor: Option<String>,
    /// At most so many tasks and records.
    limit: Option<u64>,
}

/// The tree of a task: of the whole trace for a bare trace id, else of the task and what is below it.
pub async fn tree(
    State(Api { views, trees, .. }): Shared,
    Path(id): Path<String>,
    Query(query): Query<TreeQuery>,
) -> Result<Response, Refusal> {
    let id: TaskId = id.parse().map_err(Refusal::bad_request)?;
    let cursor = query.cursor.as_deref().map(str::parse).transpose();
    let cursor: Option<Cursor> = cursor.map_err(Refusal::bad_request)?;
    let permit = trees
        .acquire_owned()
        .await
        .map_err(|error| Refusal(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let (begun, begins) = oneshot::channel();
    let (pieces, body) = Pieces::new();
    tokio::task::spawn_blocking(move || {
        // Held until the work is done, also if nobody waits for it any more.
        let _permit = permit;
        let answer = Answer {
            reader: views.reader,
            id,
            query,
            begun: Some(begun),
            pieces,
        };
        answer.run(cursor);
    });
    let content_type = begins
        .await
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

/// An answer that is written while it is read.
struct Answer {
    reader: Reader,
    id: TaskId,
    query: TreeQuery,
    /// To be told whether there is an answer, and what it is.
    begun: Option<oneshot::Sender<Result<&'static str, Refusal>>>,
    pieces: Pieces,
}

impl Answer {
    fn run(mut self, cursor: Option<Cursor>) {
        let said = match self.query.format {
            Format::Records => self.records(),
            _ => self.tree(cursor),
        };
        match (said, self.begun.take()) {
            (Ok(()), _) => {}
            (Err(refusal), Some(begun)) => _ = begun.send(Err(refusal)),
            // An answer that was begun is broken off, so that nobody takes it for the whole.
            (Err(refusal), None) => {
                tracing::warn!("an answer is broken off: {}", refusal.1);
                self.pieces.break_off("broken off");
            }
        }
    }

    fn begin(&mut self, content_type: &'static str) {
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(Ok(content_type));
        }
    }

    fn records(&mut self) -> Result<(), Refusal> {
        let (reader, id) = (self.reader.clone(), self.id.clone());
        let mut out = Vec::new();
        let mut gone = false;
        each_record(&reader, &id, |record| {
            json::encode(record, &mut out);
            out.push(b'\n');
            self.begin("application/x-ndjson");
            if out.len() >= CHUNK {
                gone = !self.pieces.send(std::mem::take(&mut out));
            }
            !gone
        })
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        if self.begun.is_some() {
            return Err(missing(&self.id));
        }
        if !gone {
            self.pieces.send(out);
        }
        Ok(())
    }

    fn tree(&mut self, cursor: Option<Cursor>) -> Result<(), Refusal> {
        let mut part = TreePart::find(&self.reader, &self.id, cursor)?;
        let text = matches!(self.query.format, Format::Text);
        self.begin(if text {
            "text/plain; charset=utf-8"
        } else {
            "application/json"
        });
        let depth = self.query.depth.unwrap_or(DEPTH);
        let limit = self.query.limit.unwrap_or(MAX_ITEMS).clamp(1, MAX_ITEMS);
        let pass = &mut |piece| self.pieces.send(piece);
        let written = if text {
            let colour = if self.query.color {
                Colour::On
            } else {
                Colour::Off
            };
            let look = Look::new(colour, self.query.full);
            part.draw(depth, limit, look, pass)
        } else {
            part.write_json(depth, limit, pass)
        };
        let Ok(rest) = written else {
            let Gone = Gone;
            return Ok(());
        };
        let end = match (rest, text) {
            (None, true) => return Ok(()),
            (None, false) => ",\"next\":null}".to_owned(),
            (Some(Rest { next, .. }), false) => format!(",\"next\":\"{next}\"}}"),
            (Some(rest), true) => {
                let Rest { next, .. } = &rest;
                format!("… {rest}: distlogd tree {} --cursor {next}\n", self.id)
            }
        };
        self.pieces.send(end.into_bytes());
        Ok(())
    }
}
